"""NeMo's adapters as a directory of PEFT: the same numbers, a Hugging Face tensor each."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from configs.heads import Head
from conversion.adapters.low_rank import Adapter
from conversion.adapters.megatron_adapter import MegatronAdapter
from conversion.adapters.peft_adapter import PREFIX, TENSORS, head_shapes, lora_name
from conversion.adapters.peft_config import NAME
from conversion.adapters.peft_head import MODULE, task_type, write_head
from conversion.files.dtypes import cast
from conversion.files.mapped_file import loaded
from conversion.huggingface.safetensors_writer import SafetensorsWriter
from conversion.weight_table import HEAD, Weight

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]


def write_peft(
    directory: Path,
    adapter: MegatronAdapter,
    weights: tuple[Weight, ...],
    *,
    dtype: str,
    base: str | None,
    head: Head | None = None,
) -> None:
    """Write `adapter`, of a model of `weights`, into `directory`, its numbers as `dtype`; `base` is its base's name.

    `head`: the head of `adapter`, calibrated where it is.
    """
    config = _config(adapter, weights, base)
    if head is not None:
        config |= {"task_type": task_type(head), "modules_to_save": [MODULE]}
        write_head(directory, head)
    (directory / NAME).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    columns = {name: shape for weight in weights for name, shape in weight.hf.items()}
    shapes: dict[str, tuple[int, ...]] = {}
    for name, rank in adapter.ranks.items():
        rows, across = columns[name]
        module = name.removesuffix(".weight")
        shapes |= {lora_name(module, "A"): (rank, across), lora_name(module, "B"): (rows, rank)}
    if head is not None:
        shapes |= head_shapes(head, hidden=weights[0].fused_shape[1])
    with SafetensorsWriter(directory, shapes, dtype=dtype, file=TENSORS) as writer:
        for name, array in factors(adapter, weights, dtype):
            writer.write(name, [array])


def factors(adapter: Adapter, weights: tuple[Weight, ...], dtype: str) -> "Iterator[tuple[str, Array]]":
    """The matrices of `adapter` under their names in PEFT, raw numbers of `dtype`, in the order of its `ranks`; and
    its head's tensors, which are among `weights`."""
    import numpy as np

    for name in adapter.ranks:
        change = adapter.low_rank(name)
        for side, factor in (("A", change.inward), ("B", change.outward)):
            stored = lora_name(name.removesuffix(".weight"), side)
            yield stored, cast(np.ascontiguousarray(factor).view("<u4"), "float32", dtype, stored)
    for weight in weights if adapter.head else ():
        if weight.megatron.startswith(HEAD):
            stored = f"{PREFIX}{weight.megatron}"
            yield stored, cast(loaded(adapter.head_tensor(weight)), adapter.dtype, dtype, stored)


def _config(adapter: MegatronAdapter, weights: tuple[Weight, ...], base: str | None) -> dict[str, Any]:
    rank = Counter(adapter.ranks.values()).most_common(1)[0][0]
    others = {_end(name): one for name, one in adapter.ranks.items() if one != rank}
    alpha = adapter.alpha
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "revision": None,
        "inference_mode": True,
        "r": rank,
        "lora_alpha": int(alpha) if alpha.is_integer() else alpha,
        "lora_dropout": adapter.dropout,
        "target_modules": _targets(adapter.ranks, weights),
        "rank_pattern": others,
        "alpha_pattern": {},
        "bias": "none",
        "fan_in_fan_out": False,
        "init_lora_weights": True,
        "layers_pattern": None,
        "layers_to_transform": None,
        "modules_to_save": None,
        "use_dora": False,
        "use_rslora": False,
    }


def _targets(adapted: Mapping[str, int], weights: tuple[Weight, ...]) -> list[str]:
    """Ends of names where all layers have the same adapters, else whole names."""
    ends = {_end(name) for name in adapted}
    every = {name for weight in weights for name in weight.hf if _end(name) in ends}
    return sorted(ends if every == adapted.keys() else {name.removesuffix(".weight") for name in adapted})


def _end(name: str) -> str:
    """`q_proj` of `model.layers.0.self_attn.q_proj.weight`."""
    return name.split(".")[-2]
