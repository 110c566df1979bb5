"""Counts of bases: by letter, and of soft-masked ones."""

import numpy as np
import numpy.typing as npt

BLOCK = 1 << 20

LETTERS = "ACGTN"


class Composition:
    """Running counts of the bytes of all sequences added. NUL bytes, which no sequence has, are not counted."""

    def __init__(self) -> None:
        self._counts: npt.NDArray[np.int64] = np.zeros(256, dtype=np.int64)
        self._waiting = bytearray()  # short contigs are counted together: `bincount` costs much per call

    def add(self, sequence: bytes | memoryview) -> None:
        """Count the bytes of `sequence`."""
        for start in range(0, len(sequence), BLOCK):
            self._waiting += sequence[start : start + BLOCK]
            if len(self._waiting) >= BLOCK:
                self._flush()

    def by_letter(self) -> dict[str, int]:
        """Bases by letter, both cases: A, C, G, T, N and other."""
        counts = self._totals()
        letters = {letter: int(counts[ord(letter)] + counts[ord(letter.lower())]) for letter in LETTERS}
        return letters | {"other": int(counts.sum()) - sum(letters.values())}

    def soft_masked(self) -> int:
        """Lower-case bases."""
        return int(self._totals()[ord("a") : ord("z") + 1].sum())

    def total(self) -> int:
        """All bases."""
        return int(self._totals().sum())

    def _totals(self) -> npt.NDArray[np.int64]:
        self._flush()
        return self._counts

    def _flush(self) -> None:
        """Count pairs of bytes, which takes `bincount` half as long; an odd end gets a NUL, which is dropped."""
        self._waiting += b"\0" * (len(self._waiting) % 2)
        pairs = np.bincount(np.frombuffer(self._waiting, dtype="<u2"), minlength=1 << 16).reshape(256, 256)
        self._counts += pairs.sum(axis=0) + pairs.sum(axis=1)
        self._counts[0] = 0
        self._waiting = bytearray()
