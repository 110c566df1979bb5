"""OpenGenome2's markup in text: tags such as `|d__Bacteria;p__Pseudomonadota|`, `@` and `#` between pieces."""

import numpy as np
import numpy.typing as npt
from numba import njit

from corpus.markup import BAR, JOINS
from corpus.scan.batch import Batch
from foundation.errors import InputError
from tokenizer.sequence import NUCLEOTIDES, Ids

LONGEST_TAG = 2048
"""Bytes between two bars; a bar without its other would make a tag of the sequence."""

_FINE, _LETTER, _TAG, _UNCLOSED, _BARE = 0, 1, 2, 3, 4
_ALLOWED = np.zeros(256, dtype=np.bool_)
_ALLOWED[list(NUCLEOTIDES + JOINS)] = True


def check_markup(batch: Batch, where: object) -> None:
    """That all outside of the tags is nucleotide letters and joins, and that tags are closed and printable.

    Errors: `InputError` with `where`, the record and the place.
    """
    status, record, place = _check(batch.tokens, batch.bounds, _ALLOWED)
    if status == _FINE:
        return
    byte = int(batch.tokens[batch.bounds[record] + place])
    shown = repr(chr(byte)) if 32 < byte < 127 else f"byte 0x{byte:02x}"
    problem = {
        _LETTER: f"{shown} at place {place + 1} is no IUPAC nucleotide letter and in no tag",
        _TAG: f"{shown} at place {place + 1} is in a tag and is not printable",
        _UNCLOSED: f"the tag that opens at place {place + 1} does not close within {LONGEST_TAG:,} characters",
        _BARE: "has tags and no bases",
    }[status]
    where = f"{where}, record {batch.first + record} {batch.names[record]!r}"
    raise InputError(problem, where=where, fix="Remove the record, or repair the file.")


@njit(cache=True, nogil=True)
def _check(tokens: Ids, bounds: npt.NDArray[np.int64], allowed: npt.NDArray[np.bool_]) -> tuple[int, int, int]:
    """Status, record and place of the first error."""
    for record in range(len(bounds) - 1):
        start, stop = bounds[record], bounds[record + 1] - 1
        tag, bases = -1, 0
        for index in range(start, stop):
            byte = tokens[index]
            if byte == BAR:
                tag = -1 if tag >= 0 else index
            elif tag < 0:
                if not allowed[byte]:
                    return _LETTER, record, index - start
                bases += 1
            elif index - tag > LONGEST_TAG:
                return _UNCLOSED, record, tag - start
            elif byte < 32 or byte > 126:
                return _TAG, record, index - start
        if tag >= 0:
            return _UNCLOSED, record, tag - start
        if bases == 0:
            return _BARE, record, 0
    return _FINE, 0, 0
