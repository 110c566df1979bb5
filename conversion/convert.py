"""Hugging Face to NeMo 2 and back: one tensor at a time, read back and compared before the output gets its name."""

import dataclasses
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from conduct.atomic import atomic_directory
from conduct.errors import InputError, nearest
from conduct.progress import Advance, progress_bar
from configs.llama import HF_ONE_OF, LlamaArchitecture
from conversion.dcp_writer import DcpWriter
from conversion.hf_checkpoint import HfCheckpoint
from conversion.hf_files import write_hf_files
from conversion.locate import find_checkpoint
from conversion.nemo_checkpoint import NemoCheckpoint
from conversion.nemo_context_writer import write_context
from conversion.output import check_apart, check_space, tensor_bytes
from conversion.record import NAME as RECORD
from conversion.record import Conversion, write_record
from conversion.safetensors_writer import SHARD_BYTES, SafetensorsWriter
from conversion.verify import cast, compare
from conversion.weight_table import to_hf as split

DTYPES = tuple(str(dtype) for dtype in HF_ONE_OF["dtype"])
"""What `to_hf` can cast to."""


def to_hf(
    source: Path | str,
    destination: Path | str,
    *,
    dtype: str | None = None,
    overwrite: bool = False,
    shard_bytes: int = SHARD_BYTES,
) -> Conversion:
    """Write the NeMo 2 checkpoint `source` as a Hugging Face directory, weights in `dtype` (as stored, by default).

    `source` is a checkpoint, RUN, RUN/checkpoints or RUN/checkpoints/last; see `find_checkpoint`.
    Errors: `InputError` naming file, tensor or key. `destination` then does not exist, or is as it was.
    """
    if dtype is not None and dtype not in DTYPES:
        raise InputError(f"unknown dtype {dtype!r}", fix=nearest(dtype, DTYPES))
    located = find_checkpoint(Path(source))
    for path in located.skipped:
        logging.getLogger(__name__).warning("%s was not written to its end; taking %s", path, located.path)
    checkpoint = NemoCheckpoint(located.path)
    architecture = dataclasses.replace(checkpoint.architecture, dtype=dtype or checkpoint.architecture.dtype)
    with _output("to Hugging Face", located.path, Path(destination), architecture, overwrite) as (directory, advance):
        write_hf_files(directory, architecture)
        shapes = {name: shape for weight in checkpoint.weights for name, shape in weight.hf.items()}
        with SafetensorsWriter(directory, shapes, dtype=architecture.dtype, shard_bytes=shard_bytes) as writer:
            for weight in checkpoint.weights:
                tensor = cast(checkpoint.read(weight), architecture.dtype, weight.megatron)
                for name, part in zip(weight.hf, split(weight, tensor), strict=True):
                    writer.write(name, part)
                advance(tensor.nbytes)
        with HfCheckpoint(directory) as written:
            compare(checkpoint, written, architecture, advance)
        return write_record(
            directory, architecture, directory.glob("*.safetensors"), advance, direction="nemo2-to-hf", source=source
        )


def to_nemo(source: Path | str, destination: Path | str, *, overwrite: bool = False) -> Conversion:
    """Write the Hugging Face directory `source` as a NeMo 2 checkpoint, which a run can start from (`init_from`).

    Errors: `InputError` naming file, tensor or key. `destination` then does not exist, or is as it was.
    """
    with (
        HfCheckpoint(Path(source)) as checkpoint,
        _output("to NeMo 2", Path(source), Path(destination), checkpoint.architecture, overwrite) as out,
    ):
        architecture, (directory, advance) = checkpoint.architecture, out
        write_context(directory, architecture)
        with DcpWriter(directory / "weights", layers=architecture.num_hidden_layers) as writer:
            for weight in checkpoint.weights:
                tensor = checkpoint.read(weight)
                writer.write(weight, tensor)
                advance(tensor.nbytes)
        compare(checkpoint, NemoCheckpoint(directory), architecture, advance)
        return write_record(
            directory, architecture, directory.glob("weights/*.distcp"), advance, direction="hf-to-nemo2", source=source
        )


@contextmanager
def _output(
    title: str, source: Path, destination: Path, architecture: LlamaArchitecture, overwrite: bool
) -> Iterator[tuple[Path, Advance]]:
    """A temporary directory that takes the name `destination` in the end, and a bar over three passes of the bytes.

    The passes: write, compare, checksum.
    """
    size = tensor_bytes(architecture)
    check_apart(source, destination)
    check_space(destination, size)
    with (
        atomic_directory(destination, mark=RECORD, overwrite=overwrite) as directory,
        progress_bar(title, total=3 * size, unit="B") as advance,
    ):
        yield directory, advance
