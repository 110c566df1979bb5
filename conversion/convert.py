"""From any format to any other: one weight at a time, and read back before the output gets its name."""

import dataclasses
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path

from configs.llama import LlamaArchitecture
from conversion.adapters.merged import MergedAdapter
from conversion.adapters.merged_before import adapter_checksum
from conversion.calibration import with_calibration
from conversion.checkpoint import Checkpoint, Rows, Writer
from conversion.export_adapter import export_adapter
from conversion.files.dtypes import DTYPES, WEIGHTS, cast, count_not_finite
from conversion.files.mapped_file import blocks, loaded
from conversion.formats import FORMATS, Create, Format, find_format, open_checkpoint, open_source, recognise
from conversion.gguf.q8_0 import on_grid
from conversion.manifest import seal_as
from conversion.megatron.megatron_directory import MegatronDirectory, MegatronWriter
from conversion.megatron.training_state import Training, read_training
from conversion.origin import origin_of
from conversion.output import check_apart, check_space
from conversion.record import NAME as RECORD
from conversion.record import Conversion, TensorRecord, write_record
from conversion.verify import chunk_name, named_rows, read_back, read_back_training, warn_of_damage
from conversion.weight_table import Weight, expand
from foundation.atomic import atomic_directory
from foundation.checksum import xxh3_128_of
from foundation.errors import InputError, nearest
from foundation.progress import Advance, progress_bar
from foundation.spelling import option
from tokenizer.vocabulary import VOCAB_SIZE

Q8_0 = "q8_0"
"""What matrices may be stored as besides, in the formats that have it."""

Compare = Callable[[Checkpoint, Checkpoint], None]
"""Looks at source and output."""


def convert(
    source: Path | str,
    destination: Path | str,
    *,
    to: str,
    dtype: str | None = None,
    optimizer: bool = False,
    compare: Compare | None = None,
    overwrite: bool = False,
    base: Path | str | None = None,
) -> Conversion:
    """Write the checkpoint or run `source`, whose format is recognised, to `destination` in the format `to`.

    An adapter, of NeMo or of PEFT, is merged into `base`, a model of any format; NeMo's names its own. To `peft`,
    adapters of NeMo are written as they are, and `base` is the model that the output names as its base.
    Weights become `dtype`, by default they stay as stored; matrices of GGUF can be `q8_0`. With `optimizer` its state
    comes along. `compare` gets both checkpoints before the output takes its name, and can still refuse it.
    Errors: `InputError` naming file, tensor or key. `destination` then does not exist, or is as it was.
    """
    if dtype is not None and dtype not in (*WEIGHTS, Q8_0):
        raise InputError(f"unknown dtype {dtype!r}", fix=nearest(dtype, (*WEIGHTS, Q8_0)), kind="dtype")
    source, destination, base = Path(source), Path(destination), None if base is None else Path(base)
    if to == "peft":
        if optimizer or compare:
            problem = "an adapter has neither optimizer state to take along nor logits of its own"
            fix = f"Leave out {option('optimizer')} and the comparison of logits."
            raise InputError(problem, where=source, fix=fix, kind="option-not-for-adapters")
        return export_adapter(source, destination, base=base, dtype=dtype, overwrite=overwrite)
    target, create = _target(to, dtype)
    quantised, dtype = dtype == Q8_0, "float32" if dtype == Q8_0 else dtype
    name, checkpoint = open_source(source, base)
    if isinstance(checkpoint, MergedAdapter) and dtype is not None:
        checkpoint = checkpoint.in_fp32()
    merged = checkpoint if isinstance(checkpoint, MergedAdapter) else None
    _check_dtypes(checkpoint, dtype)
    _check_head(checkpoint, target)
    training = _training(checkpoint, target) if optimizer else None
    origin = origin_of(checkpoint.directory)
    architecture = dataclasses.replace(checkpoint.architecture, dtype=dtype or checkpoint.architecture.dtype)
    architecture = with_calibration(architecture, checkpoint.directory)
    size = architecture.parameters * DTYPES[architecture.dtype].itemsize + (training.bytes if training else 0)
    check_apart(source, destination)
    check_space(destination, size)
    with (
        atomic_directory(destination, mark=RECORD, overwrite=overwrite) as directory,
        progress_bar(f"to {target.title}", total=2 * size, unit="B") as advance,
    ):
        damaged: dict[str, int] = {}
        with create(directory, architecture, training) as writer:
            tensors = _write(checkpoint, writer, architecture, target, advance, damaged, quantised=quantised)
            states = _write_training(training, writer, target, advance) if training else {}
        written = target.open(directory)
        if written.architecture != architecture:
            raise InputError(
                f"the written configuration reads back as {written.architecture}",
                fix="Report this.",
                kind="written-differs",
            )
        read_back(written, tensors, advance)
        if training:
            read_back_training(written, states, advance)
        warn_of_damage(damaged, source)
        if compare:
            compare(checkpoint, written)
        if training:
            seal_as(checkpoint.directory, written.directory, training.step)
        return write_record(
            directory,
            format=target.name,
            source=source,
            checkpoint=checkpoint.directory,
            source_format=name,
            architecture=architecture,
            tensors=tensors,
            optimizer=states,
            size=size,
            large=frozenset(written.files()),
            run=origin.run,
            step=origin.step,
            not_finite=damaged,
            adapter_base=merged.base.directory if merged else None,
            adapter_checksum=adapter_checksum(merged.directory) if merged else None,
        )


