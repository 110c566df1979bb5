"""Motifs that must not appear, as an automaton that follows a sequence base by base.

A state is the set of motif beginnings that the last bases match, so that IUPAC codes need no expansion (GGTNACC is
one motif, not four). A step that completes a motif is forbidden, and so is one that leads to where every continuation
completes one sooner or later. Every remaining state has an allowed continuation.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from foundation.errors import InputError
from tokenizer.sequence import Ids, encode, not_nucleotides, reverse_complement

_MEANS = {
    "A": "A", "C": "C", "G": "G", "T": "T", "U": "T", "R": "AG", "Y": "CT", "S": "CG", "W": "AT", "K": "GT", "M": "AC",
    "B": "CGT", "D": "AGT", "H": "ACT", "V": "ACG", "N": "ACGT",
}  # fmt: skip
_STATES = 100_000

State = frozenset[tuple[int, int]]
"""Pairs of a motif's number and how many of its letters the last bases match."""


@dataclass(frozen=True, kw_only=True)
class Motifs:
    """Upper-case IUPAC words. Errors: `InputError` for one that is empty or has other letters."""

    words: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for word in self.words:
            if not word or not_nucleotides(word.encode("utf-8", "replace")):
                fix = "Give the recognition sequence in IUPAC letters, such as GAATTC or GGTNACC."
                raise InputError(f"the motif {word!r} is not a nucleotide sequence", fix=fix, kind="motif")

    def check_alphabet(self, alphabet: bytes) -> None:
        """Errors: `InputError` where no sequence over `alphabet` avoids them."""
        if self.words:
            Automaton(self, alphabet)


def read_motifs(words: Iterable[str], *, both_strands: bool) -> Motifs:
    """Motifs of an option, their reverse complements too where asked; commas separate, case does not matter."""
    listed = [part.strip().upper().replace("U", "T") for word in words for part in word.split(",")]
    motifs = Motifs(words=tuple(dict.fromkeys(listed)))
    if not both_strands:
        return motifs
    reversed_ = [reverse_complement(encode(word)).tobytes().decode() for word in motifs.words]
    return Motifs(words=tuple(dict.fromkeys([*motifs.words, *reversed_])))


def find_motif(ids: Ids, motifs: Motifs) -> str | None:
    """The first of `motifs` that `ids` has, in either case; None where it has none."""
    text = ids.tobytes().decode("latin-1").upper().replace("U", "T")
    for word in motifs.words:
        if re.search("".join(f"[{_MEANS[letter]}]" for letter in word.upper()), text):
            return word
    return None


class Automaton:
    """The states that sequences over `alphabet` can reach, numbered; 0 is the start.

    `next` [states, 256]: the state after each id. `allowed` [states, 256]: whether it may come.
    Errors: `InputError` where every sequence runs into a motif, or the automaton is too large.
    """

    def __init__(self, motifs: Motifs, alphabet: bytes) -> None:
        self._motifs = [word.upper().replace("U", "T") for word in motifs.words]
        self._numbers: dict[State, int] = {frozenset(): 0}
        self._rows: list[tuple[list[int], list[bool]]] = []
        self._explore()
        self.next = np.array([row for row, _ in self._rows], dtype=np.int32)
        self.allowed = ~np.array([row for _, row in self._rows], dtype=np.bool_)
        self._close(sorted(set(alphabet)))
        if not self.allowed[0, sorted(set(alphabet))].any():
            problem = (
                f"every sequence over {alphabet.decode('latin-1')!r} has one of the motifs {', '.join(self._motifs)}"
            )
            raise InputError(problem, fix="Leave out the shortest motif.", kind="motifs-everywhere")

    def follow(self, ids: Ids) -> int:
        """The state after a prompt; motifs within it are not looked at."""
        state = 0
        for id in ids.tolist():
            state = int(self.next[state, id])
        return state

    def _explore(self) -> None:
        """Rows of all states that are reachable, in the order in which they are found."""
        columns = {letter: [ord(letter), ord(letter.lower())] for letter in "ACGT"}
        waiting: list[State] = [frozenset()]
        for state in waiting:
            following, completed = [0] * 256, [False] * 256
            for letter, ids in columns.items():
                after, full = self._step(state, letter)
                if after not in self._numbers:
                    if len(self._numbers) == _STATES:
                        fix = "Give fewer motifs, or shorter ones."
                        raise InputError(
                            f"the motifs need more than {_STATES:,} states", fix=fix, kind="motifs-too-many"
                        )
                    self._numbers[after] = len(self._numbers)
                    waiting.append(after)
                for id in ids:
                    following[id], completed[id] = self._numbers[after], full
            self._rows.append((following, completed))

    def _step(self, state: State, letter: str) -> tuple[State, bool]:
        """The state after `letter`, and whether a motif is complete with it."""
        begun = [*state, *((number, 0) for number in range(len(self._motifs)))]
        matched = {(number, length + 1) for number, length in begun if letter in _MEANS[self._motifs[number][length]]}
        going = frozenset((number, length) for number, length in matched if length < len(self._motifs[number]))
        return going, len(going) < len(matched)

    def _close(self, letters: Sequence[int]) -> None:
        """Forbid what leads to a state with no way on, until there is none; EOS may come anywhere."""
        while True:
            dead: npt.NDArray[np.bool_] = ~self.allowed[:, letters].any(axis=1)
            closing = self.allowed & dead[self.next]
            if not closing[:, letters].any():
                return
            self.allowed[:, letters] &= ~closing[:, letters]
