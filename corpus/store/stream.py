"""A split of a corpus as one stream of tokens, over any number of shards."""

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path

import numpy as np
import numpy.typing as npt

from corpus.store.index import TokenIndex
from tokenizer.sequence import Ids

OPEN_SHARDS = 128
"""Shards whose files are kept open; a process may have some 1,000 open files."""


class TokenStream:
    """The documents of all shards end to end, in order. Memory: a few hundred bytes a shard, none a document.

    May be forked or pickled into worker processes; not for several threads at once.
    Errors: `InputError` for files that are missing, of another format, or truncated.
    """

    def __init__(self, prefixes: Sequence[Path]) -> None:
        self._shards = [TokenIndex(prefix) for prefix in prefixes]
        self._first_token = [0, *accumulate(shard.tokens for shard in self._shards)]
        self._first_document = [0, *accumulate(shard.documents for shard in self._shards)]
        self._open: OrderedDict[int, TokenIndex] = OrderedDict()
        self.tokens = self._first_token[-1]
        self.documents = self._first_document[-1]

    def read(self, start: int, stop: int) -> Ids:
        """Tokens [start, stop) of the stream, shape [stop - start], writable."""
        if not 0 <= start <= stop <= self.tokens:
            raise IndexError(f"[{start}, {stop}) is not within the {self.tokens} tokens of the split")
        tokens = np.empty(stop - start, dtype=np.uint8)
        for number, low, high in _overlaps(self._first_token, start, stop):
            begin = self._first_token[number]
            self._shard(number).read_into(low - begin, tokens[low - start : high - start])
        return tokens

    def starts(self, first: int, last: int) -> npt.NDArray[np.int64]:
        """Where documents [first, last), at least one, begin in the stream, then where the last ends.

        Shape [last - first + 1]. Reads 16 bytes a document.
        """
        if not 0 <= first < last <= self.documents:
            raise IndexError(f"[{first}, {last}) is not within the {self.documents} documents of the split")
        pieces: list[npt.NDArray[np.int64]] = []
        for number, low, high in _overlaps(self._first_document, first, last):
            begin = self._first_document[number]
            starts = self._shard(number).starts(low - begin, high - begin)
            if number:
                starts = starts + self._first_token[number]
            pieces.append(starts if high == last else starts[:-1])
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)

    def document(self, number: int) -> Ids:
        """Tokens of one document, in [0, documents), its EOS included."""
        if not 0 <= number < self.documents:
            raise IndexError(f"the split has no document {number}, it has {self.documents}")
        return self.read(*self.starts(number, number + 1).tolist())

    def _shard(self, number: int) -> TokenIndex:
        shard = self._shards[number]
        self._open[number] = shard
        self._open.move_to_end(number)
        if len(self._open) > OPEN_SHARDS:
            self._open.popitem(last=False)[1].close()
        return shard


def _overlaps(firsts: Sequence[int], start: int, stop: int) -> Iterator[tuple[int, int, int]]:
    """Which shard holds which part of [start, stop): its number, and that part."""
    number = bisect_right(firsts, start) - 1
    while start < stop:
        end = min(stop, firsts[number + 1])
        if start < end:
            yield number, start, end
        start, number = end, number + 1
