"""Damage to a file: one bit, or its end."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def damages(size: int, count: int) -> Iterator[tuple[str, int, int]]:
    """Bits anywhere, those at both ends first; and lengths to cut to, one byte less and nothing first."""
    draw = random.Random(size)
    flips = [(0, 0), (size - 1, 7), *((draw.randrange(size), draw.randrange(8)) for _ in range(count))]
    cuts = [size - 1, 0, *(draw.randrange(size) for _ in range(count))]
    yield from (("flip", position, bit) for position, bit in flips[:count])
    yield from (("cut", length, 0) for length in cuts[:count])


@contextmanager
def damaged(path: Path, kind: str, position: int, bit: int) -> Iterator[None]:
    """`path` with that damage, for as long as the context lasts."""
    whole = path.read_bytes()
    if kind == "cut":
        path.write_bytes(whole[:position])
    else:
        flip(path, position, bit)
    try:
        yield
    finally:
        path.write_bytes(whole)


def flip(path: Path, position: int, bit: int) -> None:
    """Turn one bit over."""
    data = bytearray(path.read_bytes())
    data[position] ^= 1 << bit
    path.write_bytes(data)
