"""A directory of PEFT with a LoRA adapter, read as data: no name in it is followed, no pickle is opened."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from configs.heads import Head
from conversion.adapters import peft_head
from conversion.adapters.low_rank import LowRank
from conversion.adapters.megatron_adapter import PARTS
from conversion.adapters.peft_config import NAME, is_named, read_config
from conversion.files.dtypes import to_float32
from conversion.files.mapped_file import loaded
from conversion.huggingface.safetensors_reader import read_safetensors
from conversion.strict import check_tensors, common_dtype, stored_dtypes
from conversion.weight_table import Weight
from foundation.errors import InputError, shown

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

TENSORS = "adapter_model.safetensors"
_PICKLED = "adapter_model.bin"
PREFIX = "base_model.model."

Shape = tuple[int, ...]


def is_peft(directory: Path) -> bool:
    """Whether `directory` is an adapter of PEFT, and not a model with an adapter's files in it."""
    files = any((directory / name).exists() for name in (NAME, TENSORS, _PICKLED))
    return files and not (directory / "config.json").exists()


class PeftAdapter:
    """The adapter in `directory` of a model of `weights`. See `low_rank.Adapter`. Errors: `InputError`."""

    def __init__(self, directory: Path, weights: tuple[Weight, ...]) -> None:
        self.directory, path = directory, _tensor_file(directory)
        self._config = read_config(directory)
        self._tensors = read_safetensors(path)
        dtypes = stored_dtypes({name: one.dtype for name, one in self._tensors.items()}, where=path)
        shapes = linear_shapes(weights)
        modules = {module: shape for module, shape in shapes.items() if lora_name(module, "A") in self._tensors}
        if not modules:
            fix = "Only adapters of " + ", ".join(sorted({name.rpartition(".")[2] for name in shapes})) + " are read."
            raise InputError("has no LoRA adapter of this model", where=path, fix=fix, kind="adapter-empty")
        self._check_targets(set(modules), set(shapes))
        expected: dict[str, Shape] = {}
        for module, (rows, columns) in modules.items():
            rank = self._config.rank_of(module)
            expected |= {lora_name(module, "A"): (rank, columns), lora_name(module, "B"): (rows, rank)}
            if self._config.dora:
                expected[_magnitude_name(module)] = (rows,)
        outputs = self._tensors.get(f"{PREFIX}{peft_head.MODULE}.weight")
        labels = outputs.shape[0] if outputs is not None and outputs.shape else 0
        self.head: Head | None = _read_head(directory, self._config.task_type, labels)
        if self.head:
            expected |= head_shapes(self.head, hidden=weights[0].fused_shape[1])
        found = {name: tensor.shape for name, tensor in self._tensors.items()}
        check_tensors(found, expected, where=path, file_of=lambda name: path)
        self.dtype = common_dtype(dtypes)
        self.ranks: Mapping[str, int] = {f"{module}.weight": self._config.rank_of(module) for module in modules}

    def low_rank(self, name: str) -> LowRank:
        """What is added to the Hugging Face tensor `name`."""
        module = name.removesuffix(".weight")
        return LowRank(
            inward=self._factor(lora_name(module, "A")),
            outward=self._factor(lora_name(module, "B")),
            scale=self._config.scale_of(module),
            magnitude=self._factor(_magnitude_name(module)) if self._config.dora else None,
        )

    def head_tensor(self, weight: Weight) -> "Array":
        """A tensor of the head that was trained with it."""
        return self._tensors[f"{PREFIX}{weight.megatron}"].array()

    def files(self) -> list[Path]:
        """The files that hold its tensors."""
        return [self.directory / TENSORS]

    def _factor(self, name: str) -> "Array":
        stored = self._tensors[name]
        return to_float32(loaded(stored.array()), stored.dtype)

    def _check_targets(self, found: set[str], every: set[str]) -> None:
        """PEFT makes the adapters that target_modules asks for, and passes over tensors of others without a word."""
        targets = self._config.targets
        if targets is None:
            return
        wanted = {module for module in every if any(is_named(module, target) for target in targets)}
        others = {target for target in targets if not any(is_named(module, target) for module in every)}
        if differing := sorted(found ^ wanted | others):
            has = "not in target_modules" if differing[0] in found else "in target_modules, and has no tensors to read"
            raise InputError(
                f"the adapter of {shown(differing[0])} is {has}",
                where=self.directory / NAME,
                fix="Copy both files of the adapter again.",
                kind="adapter-targets",
            )


def linear_shapes(weights: tuple[Weight, ...]) -> dict[str, tuple[int, int]]:
    """The modules that may have an adapter, by their names in Hugging Face, with the shapes of their weights."""
    return {
        name.removesuffix(".weight"): (shape[0], shape[1])
        for weight in weights
        if any(weight.megatron.endswith(f".{module}.weight") for module in PARTS)
        for name, shape in weight.hf.items()
    }


def lora_name(module: str, side: str) -> str:
    """The name in a file of PEFT of matrix A or B of `module`."""
    return f"{PREFIX}{module}.lora_{side}.weight"


def _magnitude_name(module: str) -> str:
    return f"{PREFIX}{module}.lora_magnitude_vector"


def head_shapes(head: Head, *, hidden: int) -> dict[str, Shape]:
    """The names in a file of PEFT of the head's tensors, with their shapes."""
    name, labels = f"{PREFIX}{peft_head.MODULE}", len(head.labels)
    return {f"{name}.weight": (labels, hidden), **({f"{name}.bias": (labels,)} if head.bias else {})}


def _read_head(directory: Path, task_type: str | None, labels: int) -> Head | None:
    """The head in `directory`, of so many `labels`. Errors: `InputError` where its two files differ about it."""
    head = peft_head.read_head(directory)
    if head is None and task_type in peft_head.TASK_TYPES:
        problem = f"has a head (task_type {task_type}) that PEFT trained, and PEFT does not keep what it predicts"
        fix = f"Write {peft_head.NAME} there with its labels: {peft_head.example(task_type, labels)}"
        raise InputError(problem, where=directory, fix=fix, kind="adapter-head")
    if head is not None and task_type != peft_head.task_type(head):
        problem = f"task_type is {shown(task_type)}, and {peft_head.NAME} has a head of {peft_head.task_type(head)}"
        raise InputError(problem, where=directory / NAME, fix=_FIX, kind="adapter-head")
    return head


def _tensor_file(directory: Path) -> Path:
    if not directory.is_dir():
        raise InputError("no such directory", where=directory, fix=_FIX, kind="no-such-directory")
    if not (directory / TENSORS).is_file() and (directory / _PICKLED).exists():
        raise InputError(
            "is a pickled adapter, which can run code when loaded",
            where=directory / _PICKLED,
            fix="Write it as safetensors: `save_pretrained` of PEFT.",
            kind="pickled-weights",
        )
    for name in (NAME, TENSORS):
        if not (directory / name).is_file():
            raise InputError(f"has no {name}", where=directory, fix=_FIX, kind="adapter-incomplete")
    return directory / TENSORS


_FIX = "Give a directory of PEFT, or write one: `genomic-llama convert RUN ADAPTER --to peft`."
