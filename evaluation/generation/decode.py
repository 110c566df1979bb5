"""One batch of samples, base by base: a pass of the model, one draw for all rows, and the next pass."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from evaluation.generation.cache import ROWS, Cache
from evaluation.generation.constraints import Constraints
from evaluation.generation.forward import forward_of
from evaluation.generation.sampling import Sampling, choose
from evaluation.likelihood.attention import Recorder
from evaluation.likelihood.likelihood import Logs
from evaluation.likelihood.regions import Region
from foundation.errors import InputError
from foundation.progress import Advance
from tokenizer.sequence import Ids, to_upper
from tokenizer.vocabulary import EOS

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

_WORTH_KEEPING = 0.75
"""Share of a batch's rows that must be alive; below it the others are taken out, which copies the cache."""

_WORTH_THREADS = 100_000_000
"""Products of a step, about a millisecond of one core, from which all threads are used."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One sample to be drawn: `limit` new bases at most after `ids`, which the model reads first, in upper case.

    `stream`: what seeds its random numbers. `tries`: how often it has been drawn, this time included.
    """

    prompt: Region
    sample: int
    ids: Ids
    limit: int
    stream: tuple[int, ...]
    tries: int = 1


@dataclass(frozen=True, kw_only=True)
class Generated:
    """One sample. `logs`: ln P of each base of `ids` among all 256 ids, at temperature 1; `ended` by EOS."""

    prompt: Region
    sample: int
    ids: Ids
    logs: Logs
    ended: bool
    tries: int = 1


class Reader:
    """Reads prompts with a model, each once: the last one is kept for the next batch of its samples."""

    def __init__(self, model: "PreTrainedModel") -> None:
        self.forward, self.device = forward_of(model), model.device
        self.parameters = sum(one.numel() for one in model.parameters())
        self._last: tuple[bytes, Recorder, Tensor] | None = None

    def read(self, ids: Ids) -> "tuple[Recorder, Tensor]":
        """Keys and values of a prompt, and the logits after it, [1, 256]."""
        import torch

        if self._last is None or self._last[0] != ids.tobytes():
            tokens = torch.from_numpy(ids.astype(np.int64))[None].to(self.device)
            positions, recorder = torch.arange(len(ids), device=self.device)[None], Recorder()
            self._last = (ids.tobytes(), recorder, self.forward(tokens, positions, recorder))
        return self._last[1], self._last[2]


def decode(reader: Reader, rows: Sequence[Row], sampling: Sampling, advance: Advance) -> list[Generated]:
    """Draw `rows`, in order; those of one prompt are adjacent. Errors: `InputError` for logits that are not numbers."""
    import torch

    with torch.inference_mode():
        batch = _Batch(rows, sampling)
        logits = batch.begin(reader)
        with _threads_for(reader.parameters * len(rows)):
            for step in range(batch.steps):
                tokens = batch.draw(step, logits, advance)
                if not batch.live.any():
                    break
                logits = batch.step(reader, tokens)
    return batch.results()


@contextmanager
def _threads_for(products: int) -> Iterator[None]:
    """One thread where a step is so short that waking a second one costs more than it brings; bits are the same."""
    import torch

    threads = torch.get_num_threads()
    if products < _WORTH_THREADS:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


class _Batch:
    """`slots`: which rows are in the cache, [slots]; `live`: which of those have not ended."""

    def __init__(self, rows: Sequence[Row], sampling: Sampling) -> None:
        self._rows, self._sampling = rows, sampling
        self._limits = np.array([row.limit for row in rows])
        self.steps = int(self._limits.max())
        self._candidates = np.array([EOS.id, *sorted(set(sampling.letters))])
        self._constraints = Constraints(sampling, [to_upper(row.prompt.ids) for row in rows], self._candidates)
        self._draws = np.stack([np.random.default_rng(row.stream).random(self.steps) for row in rows])
        self._ids = np.zeros((len(rows), self.steps), dtype=np.uint8)
        self._logs = np.zeros((len(rows), self.steps), dtype=np.float32)
        self._counts = np.zeros(len(rows), dtype=np.int64)
        self.slots, self.live = np.arange(len(rows)), np.ones(len(rows), dtype=np.bool_)

    def begin(self, reader: Reader) -> "Tensor":
        """Read the prompts; the logits after each, [rows, 256]."""
        import torch

        rows = [self._rows[slot] for slot in _padded(self.slots)]
        capacity = max(len(row.ids) + row.limit for row in rows)
        self._cache = Cache([len(row.ids) for row in rows], capacity, reader.device)
        logits, first = [], 0
        for last, row in enumerate(rows, start=1):
            if last == len(rows) or rows[last].prompt is not row.prompt:
                recorder, one = reader.read(row.ids)
                self._cache.fill(first, last, recorder)
                logits.append(one.expand(last - first, -1))
                first = last
        return torch.cat(logits)[: len(self.slots)]

    def draw(self, step: int, logits: "Tensor", advance: Advance) -> npt.NDArray[np.int64]:
        """The next id of each slot; the id of a finished slot is ignored."""
        import torch

        known = torch.log_softmax(logits, dim=-1).cpu().numpy()[:, self._candidates].astype(np.float64)
        if not np.isfinite(known).all():
            fix = "Use float32, or check the weights."
            raise InputError("a log-probability is not a number", fix=fix, kind="not-a-number")
        wanted = self._constraints.apply(known, self.slots, step)
        chosen = choose(wanted, self._sampling, self._draws[self.slots, step])
        ids: npt.NDArray[np.int64] = self._candidates[chosen]
        going = self.live & (ids != EOS.id)
        rows = self.slots[going]
        self._ids[rows, step], self._logs[rows, step] = ids[going], known[going, chosen[going]]
        self._counts[rows] += 1
        self._constraints.follow(rows, ids[going])
        ended = self.slots[self.live & ~going]
        advance(float(self.live.sum() + (self._limits[ended] - step - 1).sum()))
        self.live = going & (self._limits[self.slots] > step + 1)
        return ids

    def step(self, reader: Reader, ids: npt.NDArray[np.int64]) -> "Tensor":
        """The logits after `ids`, [slots, 256]; of fewer slots where many have ended."""
        import torch

        if self.live.sum() <= _WORTH_KEEPING * len(self.live):
            kept = np.flatnonzero(self.live)
            self._cache.keep(torch.from_numpy(_padded(kept)).to(reader.device))
            self.slots, self.live, ids = self.slots[kept], self.live[kept], ids[kept]
        tokens = torch.from_numpy(_padded(ids))[:, None].to(reader.device)
        logits = reader.forward(tokens, self._cache.positions, self._cache)
        self._cache.close()
        return logits[: len(ids)]

    def results(self) -> list[Generated]:
        return [
            Generated(
                prompt=row.prompt, sample=row.sample, ids=ids[:count].copy(), logs=logs[:count].copy(),
                ended=bool(count < row.limit), tries=row.tries,
            )
            for row, ids, logs, count in zip(self._rows, self._ids, self._logs, self._counts.tolist(), strict=True)
        ]  # fmt: skip


def _padded(values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """As many as a cache has rows, padded with the last one."""
    return np.pad(values, (0, -len(values) % ROWS), mode="edge")
