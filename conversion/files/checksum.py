"""Checksums of tensors: xxh3_128 over their bytes. They find damage, at memory speed; they do not stop a forger."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conversion.files.mapped_file import blocks
from foundation.regular_file import open_regular

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

ALGORITHM = "xxh3_128"
_PIECE = 1 << 20


def checksum(pieces: Iterable["Array"], look: Callable[[memoryview], object] | None = None) -> str:
    """The checksum of a tensor whose rows are `pieces`, as 32 hexadecimal digits; `look` sees each block of bytes."""
    import xxhash

    digest = xxhash.xxh3_128()
    for block in blocks(pieces):
        digest.update(block)
        if look:
            look(block)
    return digest.hexdigest()


def checksum_file(path: Path) -> str:
    """The checksum of a file, read piece by piece: what a stranger calls small need not be."""
    import xxhash

    digest = xxhash.xxh3_128()
    with open_regular(path) as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return str(digest.hexdigest())
