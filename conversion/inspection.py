"""What a checkpoint holds, and whether it is whole. Quick, without torch, and nothing in it is run."""

import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conversion.adapters.merged import MergedAdapter
from conversion.checkpoint import Checkpoint
from conversion.files.dtypes import DTYPES, count_not_finite
from conversion.files.mapped_file import blocks
from conversion.formats import recognise
from conversion.locate import is_run_checkpoint, misnamed
from conversion.manifest import NAME as MANIFEST
from conversion.manifest import CheckpointManifest, check_against_manifest, read_manifest
from conversion.megatron.dcp_metadata import StoredTensor
from conversion.megatron.megatron_directory import MegatronDirectory
from conversion.record import NAME as RECORD
from conversion.record import Conversion, check_files, read_record
from conversion.verify import drop_cache, read_back, read_back_training, warn_of_damage
from foundation.errors import InputError
from foundation.progress import progress_bar


@dataclass(frozen=True, kw_only=True)
class Summary:
    """A checkpoint in a few numbers. `vocabulary` has padding rows; `tensors` counts those of Hugging Face.

    `dtype` has all dtypes of the weights, with commas between. `recorded`: the file with the checksums, or empty.
    `adapter_base`: the checkpoint that adapters are merged into; the numbers are those of the merged model.
    """

    path: str
    format: str
    title: str
    parameters: int
    dtype: str
    tensors: int
    vocabulary: int
    weight_bytes: int
    optimizer_tensors: int
    optimizer_bytes: int
    file_bytes: int
    files: int
    recorded: str
    adapter_base: str | None
    architecture: dict[str, Any]


def summarise(source: Path) -> Summary:
    """The checkpoint or run `source`, checked for its tensors' names and shapes. Errors: `InputError`."""
    format = recognise(source)
    checkpoint = format.open(source)
    architecture, files = checkpoint.architecture, list(checkpoint.files())
    others = _others(checkpoint)
    return Summary(
        path=str(checkpoint.directory),
        format=format.name,
        title=format.title,
        parameters=architecture.parameters,
        dtype=", ".join(checkpoint.stored_dtypes),
        tensors=sum(len(weight.hf) for weight in checkpoint.weights),
        vocabulary=checkpoint.vocabulary,
        weight_bytes=checkpoint.stored_bytes,
        optimizer_tensors=len(others),
        optimizer_bytes=_bytes(others.values()),
        file_bytes=sum(path.stat().st_size for path in files),
        files=len(files),
        recorded=_recorded(checkpoint),
        adapter_base=str(checkpoint.base.directory) if isinstance(checkpoint, MergedAdapter) else None,
        architecture=dataclasses.asdict(architecture),
    )


def verify_checkpoint(source: Path) -> Conversion | CheckpointManifest | None:
    """Read all of the checkpoint `source` from the disk and check it, against the record that it has.

    That is `manifest.json` of a training run, or `conversion.json`. Without one (the answer is None then) every tensor
    must be there, readable and of the right shape, and agree with the checksums that its archive has.
    Errors: `InputError` naming the tensor or the file.
    """
    checkpoint = recognise(source).open(source)
    drop_cache(checkpoint.files())
    if manifest := read_manifest(checkpoint.directory):
        if is_run_checkpoint(checkpoint.directory) and (wrong := misnamed(checkpoint.directory)):
            fix = f"Rename it: step={manifest.step}."
            raise InputError(wrong[0], where=checkpoint.directory, fix=fix, kind="step-misnamed")
        _check_files(checkpoint.directory, manifest)
        return manifest
    found = _record(checkpoint)
    others = _others(checkpoint)
    recorded = found[1] if found else None
    total = _weight_bytes(checkpoint) + (_bytes(others.values()) if not recorded or recorded.optimizer else 0)
    with progress_bar("verify", total=total, unit="B") as advance:
        if found is None:
            _check_alone(checkpoint, advance)
            return None
        where, record = found
        for problem in check_files(where, record):
            raise InputError(
                problem, where=where, fix="Copy the checkpoint again, or convert again.", kind="recorded-file-differs"
            )
        read_back(checkpoint, record.tensors, advance)
        if record.optimizer:
            read_back_training(checkpoint, record.optimizer, advance)
        return record


def _check_files(directory: Path, manifest: CheckpointManifest) -> None:
    with progress_bar("verify", total=manifest.bytes, unit="B") as advance:
        for problem in check_against_manifest(directory, manifest.files, lambda block: advance(len(block))):
            raise InputError(
                problem,
                where=directory,
                fix="Copy the checkpoint again, or use an older one.",
                kind="manifest-file-differs",
            )


def _check_alone(checkpoint: Checkpoint, advance: Any) -> None:
    if not isinstance(checkpoint, MegatronDirectory):
        damaged: dict[str, int] = {}
        for weight in checkpoint.weights:  # safetensors have no checksums; this reads every byte
            for name, rows in zip(weight.hf, checkpoint.parts(weight), strict=True):
                for block in blocks(rows):
                    if count := count_not_finite(block, checkpoint.architecture.dtype):
                        damaged[name] = damaged.get(name, 0) + count
                    advance(len(block))
        warn_of_damage(damaged, checkpoint.directory)
        return
    for name, stored in {**checkpoint.tensors.stored, **checkpoint.tensors.others}.items():
        for chunk in stored.chunks:
            checkpoint.tensors.shards.chunk(name, stored, chunk)
            checkpoint.tensors.shards.check(name, chunk)
            advance(math.prod(chunk.shape) * DTYPES[stored.dtype].itemsize)
    for weight in checkpoint.weights:
        checkpoint.parts(weight)


def _record(checkpoint: Checkpoint) -> tuple[Path, Conversion] | None:
    """The record of a conversion, and the directory that its paths are relative to."""
    for directory in (checkpoint.directory, checkpoint.directory.parent):  # an iteration's is beside it
        record = read_record(directory)
        inside = checkpoint.directory.relative_to(directory)
        if record is not None and any(Path(name).is_relative_to(inside) for name in record.files):
            return directory, record
    return None


def _recorded(checkpoint: Checkpoint) -> str:
    if (checkpoint.directory / MANIFEST).is_file():
        return MANIFEST
    return RECORD if _record(checkpoint) else ""


def _others(checkpoint: Checkpoint) -> dict[str, StoredTensor]:
    return checkpoint.tensors.others if isinstance(checkpoint, MegatronDirectory) else {}


def _weight_bytes(checkpoint: Checkpoint) -> int:
    itemsize = DTYPES[checkpoint.architecture.dtype].itemsize
    return sum(math.prod(weight.fused_shape) for weight in checkpoint.weights) * itemsize


def _bytes(tensors: Iterable[StoredTensor]) -> int:
    return sum(math.prod(tensor.shape) * DTYPES[tensor.dtype].itemsize for tensor in tensors)
