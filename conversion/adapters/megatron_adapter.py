"""A checkpoint of LoRA adapters, of NeMo 2 or of Megatron-Bridge, as what it adds to each Hugging Face tensor.

Both adapt fused weights. Of `linear_qkv` the tensors of Hugging Face are rows, so they share what comes in, and have
their rows of what goes out, taken apart as the weight itself is (`weight_table`). That is exact: no number changes.

    linear_in  [rank, hidden]                 lora_A of q_proj, of k_proj and of v_proj
    linear_out [q q q q k v | q q q q k v]    lora_B of each: its letters

NeMo's canonical LoRA has an adapter of its own for each. Of q, k and v it puts the outputs side by side, [q.. k.. v..],
beside fused rows in groups: what it computes is what it says only where there is one group.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from configs.lora import parse_ranks
from conversion.adapters.low_rank import LowRank
from conversion.checkpoint import check_inside, read_mapping
from conversion.files.dtypes import to_float32
from conversion.files.mapped_file import loaded
from conversion.locate import is_iterations
from conversion.megatron.bridge_config import NAME as BRIDGE
from conversion.megatron.bridge_config import check_form
from conversion.megatron.megatron_directory import MegatronWeights
from conversion.megatron.nemo_context import read_head
from conversion.strict import check_tensors
from conversion.weight_table import HEAD, Weight, split
from foundation.errors import InputError, shown
from foundation.spelling import option
from foundation.untrusted import read_json

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

_METADATA = "adapter_metadata.json"
_LIMIT = 1 << 16
_FUSED = (
    "nemo.collections.llm.peft.lora.LoRA",
    "training.lora.PatternLoRA",
    "megatron.bridge.peft.lora.LoRA",
    "training.bridge.lora.PatternLoRA",
)
_CANONICAL = "nemo.collections.llm.peft.canonical_lora.CanonicalLoRA"

PARTS: dict[str, tuple[str, ...]] = {
    "linear_qkv": ("adapter_q", "adapter_k", "adapter_v"),
    "linear_proj": (),
    "linear_fc1": ("adapter_gate", "adapter_up"),
    "linear_fc2": (),
}
"""The linear layers that are adapted, and the adapters that canonical LoRA has for their parts."""


def is_adapter(directory: Path) -> bool:
    """Whether the checkpoint `directory` holds adapters alone."""
    if (directory / "weights" / _METADATA).is_file():
        return True
    return (directory / BRIDGE).is_file() and read_mapping(directory / BRIDGE).get("peft") is not None


def base_of(directory: Path) -> Path:
    """The checkpoint whose weights the adapters in `directory` were trained beside. Errors: `InputError`."""
    of_bridge = (directory / BRIDGE).is_file()
    path = directory / BRIDGE if of_bridge else directory / "weights" / _METADATA
    check_inside(path, directory)
    try:
        base = Path(
            read_mapping(path)["checkpoint"]["pretrained_checkpoint"]
            if of_bridge
            else read_json(path, limit=_LIMIT)["model_ckpt_path"]
        )
    except (TypeError, KeyError) as error:
        raise InputError(
            f"does not name a base checkpoint ({error})", where=path, fix="Copy it again.", kind="no-base-named"
        ) from error
    base = base.parent if base.name == "weights" else base  # NeMo writes either
    if not (is_iterations(base) if of_bridge else (base / "weights").is_dir()) or is_adapter(base):
        raise InputError(
            f"names the base checkpoint {str(base)!r}, which does not exist",
            where=path,
            fix=f"Give the base as {option('base')}.",
            kind="adapter-base",
        )
    return base


class MegatronAdapter:
    """The adapters in `directory` of a model of `weights` in `layers` layers. See `low_rank.Adapter`.

    Errors: `InputError`.
    """

    def __init__(self, directory: Path, weights: tuple[Weight, ...], layers: int) -> None:
        self.directory, self._layers = directory, layers
        if of_bridge := (directory / BRIDGE).is_file():
            check_form(directory)
        folder, prefix = (directory, "") if of_bridge else (directory / "weights", "module.")
        self._tensors = MegatronWeights(folder, prefix, within=directory)
        self.dtype, self._settings = self._tensors.dtype, _read_settings(directory)
        self.head, self._hidden = None if of_bridge else read_head(directory), weights[0].fused_shape[1]
        self._by_name = {name: weight for weight in weights for name in weight.hf}
        if self._settings.canonical:
            self._refuse_groups(weights)
        adapted = self._find(weights)
        self.ranks: Mapping[str, int] = {name: self._rank(self._by_name[name]) for name in adapted}

    @property
    def alpha(self) -> float:
        """What is added is scaled by alpha / rank."""
        return self._settings.alpha

    @property
    def dropout(self) -> float:
        """Of what the adapters read, in training."""
        return self._settings.dropout

    def low_rank(self, name: str) -> LowRank:
        """What is added to the Hugging Face tensor `name`."""
        import numpy as np

        weight = self._by_name[name]
        part = self._part(weight, name)
        inward, outward = (self._factor(weight, part, side) for side in ("linear_in", "linear_out"))
        if not part:
            outward = np.concatenate(dict(zip(weight.hf, split(weight, outward), strict=True))[name])
        return LowRank(inward=inward, outward=outward, scale=self._settings.alpha / self._rank(weight))

    def head_tensor(self, weight: Weight) -> "Array":
        """A tensor of the head that was trained beside the adapters."""
        return self._tensors.read(weight)

    def files(self) -> list[Path]:
        """The files that hold tensors."""
        return sorted({chunk.file for tensor in self._tensors.stored.values() for chunk in tensor.chunks})

    def _factor(self, weight: Weight, part: str, side: str) -> "Array":
        return to_float32(loaded(self._tensors.tensor(*self._stored_as(weight, part, side))), self.dtype)

    def _stored_as(self, weight: Weight, part: str, side: str) -> tuple[str, int | None]:
        stacked, single = (
            f"{self._tensors.prefix}{name.removesuffix('.weight')}.adapter.{part}{side}.weight"
            for name in (weight.stacked, weight.megatron)
        )
        return (stacked, weight.layer) if stacked in self._tensors.stored else (single, None)

    def _part(self, weight: Weight, name: str) -> str:
        parts = PARTS[_module(weight)] if self._settings.canonical else ()
        return f"{parts[list(weight.hf).index(name)]}." if parts else ""

    def _rank(self, weight: Weight) -> int:
        return self._settings.ranks.get(_module(weight), self._settings.rank)

    def _find(self, weights: tuple[Weight, ...]) -> list[str]:
        """The Hugging Face tensors that are adapted; every stored tensor must be a part of an adapter."""
        expected = self._head_shapes()
        adapted = []
        for weight in weights:
            if _module(weight) not in PARTS or not weight.megatron.endswith(f"{_module(weight)}.weight"):
                continue
            for name, (rows, columns) in weight.hf.items():
                part, rank = self._part(weight, name), self._rank(weight)
                places = {side: self._stored_as(weight, part, side) for side in ("linear_in", "linear_out")}
                if not any(place in self._tensors.stored for place, _ in places.values()):
                    continue
                adapted.append(name)
                rows = rows if part else weight.fused_shape[0]
                for side, shape in (("linear_in", (rank, columns)), ("linear_out", (rows, rank))):
                    place, index = places[side]
                    expected[place] = shape if index is None else (self._layers, *shape)
        check_tensors(
            {name: tensor.shape for name, tensor in self._tensors.stored.items()},
            expected,
            where=self._tensors.listing,
            file_of=lambda name: self._tensors.listing,
        )
        return adapted

    def _head_shapes(self) -> dict[str, tuple[int, ...]]:
        if self.head is None:
            return {}
        labels, prefix = len(self.head.labels), f"{self._tensors.prefix}{HEAD}"
        bias = {f"{prefix}bias": (labels,)} if self.head.bias else {}
        return {f"{prefix}weight": (labels, self._hidden), **bias}

    def _refuse_groups(self, weights: tuple[Weight, ...]) -> None:
        groups = max(weight.blocks for weight in weights)
        if groups > 1 and any(".linear_qkv.adapter." in name for name in self._tensors.stored):
            raise InputError(
                f"has canonical LoRA of q, k and v, whose rows NeMo adds in another order than those of a fused "
                f"linear_qkv with {groups} groups",
                where=self.directory,
                fix="Train with nemo.collections.llm.peft.LoRA: NeMo's result here belongs to no single projection.",
                kind="adapter-canonical-qkv",
            )


def _module(weight: Weight) -> str:
    """The name of Megatron's module that has the weight."""
    return weight.megatron.rsplit(".", 2)[-2] if weight.megatron.count(".") > 1 else ""


