"""Checksums: SHA-256 for what came from outside, XXH3-128, which is faster than any disk, for our own.

XXH3-128 finds damage; it does not stop a forger.
"""

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path

import xxhash

from foundation.errors import InputError
from foundation.regular_file import open_regular, opener


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal. Errors: `InputError`."""
    try:
        with open(path, "rb", opener=opener) as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        fix = "Check the path and its permissions."
        raise InputError(f"cannot be read: {error.strerror}", where=path, fix=fix, kind="cannot-be-read") from None


ALGORITHM = "xxh3_128"


def xxh3_128_of(blocks: Iterable[memoryview], observe: Callable[[memoryview], object] | None = None) -> str:
    """XXH3-128 of `blocks` of bytes, end to end, in hexadecimal. `observe` gets each."""
    digest = xxhash.xxh3_128()
    for block in blocks:
        digest.update(block)
        if observe:
            observe(block)
    return digest.hexdigest()


def xxh3_128(path: Path, observe: Callable[[memoryview], object] | None = None) -> str:
    """XXH3-128 of a file, in hexadecimal, read piece by piece. `observe` gets each block."""
    digest = xxhash.xxh3_128()
    buffer = memoryview(bytearray(1 << 20))
    with open_regular(path) as stream:
        while count := stream.readinto(buffer):
            digest.update(buffer[:count])
            if observe:
                observe(buffer[:count])
    return digest.hexdigest()
