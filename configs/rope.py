"""RoPE: its frequencies, and what a `config.json` of any spelling, or a NeMo model configuration, says of them.

transformers 4 writes `rope_theta` and `rope_scaling`, transformers 5 `rope_parameters`. Each reads the other's files in
its own way, and drops what it does not look for. Here every place that says something must agree with the others.
"""

import dataclasses
import math
from collections.abc import Iterator, Mapping
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

_THETA = Row(hf="rope_theta", megatron="rotary_base", kind=float)
_ROWS = tuple(
    Row(hf=name, megatron=field, kind=int if name == "original_max_position_embeddings" else float)
    for name, field in SCALING_FIELDS.items()
)
_NEUTRAL: dict[str, tuple[object, ...]] = {"attention_factor": (1.0,), "partial_rotary_factor": (1.0,)}
"""Further keys that transformers may write, and their values that change nothing; null never does."""


def frequencies(theta: float, head_dim: int, scaling: RopeScaling | None) -> list[float]:
    """Radians per position of each pair of a head's `head_dim` dimensions, [head_dim / 2], in double precision.

    Pair i turns by theta^(-2i / head_dim) (Su et al. 2021). The scaling of Llama 3.1 divides by `factor` what turns
    less than `low_freq_factor` times in the original context, leaves what turns more than `high_freq_factor` times,
    and mixes both linearly between. All readers of a configuration are tested against this function.
    """
    plain = [theta ** (-2 * pair / head_dim) for pair in range(head_dim // 2)]
    return [_scaled(one, scaling) for one in plain] if scaling else plain


def _scaled(frequency: float, scaling: RopeScaling) -> float:
    turns = scaling.original_max_position_embeddings * frequency / (2 * math.pi)
    low, high = scaling.low_freq_factor, scaling.high_freq_factor
    kept = min(max((turns - low) / (high - low), 0.0), 1.0)
    return kept * frequency + (1 - kept) * frequency / scaling.factor


def fold_rope(values: dict[str, Any], where: object) -> RopeScaling | None:
    """Leave `rope_theta` as the one key about RoPE in `values`, a `config.json`, and return the scaling.

    Errors: `InputError` where two places disagree, or say what is not supported.
    """
    places: dict[str, Any] = {key: values.pop(key) for key in ("rope_parameters", "rope_scaling") if key in values}
    if places.get("rope_parameters") in (None, {}):
        places.pop("rope_parameters", None)  # says nothing; a null `rope_scaling` says that there is none
    thetas = {"rope_theta": values.pop("rope_theta", None)}
    scalings: dict[str, RopeScaling | None] = {}
    for key, value in places.items():
        scalings[key] = read_scaling(value, where, key=key)
        thetas[f"{key}.rope_theta"] = value.get("rope_theta") if value else None
    _agree(scalings, {key: shown(places[key]) for key in scalings}, where)
    given = {name: theta for name, theta in thetas.items() if theta is not None}
    read = {name: typed_value(_THETA, {"rope_theta": theta}, where) for name, theta in given.items()}
    _agree(read, {name: shown(theta) for name, theta in given.items()}, where)
    if read:
        values["rope_theta"] = next(iter(read.values()))
    return next(iter(scalings.values()), None)


def _agree(read: Mapping[str, object], as_written: Mapping[str, str], where: object) -> None:
    if len(set(read.values())) > 1:
        problem = ", ".join(f"{name} is {text}" for name, text in as_written.items())
        raise InputError(f"{problem}; they disagree", where=where, fix="Keep the right one.", kind="rope-contradiction")


def read_scaling(value: Any, where: object, *, key: str = "rope_scaling") -> RopeScaling | None:
    """The value of `rope_scaling`, or of `rope_parameters`: that of Llama 3.1, or none. Errors: `InputError`."""
    if value is None:
        return None
    if not isinstance(value, dict):
        raise _unsupported(key, value, where)
    kinds = {value[name] if isinstance(value[name], str) else "" for name in ("rope_type", "type") if name in value}
    if len(kinds) > 1:
        raise InputError(
            f"{key} is {shown(value)}: rope_type and type disagree",
            where=where,
            fix="Keep rope_type alone.",  # transformers obeys either, by its release
            kind="rope-contradiction",
        )
    kind = next(iter(kinds), "default")
    content = dict(_content(value, key, where))
    if kind == "default" and not content:
        return None
    if kind != "llama3" or content.keys() != SCALING_FIELDS.keys():
        raise _unsupported(key, value, where)
    scaling = RopeScaling(**{row.hf: typed_value(row, content, where) for row in _ROWS})
    if not scaling.low_freq_factor < scaling.high_freq_factor:
        raise InputError(
            f"{key} is {shown(value)}: low_freq_factor is not below high_freq_factor",
            where=where,
            fix="Llama 3.1 has 1.0 and 4.0.",
            kind="rope-unsupported",
        )
    return scaling


def _content(value: Mapping[str, Any], key: str, where: object) -> Iterator[tuple[str, Any]]:
    """The entries that say how to scale."""
    for name, item in value.items():
        if name in ("rope_type", "type", "rope_theta") or item is None:
            continue
        if name not in _NEUTRAL:
            yield name, item
        elif isinstance(item, bool) or item not in _NEUTRAL[name]:
            raise _unsupported(key, value, where)


def _unsupported(key: str, value: object, where: object) -> InputError:
    return InputError(f"{key} is {shown(value)}", where=where, fix=_ROPE, kind="rope-unsupported")


def hf_scaling(scaling: RopeScaling | None) -> dict[str, Any]:
    """`rope_scaling` as in transformers 5, where "default" means no scaling."""
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
