"""Checksums of tensors: xxh3_128 over their bytes. They find damage, at memory speed; they do not stop a forger."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from conversion.flushed_file import blocks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

ALGORITHM = "xxh3_128"


def checksum(pieces: Iterable["Array"]) -> str:
    """The checksum of a tensor whose rows are `pieces`, as 32 hexadecimal digits."""
    import xxhash

    digest = xxhash.xxh3_128()
    for block in blocks(pieces):
        digest.update(block)
    return digest.hexdigest()


def checksum_bytes(data: bytes) -> str:
    """The checksum of a small file."""
    import xxhash

    return str(xxhash.xxh3_128_hexdigest(data))
