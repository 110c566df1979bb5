"""A checkpoint against the checksums of what was, or should have been, written."""

import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from conversion.checkpoint import Checkpoint, Rows
from conversion.files.mapped_file import blocks
from conversion.megatron.dcp_metadata import Chunk
from conversion.megatron.megatron_directory import MegatronDirectory
from conversion.megatron.training_state import read_training
from conversion.record import TensorRecord
from conversion.weight_table import Weight
from foundation.checksum import xxh3_128_of
from foundation.errors import InputError
from foundation.progress import Advance
from tokenizer.vocabulary import VOCAB_SIZE


def named_rows(weight: Weight, parts: Iterable[Rows]) -> Iterator[tuple[str, tuple[int, ...], Rows]]:
    """Name, shape and rows of each Hugging Face tensor of `weight`; the padding of embeddings under a name of its own.

    So a tensor has one checksum, whether a format pads it or not.
    """
    for (name, shape), rows in zip(weight.hf.items(), parts, strict=True):
        if name in ("model.embed_tokens.weight", "lm_head.weight") and shape[0] > VOCAB_SIZE:
            yield name, (VOCAB_SIZE, *shape[1:]), [rows[0][:VOCAB_SIZE]]
            yield f"{name}[{VOCAB_SIZE}:]", (shape[0] - VOCAB_SIZE, *shape[1:]), [rows[0][VOCAB_SIZE:]]
        else:
            yield name, shape, rows


def read_back(checkpoint: Checkpoint, expected: Mapping[str, TensorRecord], advance: Advance) -> None:
    """Check every weight of `checkpoint` against `expected`. Errors: `InputError` naming the first that differs."""
    found: set[str] = set()
    for weight in checkpoint.weights:
        for name, shape, rows in named_rows(weight, checkpoint.parts(weight)):
            record = TensorRecord(shape=shape, dtype=checkpoint.architecture.dtype, checksum=xxh3_128_of(blocks(rows)))
            if expected.get(name) != record:
                raise InputError(
                    f"{name!r} is {record}, expected {expected.get(name)}",
                    where=checkpoint.directory,
                    fix=_DAMAGED,
                    kind="tensor-differs",
                )
            found.add(name)
            advance(sum(piece.nbytes for piece in rows))
    if missing := expected.keys() - found:
        raise InputError(
            f"{min(missing)!r} is missing", where=checkpoint.directory, fix="Convert again.", kind="missing-tensor"
        )


def read_back_training(checkpoint: Checkpoint, expected: Mapping[str, TensorRecord], advance: Advance) -> None:
    """Check every chunk of the optimizer's tensors against `expected`. Errors: as `read_back`."""
    assert isinstance(checkpoint, MegatronDirectory)
    training = read_training(checkpoint)
    found: dict[str, TensorRecord] = {}
    for name, stored, chunk, array in training.chunks(checkpoint.tensors.prefix):
        key = chunk_name(name, chunk)
        found[key] = TensorRecord(shape=chunk.shape, dtype=stored.dtype, checksum=xxh3_128_of(blocks([array])))
        advance(array.nbytes)
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            raise InputError(
                f"{name!r} is {found.get(name)}, expected {expected.get(name)}",
                where=checkpoint.directory,
                fix=_DAMAGED,
                kind="tensor-differs",
            )


def chunk_name(name: str, chunk: Chunk) -> str:
    """A name for a part of a tensor: where it starts."""
    return f"{name}[{','.join(map(str, chunk.offsets))}]"


def warn_of_damage(not_finite: Mapping[str, int], source: Path) -> None:
    """Warn that weights of `source` are NaN or infinite; `not_finite` counts them by tensor."""
    if not_finite:
        name, count = next(iter(not_finite.items()))
        more = f", and so do {len(not_finite) - 1} more tensors" if len(not_finite) > 1 else ""
        logging.getLogger(__name__).warning(
            "%s: tensor %r has %s values that are NaN or infinite%s. Training diverged, or the file was damaged: "
            "take an earlier checkpoint.", source, name, f"{count:,}", more,
        )  # fmt: skip


_DAMAGED = "It was damaged, on the disk or in memory. Check both, and convert again."


def drop_cache(files: Iterable[Path]) -> None:
    """Make the next read of `files`, which are synced, come from the disk and not from memory."""
    for path in files:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(handle)