def strip(source: Path | str, destination: Path | str, *, overwrite: bool = False) -> Conversion:
    """Write the checkpoint or run `source` without its optimizer state to `destination`, in the same format.

    Errors: `InputError`, also if there is no such state.
    """
    checkpoint = open_checkpoint(Path(source))
    if isinstance(checkpoint, MergedAdapter):
        raise InputError(
            "contains adapters and their base",
            where=source,
            fix="Convert it, for example to nemo: that merges them into the base, without optimizer state.",
            kind="adapters-and-optimizer",
        )
    if not isinstance(checkpoint, MegatronDirectory) or not checkpoint.tensors.others:
        raise InputError(
            "has no optimizer state", where=source, fix="There is nothing to strip.", kind="no-optimizer-state"
        )
    return convert(source, destination, to=recognise(Path(source)).name, overwrite=overwrite)


def _target(to: str, dtype: str | None) -> tuple[Format, Create]:
    """The format `to`, and what starts a checkpoint of it. Errors: `InputError` where it has no such `dtype`."""
    target = find_format(to)
    if dtype != Q8_0:
        return target, target.create
    if target.create_q8_0 is None:
        names = ", ".join(format.name for format in FORMATS if format.create_q8_0)
        raise InputError(f"{target.title} has no {Q8_0}", fix=f"Use it with {option('to')}: {names}.", kind="dtype")
    return target, target.create_q8_0


def _training(checkpoint: Checkpoint, target: Format) -> Training:
    """The optimizer's state of `checkpoint`. Errors: `InputError` where either side has no place for it."""
    if isinstance(checkpoint, MergedAdapter):
        raise InputError(
            "its optimizer state is that of the adapters, which are merged into their base",
            where=checkpoint.directory,
            fix=f"Leave {option('optimizer')} out. To continue training the adapters, resume their run.",
            kind="optimizer-of-adapters",
        )
    if target.prefix is None or not isinstance(checkpoint, MegatronDirectory):
        names = ", ".join(format.title for format in FORMATS if format.prefix is not None)
        raise InputError(
            "optimizer state is only in some formats",
            where=checkpoint.directory,
            fix=f"These: {names}.",
            kind="format-without-optimizer",
        )
    return read_training(checkpoint)


