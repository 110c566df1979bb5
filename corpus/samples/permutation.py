"""A shuffle of [0, size) that is computed, not stored: a keyed permutation, for any size, in constant memory.

A generalised Feistel network (Black and Rogaway, "Ciphers with Arbitrary Finite Domains", 2002) on Z_a x Z_b with
a*b just above `size`; what falls outside is walked on until it falls inside. Each round adds a hash of one half to the
other one, modulo the other's size, which can be undone: a bijection whatever the hash.
"""

import hashlib
import math

import numpy as np
import numpy.typing as npt
from numba import njit, uint64

ROUNDS = 8


class Permutation:
    """The permutation of [0, size) of one (seed, epoch). An element takes some 0.3 us, in a scalar call 1 us."""

    def __init__(self, size: int, *, seed: int, epoch: int = 0) -> None:
        if not 0 < size < 2**62:
            raise ValueError(f"size must be in (0, 2**62), not {size}")
        self.size, self.seed, self.epoch = size, seed, epoch
        self._a = math.isqrt(size - 1) + 1
        self._b = -(-size // self._a)
        digest = hashlib.blake2b(f"{seed},{epoch}".encode(), digest_size=8 * ROUNDS, person=b"permutation")
        self._keys = np.frombuffer(digest.digest(), dtype="<u8").astype(np.uint64)

    def __call__(self, index: int) -> int:
        """Where `index`, in [0, size), is sent."""
        if not 0 <= index < self.size:
            raise IndexError(f"{index} is not in [0, {self.size})")
        return int(_permute(index, self.size, self._a, self._b, self._keys))

    def many(self, indices: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """`__call__` on each element: any shape in, the same shape out."""
        array = np.asarray(indices, dtype=np.int64)
        if array.size and (array.min() < 0 or array.max() >= self.size):
            raise IndexError(f"indices outside [0, {self.size})")
        values: npt.NDArray[np.int64] = _permute_many(array.ravel(), self.size, self._a, self._b, self._keys)
        return values.reshape(array.shape)


@njit(cache=True, nogil=True)
def _permute_many(indices, size, a, b, keys):  # type: ignore[no-untyped-def]
    values = np.empty_like(indices)
    for place in range(len(indices)):
        values[place] = _permute(indices[place], size, a, b, keys)
    return values


@njit(cache=True, nogil=True)
def _permute(index, size, a, b, keys):  # type: ignore[no-untyped-def]
    value, size, a, b = uint64(index), uint64(size), uint64(a), uint64(b)
    while True:
        left, right = value // b, value % b
        for turn in range(0, len(keys), 2):
            left = (left + _mix(right + keys[turn])) % a
            right = (right + _mix(left + keys[turn + 1])) % b
        value = left * b + right
        if value < size:
            return value


@njit(cache=True, nogil=True)
def _mix(value):  # type: ignore[no-untyped-def]
    """The finaliser of SplitMix64 (Steele, Lea and Flood 2014), its upper half: a sum with a base stays in 64 bits."""
    value = (value ^ (value >> uint64(30))) * uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> uint64(27))) * uint64(0x94D049BB133111EB)
    return (value ^ (value >> uint64(31))) >> uint64(32)
