"""Which split a sequence belongs to: a pure function of its bases and a seed, the same for both strands.

Case, U against T, the order of the records, the file and the machine play no part.
"""

import hashlib
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from conduct.errors import InputError
from tokenizer.sequence import reverse_complement, to_upper

SplitName = Literal["train", "validation", "test"]
SPLITS: tuple[SplitName, ...] = get_args(SplitName)

BLOCK = 1 << 17


@dataclass(frozen=True, kw_only=True)
class SplitRule:
    """Shares of the records for validation and test; the rest is train.

    Validation takes the low end of the hash range and test the high end, so that changing one moves nothing in or out
    of the other.
    """

    validation_fraction: float
    test_fraction: float
    seed: int

    def __post_init__(self) -> None:
        for name in ("validation_fraction", "test_fraction"):
            value = getattr(self, name)
            if not 0 <= value < 1:
                raise InputError(f"is {value}", where=name, fix="Give a share of the records in [0, 1).")
        if self.validation_fraction + self.test_fraction >= 1:
            raise InputError("leave nothing for train", where="validation_fraction and test_fraction", fix="Lower one.")

    def names(self) -> tuple[SplitName, ...]:
        """The splits that this rule makes."""
        wanted: dict[SplitName, bool] = {
            "train": True,
            "validation": self.validation_fraction > 0,
            "test": self.test_fraction > 0,
        }
        return tuple(name for name, want in wanted.items() if want)

    def assign(self, sequence: bytes | memoryview) -> SplitName:
        """The split of `sequence` (nucleotide letters, any case)."""
        position = strand_hash(sequence, self.seed) / 2**64
        if position < self.validation_fraction:
            return "validation"
        return "test" if position >= 1 - self.test_fraction else "train"


def strand_hash(sequence: bytes | memoryview, seed: int) -> int:
    """64-bit blake2b, keyed with `seed`, of the lexicographically smaller of a sequence and its reverse complement.

    Upper-cased, U as T, in blocks: no second copy of a chromosome is made.
    """
    view = memoryview(sequence)
    strand = _reverse if _reverse_is_smaller(view) else _forward
    digest = hashlib.blake2b(digest_size=8, key=str(seed).encode(), person=b"split")
    for start in range(0, len(view), BLOCK):
        digest.update(strand(view, start, start + BLOCK))
    return int.from_bytes(digest.digest(), "little")


def _reverse_is_smaller(sequence: memoryview) -> bool:
    """Compares block by block and stops at the first difference, mostly in the first block."""
    start, stop = 0, 256
    while start < len(sequence):
        forward, reverse = _forward(sequence, start, stop), _reverse(sequence, start, stop)
        if forward != reverse:
            return reverse < forward
        start, stop = stop, stop + BLOCK
    return False


def _forward(sequence: memoryview, start: int, stop: int) -> bytes:
    """Bases [start, stop) of the canonical sequence."""
    return bytes(sequence[start:stop]).translate(_CANONICAL)


def _reverse(sequence: memoryview, start: int, stop: int) -> bytes:
    """Bases [start, stop) of its reverse complement."""
    size = len(sequence)
    return bytes(sequence[max(size - stop, 0) : size - start]).translate(_COMPLEMENT)[::-1]


_BYTES = np.arange(256, dtype=np.uint8)
_CANONICAL = to_upper(_BYTES).tobytes().replace(b"U", b"T")
_COMPLEMENT = reverse_complement(np.frombuffer(_CANONICAL, dtype=np.uint8)[::-1]).tobytes()
