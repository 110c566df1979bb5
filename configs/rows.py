"""A key of `config.json`: what it maps to, and its value, checked."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from foundation.errors import InputError, shown

_LARGEST = 1 << 48
"""Above any size of a model; products of three still fit into what is printed."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One key of `config.json` and the field of NeMo's `LlamaConfig` (Megatron-Core `TransformerConfig`) it maps to."""

    hf: str
    megatron: str | None
    kind: type
    default: Any = None


def typed_value(row: Row, values: Mapping[str, Any], where: object) -> Any:
    """The value of the key `row` in `values`. Errors: `InputError` where it is missing, or of another kind."""
    value = values.get(row.hf, row.default)
    if value is None:
        fix = "Compare configs/llama3_8b_genomic_config."
        raise InputError(f"{row.hf} is missing", where=where, fix=fix, kind="config-missing-key")
    if row.kind is float and type(value) is int and abs(value) < 1 << 64:
        value = float(value)
    number = row.kind in (int, float)
    right_kind = type(value) is row.kind
    if not right_kind or (number and not 0 < value < (_LARGEST if row.kind is int else math.inf)):
        wanted = f"a positive {row.kind.__name__}" if number else f"a {row.kind.__name__}"
        raise InputError(f"{row.hf} is {shown(value)}", where=where, fix=f"It must be {wanted}.", kind="config-value")
    return value
