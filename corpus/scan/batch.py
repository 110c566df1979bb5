"""Records in columns: what every reader yields and every later step of a preparation works on."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tokenizer.sequence import Ids
from tokenizer.vocabulary import EOS

BATCH_BYTES = 8 << 20
"""Bases that a reader gathers into one batch, about. A longer record is a batch of its own."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Records of one source, one after the other, each followed by its EOS, as a corpus stores them.

    Record i is `tokens[bounds[i] : bounds[i + 1]]`; its last token is EOS, the bases before it are as in the source,
    case kept. No record is empty.

    Parameters
    ----------
    first : int
        Number of the first record in its source, counted from 1: for error messages.
    names : list of str
        Identifier of each record, [records].
    descriptions : list of str
        What else its source says of it, "" where nothing, [records].
    tokens : uint8 array, read-only
        [bounds[-1]].
    bounds : int64 array
        [records + 1], from 0.
    """

    first: int
    names: list[str]
    descriptions: list[str]
    tokens: Ids
    bounds: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.names)

    def sequence(self, record: int) -> Ids:
        """The bases of one record, without its EOS."""
        return self.tokens[self.bounds[record] : self.bounds[record + 1] - 1]


class BatchBuilder:
    """Gathers records that come one at a time; for formats whose records are not found in bulk."""

    def __init__(self, *, batch_bytes: int = BATCH_BYTES) -> None:
        self._limit = batch_bytes
        self._first = 1
        self._clear()

    def add(self, name: str, description: str, sequence: bytes | memoryview) -> Iterator[Batch]:
        """Take one record; yields a batch when one is full, so write `yield from builder.add(...)`."""
        self._names.append(name)
        self._descriptions.append(description)
        self._tokens += sequence
        self._tokens += _EOS
        self._ends.append(len(self._tokens))
        if len(self._tokens) >= self._limit:
            yield from self.finish()

    def finish(self) -> Iterator[Batch]:
        """The records not yet yielded, where there are any."""
        if self._names:
            tokens = np.frombuffer(self._tokens, dtype=np.uint8)
            tokens.flags.writeable = False
            yield Batch(
                first=self._first,
                names=self._names,
                descriptions=self._descriptions,
                tokens=tokens,
                bounds=np.array(self._ends, dtype=np.int64),
            )
            self._first += len(self._names)
            self._clear()

    def _clear(self) -> None:
        self._names: list[str] = []
        self._descriptions: list[str] = []
        self._tokens = bytearray()
        self._ends = [0]


_EOS = bytes([EOS.id])
