"""Batches changed on their way to documents: records left out, sources joined, contigs cut into segments."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from numba import njit

from corpus.scan.batch import Batch
from tokenizer.sequence import Ids


def keep(batch: Batch, kept: npt.NDArray[np.bool_]) -> Batch:
    """The records of `batch` where `kept`, [records], is true. Their numbers in the source are lost."""
    lengths = np.diff(batch.bounds)
    return Batch(
        first=batch.first,
        names=[name for name, keep in zip(batch.names, kept, strict=True) if keep],
        descriptions=[text for text, keep in zip(batch.descriptions, kept, strict=True) if keep],
        tokens=batch.tokens[np.repeat(kept, lengths)],
        bounds=np.concatenate(([0], np.cumsum(lengths[kept]))),
    )


def join(batches: Sequence[Batch]) -> Batch:
    """The records of all, in order, numbered as those of the first."""
    if len(batches) == 1:
        return batches[0]
    sizes = np.cumsum([0, *(len(batch.tokens) for batch in batches)])
    ends = [batch.bounds[1:] + size for batch, size in zip(batches, sizes[:-1], strict=True)]
    return Batch(
        first=batches[0].first,
        names=[name for batch in batches for name in batch.names],
        descriptions=[text for batch in batches for text in batch.descriptions],
        tokens=np.concatenate([batch.tokens for batch in batches]),
        bounds=np.concatenate([np.zeros(1, dtype=np.int64), *ends]),
    )


def cut(batch: Batch, length: int) -> tuple[Ids, npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Segments of at most `length` bases, each with an EOS; the last of a record may be shorter.

    Returns their tokens, their bounds [segments + 1], the record that each is of and where in it it begins [segments].
    """
    bases = np.diff(batch.bounds) - 1
    segments = -(-bases // length)
    record = np.repeat(np.arange(len(bases)), segments)
    place = np.arange(len(record)) - np.repeat(np.cumsum(segments) - segments, segments)
    starts = batch.bounds[record] + place * length
    lengths = np.minimum(length, batch.bounds[record + 1] - 1 - starts)
    bounds = np.concatenate(([0], np.cumsum(lengths + 1)))
    tokens = np.zeros(int(bounds[-1]), dtype=np.uint8)  # what is not copied over stays EOS, which is 0
    _copy(batch.tokens, starts, lengths, tokens, bounds)
    return tokens, bounds, record, place * length


@njit(cache=True, nogil=True)
def _copy(tokens, starts, lengths, result, places):  # type: ignore[no-untyped-def]
    for segment in range(len(starts)):
        start, place = starts[segment], places[segment]
        result[place : place + lengths[segment]] = tokens[start : start + lengths[segment]]
