"""Blocked gzip (SAM specification, section 4.1): its end block, without which a file was cut."""

import io
import os
import struct
from pathlib import Path

from foundation.errors import InputError

END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
"""The empty block that ends a file."""

_HEADER = struct.Struct("<4sIBBH2sHH")
"""Magic, method and flags; time; two more; length of the extra field; and its first subfield: id, length, size - 1."""

_MAGIC = b"\x1f\x8b\x08\x04"


def is_bgzf(head: bytes) -> bool:
    """Whether a file with this `head` says that it is blocked."""
    return _block_size(head) > 0


def check_end(path: Path, raw: io.FileIO) -> None:
    """Errors: `InputError` with the offset of what follows the last whole block, where the end block is missing."""
    size = os.fstat(raw.fileno()).st_size
    if os.pread(raw.fileno(), len(END), max(size - len(END), 0)) == END:
        return
    position = 0
    while block := _block_size(os.pread(raw.fileno(), _HEADER.size, position)):
        if position + block > size:
            break
        position += block
    if os.pread(raw.fileno(), len(END), max(position - len(END), 0)) == END:
        kind, problem = (
            "compression-corrupt",
            f"is corrupt: after its end block, at byte {position:,}, there is no bgzf block",
        )
    else:
        whole = f"its last whole block ends at byte {position:,} of {size:,}"
        kind, problem = "compression-truncated", f"is truncated: the end block of bgzf is missing; {whole}"
    raise InputError(problem, where=path, fix="Fetch or compress it again.", kind=kind)


def _block_size(header: bytes) -> int:
    """Bytes of the block that begins with `header`; 0 where it is none."""
    if len(header) < _HEADER.size:
        return 0
    magic, _, _, _, _, subfield, length, size = _HEADER.unpack(header[: _HEADER.size])
    return size + 1 if (magic, subfield, length) == (_MAGIC, b"BC", 2) else 0
