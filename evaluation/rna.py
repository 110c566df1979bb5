"""RNA read as DNA, and said: the corpora that models learn from have T where a source has U."""

import numpy as np

from corpus.markup import to_dna_outside_tags
from foundation.terminal import warn
from tokenizer.sequence import Ids

_URACIL = b"Uu"


class AsDna:
    """Reads U as T in the records of `source`, and says so at the first that has one."""

    def __init__(self, source: object) -> None:
        self._source, self._said = source, False

    def __call__(self, ids: Ids, record: object) -> Ids:
        """`ids` with T for U, case kept; `record` is how the message names it."""
        if not any((ids == letter).any() for letter in _URACIL):
            return ids
        dna = to_dna_outside_tags(ids)
        if np.array_equal(dna, ids):
            return ids  # it was in a tag
        if not self._said:
            self._said = True
            warn(f"warning: {self._source}: U of RNA is read as T; the first is in {record}")
        return dna
