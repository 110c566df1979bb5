"""The formats: how each is recognised, opened and written. Any pair goes through this table."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from configs.llama import LlamaArchitecture
from conversion.adapters.megatron_adapter import MegatronAdapter, base_of, is_adapter
from conversion.adapters.merged import MergedAdapter
from conversion.adapters.merged_before import refuse_merged_before
from conversion.adapters.peft_adapter import PeftAdapter, is_peft
from conversion.checkpoint import Checkpoint, Writer, check_size
from conversion.gguf.gguf_directory import NAME as GGUF_FILE
from conversion.gguf.gguf_directory import GgufDirectory, GgufWriter
from conversion.huggingface.model_directory import ModelDirectory, ModelDirectoryWriter, is_nvllama, refuse_adapter
from conversion.locate import find_checkpoint, find_iteration, is_iterations, is_unfinished
from conversion.megatron import bridge_config, nemo_context
from conversion.megatron.bridge_writer import BridgeWriter
from conversion.megatron.megatron_directory import MegatronDirectory, MegatronWeights
from conversion.megatron.nemo_writer import NemoWriter
from conversion.megatron.training_state import Training
from conversion.weight_table import expand
from foundation.errors import InputError, nearest
from foundation.memory import bounded_memory
from foundation.spelling import option
from foundation.terminal import warn
from tokenizer.vocabulary import VOCAB_SIZE


class Create(Protocol):
    """Starts a checkpoint in an empty directory; `training` is the optimizer's state that is to come along."""

    def __call__(self, directory: Path, architecture: LlamaArchitecture, training: Training | None, /) -> Writer: ...


@dataclass(frozen=True, kw_only=True)
class Format:
    """`padded`: embeddings keep the rows that Megatron-Core added. `prefix`: what its modules' names begin with.

    `create_q8_0`: starts one whose matrices are quantised.
    """

    name: str
    title: str
    matches: Callable[[Path], bool]
    read: Callable[[Path], Checkpoint]
    create: Create
    create_q8_0: Create | None = None
    padded: bool = False
    prefix: str | None = None

    def open(self, source: Path) -> Checkpoint:
        """The checkpoint or run `source`, checked; what a stranger wrote in it takes no more memory than is free."""
        with bounded_memory(source):
            return self.read(source)


def _open_nemo(source: Path) -> Checkpoint:
    refuse_adapter(source)
    directory = _located(source)
    if is_adapter(directory):
        return _merged(directory, _open_whole_nemo(base_of(directory)))
    return _open_whole_nemo(directory)


def _located(source: Path) -> Path:
    """The checkpoint that `source` means; what was passed over is said."""
    located = find_checkpoint(source)
    for path in located.skipped:
        problem = "is incomplete" if is_unfinished(path) else "has no manifest"
        warn(f"warning: {path} {problem}; taking {located.path}")
    return located.path


def _merged(directory: Path, base: Checkpoint) -> MergedAdapter:
    return MergedAdapter(MegatronAdapter(directory, base.weights, base.architecture.num_hidden_layers), base)


def _open_whole_nemo(directory: Path) -> MegatronDirectory:
    tensors = MegatronWeights(directory / "weights", "module.", within=directory)
    architecture = nemo_context.read_context(directory, dtype=tensors.dtype, vocabulary=tensors.vocabulary())
    return MegatronDirectory(directory, tensors, architecture, where=directory / "context" / "model.yaml")


def _open_bridge(source: Path) -> Checkpoint:
    directory = find_iteration(source)
    if is_adapter(directory):
        return _merged(directory, _open_whole_bridge(find_iteration(base_of(directory))))
    return _open_whole_bridge(directory)


def _open_whole_bridge(directory: Path) -> MegatronDirectory:
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
        name="gguf",
        title="GGUF (llama.cpp)",
        matches=lambda source: (source / GGUF_FILE).is_file(),
        read=GgufDirectory,
        create=lambda directory, architecture, _: GgufWriter(directory, architecture),
        create_q8_0=lambda directory, architecture, _: GgufWriter(directory, architecture, "q8_0"),
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


def open_source(source: Path, base: Path | None) -> tuple[str, Checkpoint]:
    """What `source` is called, and the checkpoint; that of an adapter is merged into `base`.

    An adapter of NeMo names its base itself, where that is still there. Errors: `InputError`.
    """
    if base is None:
        if is_peft(source):
            refuse_adapter(source)
        found = recognise(source)
        return found.name, found.open(source)
    if is_peft(source):
        return "peft", open_adapted(source, open_checkpoint(base))
    directory, model = find_adapter(source), open_checkpoint(base)
    refuse_merged_before(directory, model.directory)
    with bounded_memory(source):
        return "nemo", _merged(directory, model)


def open_adapted(adapter: Path, base: Checkpoint) -> MergedAdapter:
    """`base` with the adapter in a directory of PEFT merged into it. Errors: `InputError`."""
    refuse_merged_before(adapter, base.directory)
    with bounded_memory(adapter):
        return MergedAdapter(PeftAdapter(adapter, base.weights), base)


def find_adapter(source: Path) -> Path:
    """The checkpoint of adapters that `source`, it or a run, means. Errors: `InputError` where it is another."""
    if is_peft(source):
        fix = f"Use it directly, or merge it: {option('to', 'hf')} and its model as {option('base')}."
        raise InputError("is an adapter of PEFT already", where=source, fix=fix, kind="not-an-adapter")
    locate = {"nemo": _located, "bridge": find_iteration}.get(recognise(source).name)
    if locate is not None and is_adapter(directory := locate(source)):
        return directory
    raise InputError(
        "is not a checkpoint of adapters",
        where=source,
        fix="Give a run of `lora.dim` above 0, or its checkpoint. "
        f"Without {option('base')}, convert exports whole models.",
        kind="not-an-adapter",
    )


def read_adapter(directory: Path) -> tuple[MegatronAdapter, LlamaArchitecture]:
    """The adapters in `directory`, with the architecture that is said beside them; the base is not looked for."""
    with bounded_memory(directory):
        of_bridge = (directory / bridge_config.NAME).is_file()
        read = bridge_config.read_run_config if of_bridge else nemo_context.read_context
        architecture = read(directory, dtype="float32", vocabulary=VOCAB_SIZE)
        stored = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
        check_size(architecture, stored + _SMALL, where=directory)
        adapter = MegatronAdapter(directory, expand(architecture), architecture.num_hidden_layers)
        return adapter, dataclasses.replace(architecture, dtype=adapter.dtype)


_SMALL = 1 << 26
"""Bytes by which the norms of a model may exceed its adapters, which may be of one layer alone."""
