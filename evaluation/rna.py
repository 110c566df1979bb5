"""RNA read as DNA, and said: the corpora that models learn from have T where a source has U."""

from foundation.terminal import warn
from tokenizer.sequence import Ids, to_dna

_URACIL = b"Uu"


class AsDna:
    """Reads U as T in the records of `source`, and says so at the first that has one."""

    def __init__(self, source: object) -> None:
        self._source, self._said = source, False

    def __call__(self, ids: Ids, record: object) -> Ids:
        """`ids` with T for U, case kept; `record` is how the message names it."""
        if not any((ids == letter).any() for letter in _URACIL):
            return ids
        if not self._said:
            self._said = True
            warn(f"warning: {self._source}: U of RNA is read as T; the first is in {record}")
        return to_dna(ids)
