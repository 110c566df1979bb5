"""From any format to any other: one weight at a time, and read back before the output gets its name."""

import dataclasses
from pathlib import Path

from conduct.atomic import atomic_directory
from conduct.errors import InputError, nearest
from conduct.progress import Advance, progress_bar
from configs.llama import LlamaArchitecture
from conversion.checkpoint import Checkpoint, Rows, Writer
from conversion.checksum import checksum
from conversion.dtypes import DTYPES, WEIGHTS, cast
from conversion.formats import find_format, recognise
from conversion.output import check_apart, check_space
from conversion.record import NAME as RECORD
from conversion.record import Conversion, TensorRecord, write_record
from conversion.verify import named_rows, read_back
from conversion.weight_table import Weight, expand
from tokenizer.vocabulary import VOCAB_SIZE


def convert(
    source: Path | str,
    destination: Path | str,
    *,
    to: str,
    dtype: str | None = None,
    optimizer: bool = False,
    overwrite: bool = False,
) -> Conversion:
    """Write the checkpoint or run `source`, whose format is recognised, to `destination` in the format `to`.

    Weights become `dtype`, by default they stay as stored. With `optimizer` its state comes along.
    Errors: `InputError` naming file, tensor or key. `destination` then does not exist, or is as it was.
    """
    if dtype is not None and dtype not in WEIGHTS:
        raise InputError(f"unknown dtype {dtype!r}", fix=nearest(dtype, WEIGHTS))
    source, destination, target = Path(source), Path(destination), find_format(to)
    found = recognise(source)
    checkpoint = found.open(source)
    architecture = dataclasses.replace(checkpoint.architecture, dtype=dtype or checkpoint.architecture.dtype)
    vocabulary = checkpoint.vocabulary if target.padded else VOCAB_SIZE
    size = architecture.parameters * DTYPES[architecture.dtype].itemsize
    check_apart(source, destination)
    check_space(destination, size)
    with (
        atomic_directory(destination, mark=RECORD, overwrite=overwrite) as directory,
        progress_bar(f"to {target.title}", total=2 * size, unit="B") as advance,
    ):
        with target.create(directory, architecture, None) as writer:
            tensors = _write(checkpoint, writer, architecture, vocabulary, advance)
        written = target.open(directory)
        if written.architecture != architecture:
            raise InputError(f"the written configuration reads back as {written.architecture}", fix="Report this.")
        read_back(written, tensors, advance)
        return write_record(
            directory,
            format=target.name,
            source=source,
            source_format=found.name,
            architecture=architecture,
            tensors=tensors,
            size=size,
            optimizer=False,
            large=frozenset(written.files()),
        )


def _write(
    checkpoint: Checkpoint, writer: Writer, architecture: LlamaArchitecture, vocabulary: int, advance: Advance
) -> dict[str, TensorRecord]:
    """Write all weights; what was written, by name."""
    tensors: dict[str, TensorRecord] = {}
    targets = expand(architecture, vocabulary=vocabulary)
    for weight, target in zip(checkpoint.weights, targets, strict=True):
        parts = _parts(checkpoint, weight, target, architecture.dtype)
        for name, shape, rows in named_rows(target, parts):
            tensors[name] = TensorRecord(shape=shape, dtype=architecture.dtype, checksum=checksum(rows))
        writer.write(target, parts)
        advance(sum(piece.nbytes for rows in parts for piece in rows))
        checkpoint.forget()
    return tensors


def _parts(checkpoint: Checkpoint, weight: Weight, target: Weight, dtype: str) -> list[Rows]:
    """The Hugging Face tensors of `weight` as those of `target`: in `dtype`, and without padding where it has none."""
    stored = checkpoint.architecture.dtype
    return [
        [cast(piece[: target_shape[0]] if len(rows) == 1 else piece, stored, dtype, name) for piece in rows]
        for (name, target_shape), rows in zip(target.hf.items(), checkpoint.parts(weight), strict=True)
    ]
