"""The formats: how each is recognised, opened and written. Any pair goes through this table."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from configs.llama import LlamaArchitecture
from conversion.checkpoint import Checkpoint, Writer
from conversion.huggingface.model_directory import ModelDirectory, ModelDirectoryWriter, is_nvllama, refuse_adapter
from conversion.locate import find_checkpoint, find_iteration, is_iterations, is_unfinished
from conversion.megatron import bridge_config, nemo_context
from conversion.megatron.adapter import MergedAdapter, base_of, is_adapter
from conversion.megatron.bridge_writer import BridgeWriter
from conversion.megatron.megatron_directory import MegatronDirectory, MegatronWeights
from conversion.megatron.nemo_writer import NemoWriter
from conversion.megatron.training_state import Training
from foundation.errors import InputError, nearest
from foundation.memory import bounded_memory
from foundation.terminal import warn


class Create(Protocol):
    """Starts a checkpoint in an empty directory; `training` is the optimizer's state that is to come along."""

    def __call__(self, directory: Path, architecture: LlamaArchitecture, training: Training | None, /) -> Writer: ...


@dataclass(frozen=True, kw_only=True)
class Format:
    """`padded`: embeddings keep the rows that Megatron-Core added. `prefix`: what its modules' names begin with."""

    name: str
    title: str
    matches: Callable[[Path], bool]
    read: Callable[[Path], Checkpoint]
    create: Create
    padded: bool = False
    prefix: str | None = None

    def open(self, source: Path) -> Checkpoint:
        """The checkpoint or run `source`, checked; what a stranger wrote in it takes no more memory than is free."""
        with bounded_memory(source):
            return self.read(source)


def _open_nemo(source: Path) -> Checkpoint:
    refuse_adapter(source)
    located = find_checkpoint(source)
    for path in located.skipped:
        problem = "was not written to its end" if is_unfinished(path) else "has no manifest"
        warn(f"warning: {path} {problem}; taking {located.path}")
    if is_adapter(located.path):
        return MergedAdapter(located.path, _open_whole_nemo(base_of(located.path)))
    return _open_whole_nemo(located.path)


def _open_whole_nemo(directory: Path) -> MegatronDirectory:
    tensors = MegatronWeights(directory / "weights", "module.", within=directory)
    architecture = nemo_context.read_context(directory, dtype=tensors.dtype, vocabulary=tensors.vocabulary())
    return MegatronDirectory(directory, tensors, architecture, where=directory / "context" / "model.yaml")


def _open_bridge(source: Path) -> MegatronDirectory:
    directory = find_iteration(source)
    tensors = MegatronWeights(directory, "", within=directory)
    architecture = bridge_config.read_run_config(directory, dtype=tensors.dtype, vocabulary=tensors.vocabulary())
    return MegatronDirectory(directory, tensors, architecture, where=directory / bridge_config.NAME)


# In the order in which a directory is compared with them; the last takes what is left, and says what it lacks.
FORMATS = (
    Format(
        name="bridge",
        title="Megatron-Bridge",
        matches=is_iterations,
        read=_open_bridge,
        create=BridgeWriter,
        padded=True,
        prefix="",
    ),
    Format(
        name="te",
        title="NVLlama (Transformer Engine)",
        matches=is_nvllama,
        read=lambda source: ModelDirectory(source, "te"),
        create=lambda directory, architecture, _: ModelDirectoryWriter(directory, architecture, "te"),
    ),
    Format(
        name="hf",
        title="Hugging Face",
        matches=lambda source: (source / "config.json").is_file(),
        read=lambda source: ModelDirectory(source, "hf"),
        create=lambda directory, architecture, _: ModelDirectoryWriter(directory, architecture, "hf"),
    ),
    Format(
        name="nemo",
        title="NeMo 2",
        matches=lambda source: True,
        read=_open_nemo,
        create=NemoWriter,
        padded=True,
        prefix="module.",
    ),
)
NAMES = tuple(sorted(format.name for format in FORMATS))


def find_format(name: str) -> Format:
    """The format of this name. Errors: `InputError`."""
    for format in FORMATS:
        if format.name == name:
            return format
    raise InputError(f"unknown format {name!r}", fix=nearest(name, NAMES), kind="unknown-format")


def recognise(source: Path) -> Format:
    """The format of the checkpoint or run `source`; NeMo 2 where it looks like no other."""
    return next(format for format in FORMATS if format.matches(source))


def open_checkpoint(source: Path) -> Checkpoint:
    """The checkpoint or run `source`, of whatever format, checked. Errors: `InputError`."""
    return recognise(source).open(source)
