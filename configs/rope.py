"""RoPE scaling: that of Llama 3.1, or none; in `config.json` of both spellings, and in NeMo's `Llama31Config`."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from configs.rows import Row, typed_value
from foundation.errors import InputError, shown


@dataclass(frozen=True, kw_only=True)
class RopeScaling:
    """The RoPE scaling of Llama 3.1. Field names are those of `config.json`, values those of Llama 3.1."""

    factor: float
    low_freq_factor: float = 1.0
    high_freq_factor: float = 4.0
    original_max_position_embeddings: int = 8192


SCALING_FIELDS = {
    "factor": "scale_factor",
    "low_freq_factor": "low_freq_factor",
    "high_freq_factor": "high_freq_factor",
    "original_max_position_embeddings": "old_context_len",
}
"""Fields of `RopeScaling`, and their names in NeMo's `Llama31Config`."""


def read_scaling(value: Any, where: object) -> RopeScaling | None:
    """`rope_scaling` of a `config.json`; only that of Llama 3.1, and none."""
    if value is None:
        return None
    if not isinstance(value, dict):
        raise InputError(f"rope_scaling is {shown(value)}", where=where, fix=_ROPE)
    content = {key: item for key, item in value.items() if key not in ("rope_type", "type", "rope_theta")}
    kind = value.get("rope_type", value.get("type", "default"))
    if kind == "default" and not content:
        return None
    fields = {field.name for field in dataclasses.fields(RopeScaling)}
    if kind != "llama3" or content.keys() != fields:
        raise InputError(f"rope_scaling is {shown(value)}", where=where, fix=_ROPE)
    kinds = {name: int if name == "original_max_position_embeddings" else float for name in fields}
    rows = {name: Row(hf=name, megatron=None, kind=kinds[name]) for name in content}
    return RopeScaling(**{name: typed_value(row, content, where) for name, row in rows.items()})


def hf_scaling(scaling: RopeScaling | None) -> dict[str, Any]:
    """`rope_scaling` as transformers 5 has it, where none is a kind too."""
    return {"rope_type": "llama3", **dataclasses.asdict(scaling)} if scaling else {"rope_type": "default"}


def megatron_scaling(scaling: RopeScaling | None) -> dict[str, Any]:
    """Fields of `Llama31Config`."""
    return {SCALING_FIELDS[key]: value for key, value in vars(scaling).items()} if scaling else {}


def scaling_from_megatron(fields: Mapping[str, Any]) -> dict[str, Any] | None:
    """`rope_scaling` of a NeMo model configuration; the inverse of `megatron_scaling`."""
    if fields.get("scale_factor") is None:
        return None
    return hf_scaling(RopeScaling(**{key: fields[field] for key, field in SCALING_FIELDS.items() if field in fields}))


_ROPE = (
    'Supported are null and {"rope_type": "llama3", "factor": ..., "low_freq_factor": ..., "high_freq_factor": ..., '
    '"original_max_position_embeddings": ...}.'
)
