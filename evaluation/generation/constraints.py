"""What the samples of one batch may not, or should not, have next: EOS too early, a motif, a word once more."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from evaluation.generation.motifs import Automaton
from evaluation.generation.sampling import Sampling, Values
from tokenizer.sequence import Ids
from tokenizer.vocabulary import EOS

Integers = npt.NDArray[np.int64]


class Constraints:
    """Follows the samples of a batch; `prompts` are their upper-case bases, `candidates` the ids that may be drawn."""

    def __init__(self, sampling: Sampling, prompts: Sequence[Ids], candidates: Integers) -> None:
        self._sampling, self._candidates = sampling, candidates
        self._automaton = Automaton(sampling.motifs, sampling.letters) if sampling.motifs.words else None
        self._states = np.array([self._automaton.follow(ids) if self._automaton else 0 for ids in prompts])
        penalised = sampling.repetition_penalty > 1
        self._words = [_Words(ids, sampling.repetition_length) for ids in prompts] if penalised else []

    def apply(self, logs: Values, rows: Integers, step: int) -> Values:
        """`logs` [rows, candidates] of the samples `rows`, lowered for penalised or forbidden candidates."""
        if step < self._sampling.min_length:
            logs = np.where(self._candidates == EOS.id, -np.inf, logs)
        if self._automaton:
            allowed = self._automaton.allowed[self._states[rows]][:, self._candidates]
            logs = np.where(allowed, logs, -np.inf)
        if self._words:
            repeats = np.array([self._words[row].repeated(self._candidates) for row in rows])
            logs = logs - repeats * np.log(self._sampling.repetition_penalty)
        return logs

    def follow(self, rows: Integers, ids: Integers) -> None:
        """The samples `rows` were continued with `ids`."""
        if self._automaton:
            self._states[rows] = self._automaton.next[self._states[rows], ids]
        if self._words:
            for row, id in zip(rows.tolist(), ids.tolist(), strict=True):
                self._words[row].add(id)


class _Words:
    """The words of `length` bases that a sequence has."""

    def __init__(self, ids: Ids, length: int) -> None:
        self._length, text = length, ids.tobytes()
        self._words = {text[start : start + length] for start in range(len(text) - length + 1)}
        self._last = text[max(0, len(text) - length + 1) :]  # of a word yet to be completed

    def repeated(self, candidates: Integers) -> list[bool]:
        """Whether each candidate completes a word that was there before."""
        return [self._last + bytes([id]) in self._words for id in candidates.tolist()]

    def add(self, id: int) -> None:
        word = self._last + bytes([id])
        if len(word) == self._length:
            self._words.add(word)
        self._last = word[max(0, len(word) - self._length + 1) :]
