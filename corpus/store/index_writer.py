"""Writing a Megatron indexed dataset of uint8 tokens: bytes go from the batch to the file as they are.

A thread writes and checksums large batches, both without the interpreter's lock, while the next one is read.
"""

from array import array
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, TypeVar

import numpy as np
import numpy.typing as npt
import xxhash

from corpus.store.index_format import HEADER, LONGEST_SEQUENCE, MAGIC, UINT8, VERSION, bin_path, idx_path
from tokenizer.sequence import Ids

Writer = TypeVar("Writer", bound="IndexWriter")

_BUFFER = 1 << 20
_LARGE = 1 << 20
"""Smallest number of tokens in a batch that justifies a thread."""
_WAITING = 2  # batches in memory that are still to be written
_BLOCK = 1 << 16  # sequences whose index rows are made at once


class IndexWriter:
    """Writes `<prefix>.bin` as documents come, and `<prefix>.idx` when the `with` block ends without an error.

    Memory: 12 bytes a document, and two batches. `longest_sequence`: above it a document becomes several sequences.
    Errors of writing are raised by a later call, the last at the end of the block.
    """

    def __init__(self, prefix: Path, *, longest_sequence: int = LONGEST_SEQUENCE) -> None:
        self.prefix = prefix
        self.tokens = 0
        self._longest = longest_sequence
        self._lengths = array("i")
        self._marks = array("q", [0])
        self._checksum = xxhash.xxh3_128()
        self._writer = ThreadPoolExecutor(max_workers=1)
        self._waiting: deque[Future[None]] = deque()
        self._bin: BinaryIO = open(bin_path(prefix), "wb", buffering=_BUFFER)  # noqa: SIM115 (closed in __exit__)

    @property
    def documents(self) -> int:
        """Documents so far."""
        return len(self._marks) - 1

    def checksum(self) -> str:
        """XXH3-128 of the tokens so far, in hexadecimal."""
        self._wait(0)
        return self._checksum.hexdigest()

    def add(self, runs: Iterable[Ids], lengths: npt.NDArray[np.int64]) -> None:
        """Append documents that lie end to end in `runs` of tokens: `lengths` tokens each, at least one.

        The runs are written later, so nothing may change them.
        """
        runs = list(runs)
        tokens = sum(map(len, runs))
        if int(lengths.min(initial=1)) < 1 or int(lengths.sum()) != tokens:
            raise ValueError(f"lengths {lengths} are not those of documents in {tokens} tokens")
        self.tokens += tokens
        if tokens >= _LARGE:
            self._wait(_WAITING - 1)
            self._waiting.append(self._writer.submit(self._write, runs))
        else:
            self._wait(0)
            self._write(runs)
        first = len(self._lengths)
        if int(lengths.max(initial=0)) > self._longest:
            for length in lengths.tolist():
                full, rest = divmod(length, self._longest)
                self._lengths.extend([self._longest] * full + [rest] * bool(rest))
                self._marks.append(len(self._lengths))
        else:
            self._lengths.frombytes(lengths.astype(np.int32).tobytes())
            self._marks.frombytes(np.arange(first + 1, first + 1 + len(lengths), dtype=np.int64).tobytes())

    def __enter__(self: Writer) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._wait(0)
        finally:
            self._writer.shutdown(cancel_futures=True)
            self._bin.close()
        if kind is None:
            self._write_index()

    def _wait(self, most: int) -> None:
        """Until no more than `most` batches are to be written. Errors: those of writing."""
        while len(self._waiting) > most:
            self._waiting.popleft().result()

    def _write(self, runs: Iterable[Ids]) -> None:
        for run in runs:
            self._bin.write(run.data)
            self._checksum.update(run.data)

    def _write_index(self) -> None:
        lengths = np.frombuffer(self._lengths, dtype=np.int32) if self._lengths else np.empty(0, np.int32)
        with open(idx_path(self.prefix), "wb", buffering=_BUFFER) as stream:
            stream.write(HEADER.pack(MAGIC, VERSION, UINT8, len(lengths), len(self._marks)))
            stream.write(lengths.astype("<i4").data)
            offset = 0
            for start in range(0, len(lengths), _BLOCK):
                ends = offset + np.cumsum(lengths[start : start + _BLOCK], dtype="<i8")
                stream.write((ends - lengths[start : start + _BLOCK]).data)
                offset = int(ends[-1])
            stream.write(np.frombuffer(self._marks, dtype=np.int64).astype("<i8").data)
