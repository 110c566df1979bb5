"""A NeMo 2 checkpoint of LoRA adapters, read as the whole model: the base checkpoint with the adapters merged into it.

    W + alpha / rank * linear_out @ linear_in        (Hu et al. 2021)

Only here does a conversion compute: in float32, one weight at a time, rounded once to the base's dtype.
"""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conversion.checkpoint import Rows, check_inside, read_mapping
from conversion.files.dtypes import cast, to_float32
from conversion.files.mapped_file import loaded
from conversion.megatron.megatron_directory import MegatronDirectory, MegatronWeights
from conversion.megatron.nemo_context import read_head
from conversion.strict import check_tensors
from conversion.weight_table import HEAD, Weight, expand, split
from foundation.errors import InputError, shown
from foundation.untrusted import read_json

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

_METADATA = "adapter_metadata.json"
_LIMIT = 1 << 16
_LORA = "nemo.collections.llm.peft.lora.LoRA"
_MERGEABLE = ("linear_qkv.weight", "linear_proj.weight", "linear_fc1.weight", "linear_fc2.weight")


def is_adapter(directory: Path) -> bool:
    """Whether the NeMo 2 checkpoint `directory` holds adapters alone."""
    return (directory / "weights" / _METADATA).is_file()


def base_of(directory: Path) -> Path:
    """The checkpoint whose weights the adapters in `directory` were trained beside. Errors: `InputError`."""
    path = directory / "weights" / _METADATA
    check_inside(path, directory)
    try:
        base = Path(read_json(path, limit=_LIMIT)["model_ckpt_path"])
    except (TypeError, KeyError) as error:
        raise InputError(
            f"does not name a base checkpoint ({error})", where=path, fix="Copy it anew.", kind="no-base-named"
        ) from error
    base = base.parent if base.name == "weights" else base  # NeMo writes either
    if not (base / "weights").is_dir() or is_adapter(base):
        raise InputError(
            f"names the base checkpoint {str(base)!r}, and there is none",
            where=path,
            fix="Put it there, or write its place into model_ckpt_path.",
            kind="adapter-base",
        )
    return base


class MergedAdapter:
    """The adapters of `directory` merged into `base`, a checkpoint like any other. See `checkpoint.Checkpoint`.

    Errors: `InputError`.
    """

    def __init__(self, directory: Path, base: MegatronDirectory) -> None:
        self.directory, self.base = directory, base
        head = read_head(directory)
        self.architecture, self.vocabulary = dataclasses.replace(base.architecture, head=head), base.vocabulary
        self.weights = expand(self.architecture, vocabulary=self.vocabulary) if head else base.weights
        self.stored_dtypes, self.stored_bytes = base.stored_dtypes, base.stored_bytes
        self._adapters = MegatronWeights(directory / "weights", "module.", within=directory)
        rank, alpha = _rank_and_alpha(directory)
        self._scale = alpha / rank
        self._adapted = self._find(rank)

    def parts(self, weight: Weight) -> list[Rows]:
        """The Hugging Face tensors of `weight`, in the table's order."""
        return list(split(weight, self.fused(weight)))

    def fused(self, weight: Weight) -> "Array":
        """Megatron's tensor of `weight`, merged where it has an adapter."""
        import numpy as np

        if weight.megatron.startswith(HEAD):
            return self._adapters.read(weight)
        stored = self.base.fused(weight)
        if weight.megatron not in self._adapted:
            return stored
        inward, outward = (self._factor(weight, side) for side in ("linear_in", "linear_out"))
        dtype = self.architecture.dtype
        wide = to_float32(loaded(stored), dtype) + np.float32(self._scale) * (outward @ inward)
        return cast(wide.view("<u4"), "float32", dtype, weight.megatron)

    def files(self) -> list[Path]:
        """The files that hold tensors."""
        own = {chunk.file for tensor in self._adapters.stored.values() for chunk in tensor.chunks}
        return sorted({*own, *self.base.files()})

    def _factor(self, weight: Weight, side: str) -> "Array":
        return to_float32(loaded(self._adapters.tensor(*self._stored_as(weight, side))), self._adapters.dtype)

    def _stored_as(self, weight: Weight, side: str) -> tuple[str, int | None]:
        stacked, single = (self._adapters.prefix + _beside(name, side) for name in (weight.stacked, weight.megatron))
        return (stacked, weight.layer) if stacked in self._adapters.stored else (single, None)

    def _find(self, rank: int) -> set[str]:
        """Megatron's names of the weights that have an adapter; every stored tensor must be a part of one."""
        expected: dict[str, tuple[int, ...]] = {}
        adapted = set()
        for weight in self.weights:
            if weight.megatron.startswith(HEAD):
                expected[self._adapters.prefix + weight.megatron] = weight.fused_shape
                continue
            names = {side: self._stored_as(weight, side) for side in ("linear_in", "linear_out")}
            mergeable = weight.megatron.endswith(_MERGEABLE)
            if not mergeable or not any(name in self._adapters.stored for name, _ in names.values()):
                continue
            adapted.add(weight.megatron)
            rows, columns = weight.fused_shape
            for side, shape in (("linear_in", (rank, columns)), ("linear_out", (rows, rank))):
                name, index = names[side]
                layers = () if index is None else (self.architecture.num_hidden_layers,)
                expected[name] = (*layers, *shape)
        check_tensors(
            {name: tensor.shape for name, tensor in self._adapters.stored.items()},
            expected,
            where=self._adapters.listing,
            file_of=lambda name: self._adapters.listing,
        )
        return adapted


def _beside(name: str, side: str) -> str:
    """Where NeMo puts the adapter of the weight `name`."""
    return f"{name.removesuffix('.weight')}.adapter.{side}.weight"


def _rank_and_alpha(directory: Path) -> tuple[int, float]:
    path = directory / "context" / "model.yaml"
    check_inside(path, directory)
    fields = read_mapping(path).get("model_transform")
    values = fields if isinstance(fields, dict) else {}
    if values.get("_target_") != _LORA:
        raise InputError(
            f"the adapters are {shown(values.get('_target_'))}",
            where=path,
            fix=f"Only {_LORA} can be merged.",
            kind="adapter-class",
        )
    rank, alpha = values.get("dim"), values.get("alpha")
    if not (isinstance(rank, int) and isinstance(alpha, int | float) and rank > 0 and alpha > 0):
        raise InputError(
            f"model_transform has dim {shown(rank)} and alpha {shown(alpha)}",
            where=path,
            fix="Copy it anew.",
            kind="adapter-rank",
        )
    return rank, float(alpha)