@dataclass(frozen=True, kw_only=True)
class _Settings:
    """Of a LoRA. `ranks`: of modules that have another than `rank`; `dropout`: before the adapter alone."""

    canonical: bool
    rank: int
    alpha: float
    ranks: Mapping[str, int]
    dropout: float


def _read_settings(directory: Path) -> _Settings:
    of_bridge = (directory / BRIDGE).is_file()
    path = directory / BRIDGE if of_bridge else directory / "context" / "model.yaml"
    check_inside(path, directory)
    fields = read_mapping(path).get("peft" if of_bridge else "model_transform")
    values = fields if isinstance(fields, dict) else {}
    target = values.get("_target_")
    if target not in (*_FUSED, _CANONICAL):
        raise InputError(
            f"the adapters are {shown(target)}",
            where=path,
            fix="Only LoRA of NeMo and of Megatron-Bridge, and CanonicalLoRA of NeMo, can be read.",
            kind="adapter-class",
        )
    rank, alpha, dropout = values.get("dim"), values.get("alpha"), values.get("dropout", 0.0)
    pattern = values.get("rank_pattern") or []
    if not (
        type(rank) is int
        and rank > 0
        and isinstance(alpha, int | float)
        and 0 < alpha < 1 << 32
        and isinstance(dropout, int | float)
        and 0 <= dropout <= 1
    ):
        raise InputError(
            f"the adapters have dim {shown(rank)}, alpha {shown(alpha)} and dropout {shown(dropout)}",
            where=path,
            fix="Copy it again.",
            kind="adapter-rank",
        )
    if not isinstance(pattern, list):
        raise InputError(f"rank_pattern is {shown(pattern)}", where=path, fix="Copy it again.", kind="adapter-rank")
    before = values.get("dropout_position", "pre") == "pre"
    return _Settings(
        canonical=target == _CANONICAL,
        rank=rank,
        alpha=float(alpha),
        ranks=parse_ranks(pattern),
        dropout=float(dropout) if before else 0.0,
    )
