"""Megatron indexed datasets of byte tokens, `PREFIX.bin` and `PREFIX.idx`, as Evo 2's preprocessing writes them.

A token is the code of its letter, EOS is 0. The layout is in `corpus.store.index_format`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from corpus.scan.batch import BATCH_BYTES, Batch
from corpus.store.index_format import HEADER, MAGIC, VERSION, idx_size
from corpus.streams.compression import Observe, ObservedFile, named_errors
from foundation.errors import InputError
from foundation.regular_file import opener
from tokenizer.vocabulary import EOS

_DTYPES = {1: "u1", 2: "i1", 3: "<i2", 4: "<i4", 5: "<i8", 8: "<u2"}
"""Megatron's codes of whole numbers (`DType` in megatron/core/datasets/indexed_dataset.py)."""

Tokens = npt.NDArray[np.integer[Any]]
Bounds = npt.NDArray[np.int64]


def is_megatron(path: Path) -> bool:
    """Whether `path` is the `.bin` of an indexed dataset. Errors: `InputError` where it is the `.idx`."""
    with named_errors(path):
        if _is_index(path):
            fix = f"Name {path.with_suffix('.bin').name}."
            raise InputError(
                "is the index of a Megatron dataset, not its tokens", where=path, fix=fix, kind="index-for-tokens"
            )
        return path.suffix == ".bin" and _is_index(path.with_suffix(".idx"))


def cut_documents(path: Path, target: int) -> list[int]:
    """The documents at which to cut, so that each part has about `target` stored bytes."""
    bounds = _open(path).bounds
    cuts = np.unique(np.searchsorted(bounds, np.arange(target, int(bounds[-1]), target), side="right") - 1)
    return [cut for cut in cuts.tolist() if cut > 0]


def read_megatron(
    path: Path, *, start: int = 0, stop: int | None = None, observe: Observe | None = None
) -> Iterator[Batch]:
    """The documents `[start, stop)`, with an EOS at their end or without; their names are PREFIX_0, PREFIX_1, ...

    Memory: the index, and some times the longest document.
    Errors: `InputError` with the document, after the batches of those before it.
    """
    dataset = _open(path)
    last = dataset.documents if stop is None else min(stop, dataset.documents)
    with named_errors(path), ObservedFile(path, observe) as file:
        first = start
        while first < last:
            limit = dataset.bounds[first] + BATCH_BYTES
            end = min(max(int(np.searchsorted(dataset.bounds, limit, side="right")) - 1, first + 1), last)
            tokens, bounds = dataset.read(file, first, end)
            good, kind, problem = _check(tokens, bounds)
            if good:
                names = [f"{path.stem}_{number}" for number in range(first, first + good)]
                yield _batch(first - start + 1, names, tokens[: bounds[good]], bounds[: good + 1])
            if problem:
                fix = "Leave it out, or make the dataset again with one byte per token and one EOS per document."
                where = f"{path}, document {first + good:,}, counted from 0"
                raise InputError(problem, where=where, fix=fix, kind=kind)
            first = end


@dataclass(frozen=True, kw_only=True)
class _Dataset:
    """`bounds`, [documents + 1]: the byte of the file where each document begins, then where the last one ends."""

    path: Path
    dtype: np.dtype[np.integer[Any]]
    bounds: Bounds

    @property
    def documents(self) -> int:
        return len(self.bounds) - 1

    def read(self, file: ObservedFile, first: int, end: int) -> tuple[Tokens, Bounds]:
        """The tokens of documents [first, end), and their bounds in them."""
        bounds = self.bounds[first : end + 1] - self.bounds[first]
        file.seek(int(self.bounds[first]))
        data, done = bytearray(int(bounds[-1])), 0
        while done < len(data):
            count = file.readinto(memoryview(data)[done:])
            if not count:
                raise _damaged(self.path, "it is shorter than when it was opened", "file-shrank")
            done += count
        return np.frombuffer(data, dtype=self.dtype), bounds // self.dtype.itemsize


