"""Megatron's indexed dataset: `<prefix>.bin` holds the tokens, `<prefix>.idx` where sequences and documents begin.

    .idx  "MMIDIDX\\0\\0" | version u64 | dtype code u8 | sequences u64 | document marks u64
          | sequence lengths i32 [sequences] | byte offsets i64 [sequences] | document marks i64 [marks]

A document is a run of sequences: document i has the sequences marks[i] to marks[i+1], so there is one mark more than
documents. Source: megatron/core/datasets/indexed_dataset.py, 0.15.3.
"""

import struct
from pathlib import Path

MAGIC = b"MMIDIDX\x00\x00"
VERSION = 1
UINT8 = 1
HEADER = struct.Struct("<9sQBQQ")

LONGEST_SEQUENCE = 2**31 - 1
"""Lengths are int32; a longer document is several sequences. Megatron's own builder writes a negative length."""


def bin_path(prefix: Path) -> Path:
    """The tokens of `prefix`."""
    return prefix.with_name(f"{prefix.name}.bin")


def idx_path(prefix: Path) -> Path:
    """The index of `prefix`."""
    return prefix.with_name(f"{prefix.name}.idx")


def idx_size(sequences: int, marks: int) -> int:
    """Bytes of an `.idx`."""
    return HEADER.size + 12 * sequences + 8 * marks