def _check_dtypes(checkpoint: Checkpoint, dtype: str | None) -> None:
    """Refuse to choose for the user where weights of several dtypes become one."""
    if dtype is None and len(checkpoint.stored_dtypes) > 1:
        stored = ", ".join(f"{name!r} is {one}" for one, name in checkpoint.stored_dtypes.items())
        raise InputError(
            f"the weights have different dtypes: {stored}",
            where=checkpoint.directory,
            fix=f"Choose one: {option('dtype', 'float32')} keeps every number, "
            f"{option('dtype', 'bfloat16')} rounds those that are wider.",
            kind="mixed-dtypes",
        )


def _check_head(checkpoint: Checkpoint, target: Format) -> None:
    """Refuse to write a head where nothing would read it. Errors: `InputError`."""
    if checkpoint.architecture.head and target.name != "hf":
        raise InputError(
            f"has a head, which {target.title} cannot store",
            where=checkpoint.directory,
            fix=f"Convert it with {option('to', 'hf')}; "
            "for the body alone, convert the checkpoint that it was trained from.",
            kind="head-format",
        )


def _write(
    checkpoint: Checkpoint,
    writer: Writer,
    architecture: LlamaArchitecture,
    target: Format,
    advance: Advance,
    damaged: dict[str, int],
    *,
    quantised: bool,
) -> dict[str, TensorRecord]:
    """Write all weights; what was written, by name. `damaged` gets the number of values that are not finite.

    A thread writes one weight while the next is looked through. Where matrices are `quantised`, what was written
    is what they become by that.
    """
    vocabulary = checkpoint.vocabulary if target.padded else VOCAB_SIZE
    tensors: dict[str, TensorRecord] = {}
    wanted = expand(architecture, vocabulary=vocabulary)
    with ThreadPoolExecutor(max_workers=1) as thread:
        writing: Future[None] | None = None
        for weight, fitted in zip(checkpoint.weights, wanted, strict=True):
            parts = _parts(checkpoint, weight, fitted, architecture.dtype)
            if quantised and len(fitted.fused_shape) == 2:
                named = zip(fitted.hf, parts, strict=True)
                parts = [[on_grid(loaded(piece), name) for piece in rows] for name, rows in named]
            for name, shape, rows in named_rows(fitted, parts):
                counts: list[int] = []
                digest = xxh3_128_of(blocks(rows), partial(_count, counts, architecture.dtype))
                tensors[name] = TensorRecord(shape=shape, dtype=architecture.dtype, checksum=digest)
                if any(counts):
                    damaged[name] = sum(counts)
            if writing:
                writing.result()
            writing = thread.submit(writer.write, fitted, parts)
            advance(sum(piece.nbytes for rows in parts for piece in rows))
        if writing:
            writing.result()
    return tensors


def _count(counts: list[int], dtype: str, block: memoryview) -> None:
    counts.append(count_not_finite(block, dtype))


def _parts(checkpoint: Checkpoint, weight: Weight, fitted: Weight, dtype: str) -> list[Rows]:
    """The Hugging Face tensors of `weight` as those of `fitted`: in `dtype`, and without padding where it has none."""
    stored = checkpoint.architecture.dtype
    return [
        [
            piece[: shape[0]] if stored == dtype else cast(loaded(piece[: shape[0]]), stored, dtype, name)
            for piece in rows
        ]
        for (name, shape), rows in zip(fitted.hf.items(), checkpoint.parts(weight), strict=True)
    ]


def _write_training(training: Training, writer: Writer, target: Format, advance: Advance) -> dict[str, TensorRecord]:
    """Write the optimizer's tensors, chunk by chunk; what was written, by name and place."""
    assert isinstance(writer, MegatronWriter)
    assert target.prefix is not None
    states: dict[str, TensorRecord] = {}
    for name, stored, chunk, array in training.chunks(target.prefix):
        states[chunk_name(name, chunk)] = TensorRecord(
            shape=chunk.shape, dtype=stored.dtype, checksum=xxh3_128_of(blocks([array]))
        )
        writer.dcp.write(name, stored.dtype, stored.shape, [array], offsets=chunk.offsets, shape=chunk.shape)
        advance(array.nbytes)
    writer.write_objects(training.objects)
    return states