def _open(path: Path) -> _Dataset:
    index = path.with_suffix(".idx")
    with named_errors(index), open(index, "rb", opener=opener) as file:
        header, size = file.read(HEADER.size), index.stat().st_size
        if len(header) < HEADER.size or not header.startswith(MAGIC):
            raise _damaged(index, "it has no header of a Megatron index", "not-a-megatron-index")
        _, version, code, sequences, marks = HEADER.unpack(header)
        if version != VERSION:
            fix = f"Version {VERSION} is read."
            raise InputError(f"has version {version}", where=index, fix=fix, kind="megatron-index-version")
        if code not in _DTYPES:
            fix = f"Whole numbers are read: the codes {', '.join(map(str, _DTYPES))}."
            raise InputError(f"has tokens of dtype code {code}", where=index, fix=fix, kind="token-dtype")
        if size != idx_size(sequences, marks):
            problem = f"it has {size:,} bytes and would need {idx_size(sequences, marks):,}"
            raise _damaged(index, problem, "index-truncated")
        lengths = np.frombuffer(file.read(4 * sequences), dtype="<u4")  # int32, which Megatron lets run over
        offsets = np.frombuffer(file.read(8 * sequences), dtype="<i8")
        places = np.frombuffer(file.read(8 * marks), dtype="<i8")
    if marks < 2:
        raise InputError(
            "holds no document", where=path, fix="Leave it out, or check how it was made.", kind="no-record"
        )
    dtype, offsets = np.dtype(_DTYPES[code]), np.append(offsets, path.stat().st_size)
    if (places[1:] < places[:-1]).any() or places[0] != 0 or places[-1] != sequences:
        raise _damaged(index, "its documents are not one after the other", "documents-out-of-order")
    if offsets[0] != 0 or (np.diff(offsets) != lengths.astype(np.int64) * dtype.itemsize).any():
        problem = f"its sequences are not those of {path.name}, one after the other"
        raise _damaged(index, problem, "index-of-other-tokens")
    return _Dataset(path=path, dtype=dtype, bounds=offsets[places])


def _check(tokens: Tokens, bounds: Bounds) -> tuple[int, str, str]:
    """How many documents can be taken, from the first on; kind and problem of the one after them, or ""."""
    sizes, closed = np.diff(bounds), _closed(tokens, bounds)
    end = tokens == EOS.id
    end[bounds[1:][closed] - 1] = False
    foreign = (tokens < 0) | (tokens > 255) if tokens.dtype != np.uint8 else end[:0]
    found = [
        (np.flatnonzero(sizes == closed), "no-sequence", "has no base"),
        (np.searchsorted(bounds, np.flatnonzero(end), side="right") - 1, "eos-inside", "has an EOS (0) before its end"),
        (
            np.searchsorted(bounds, np.flatnonzero(foreign), side="right") - 1,
            "token-not-a-byte",
            "has a token that is not a byte",
        ),
    ]
    firsts = ((int(where[0]), kind, problem) for where, kind, problem in found if where.size)
    return min(firsts, key=lambda one: one[0], default=(len(sizes), "", ""))


def _batch(first: int, names: list[str], tokens: Tokens, bounds: Bounds) -> Batch:
    """A batch of documents, each with the EOS that it may lack."""
    unended = ~_closed(tokens, bounds)
    if unended.any():
        tokens = np.insert(tokens, bounds[1:][unended], EOS.id)
        bounds = bounds + np.concatenate(([0], np.cumsum(unended)))
    ids = tokens.astype(np.uint8, copy=False)
    ids.flags.writeable = False
    return Batch(first=first, names=names, descriptions=[""] * len(names), tokens=ids, bounds=bounds)


def _closed(tokens: Tokens, bounds: Bounds) -> npt.NDArray[np.bool_]:
    """Whether each document ends with an EOS."""
    closed = np.diff(bounds) > 0
    closed[closed] = tokens[bounds[1:][closed] - 1] == EOS.id
    return closed


def _is_index(path: Path) -> bool:
    if path.suffix != ".idx" or not path.is_file():
        return False
    with open(path, "rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def _damaged(path: Path, problem: str, kind: str) -> InputError:
    return InputError(f"is damaged: {problem}", where=path, fix="Fetch or make it again.", kind=kind)
