"""The architecture: a Hugging Face Llama `config.json`, read strictly, and its mapping to Megatron-Core and back.

`config.json` is the only place where an architecture is written. Every key is mapped by one row of a table, or
checked to have the one value that this project supports, or an error that names it.
"""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from configs.heads import Head, head_from_megatron, hf_fields, pop_head
from configs.locate import find_directory
from configs.rope import RopeScaling, fold_rope, hf_scaling, megatron_scaling, scaling_from_megatron
from configs.rows import Row, typed_value
from foundation.errors import InputError, nearest, shown
from foundation.untrusted import read_json, unique_keys
from tokenizer.vocabulary import BOS, EOS, PAD, VOCAB_SIZE


@dataclass(frozen=True, kw_only=True)
class LlamaArchitecture:
    """A Llama decoder without biases. Field names are those of `config.json`."""

    num_hidden_layers: int
    hidden_size: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    intermediate_size: int
    max_position_embeddings: int
    rope_theta: float
    rms_norm_eps: float
    initializer_range: float
    tie_word_embeddings: bool
    dtype: str
    rope_scaling: RopeScaling | None = None
    bos_token_id: int | None = None
    head: Head | None = None
    """What there is in place of the output layer; None for a language model."""

    @property
    def parameters(self) -> int:
        """Exact number of trainable parameters."""
        query, key_value = self.num_attention_heads * self.head_dim, self.num_key_value_heads * self.head_dim
        attention = self.hidden_size * (2 * query + 2 * key_value)
        layer = attention + 3 * self.hidden_size * self.intermediate_size + 2 * self.hidden_size
        vocabulary = VOCAB_SIZE * self.hidden_size
        output = 0 if self.tie_word_embeddings else vocabulary
        if self.head is not None:
            output = len(self.head.labels) * (self.hidden_size + self.head.bias)
        return self.num_hidden_layers * layer + self.hidden_size + vocabulary + output


MAPPED = (
    Row(hf="num_hidden_layers", megatron="num_layers", kind=int),
    Row(hf="hidden_size", megatron="hidden_size", kind=int),
    Row(hf="num_attention_heads", megatron="num_attention_heads", kind=int),
    Row(hf="num_key_value_heads", megatron="num_query_groups", kind=int),
    Row(hf="head_dim", megatron="kv_channels", kind=int),
    Row(hf="intermediate_size", megatron="ffn_hidden_size", kind=int),
    Row(hf="max_position_embeddings", megatron="seq_length", kind=int),
    Row(hf="rope_theta", megatron="rotary_base", kind=float),
    Row(hf="rms_norm_eps", megatron="layernorm_epsilon", kind=float),
    Row(hf="initializer_range", megatron="init_method_std", kind=float, default=0.02),
    Row(hf="tie_word_embeddings", megatron="share_embeddings_and_output_weights", kind=bool, default=False),
    Row(hf="dtype", megatron=None, kind=str, default="bfloat16"),
)

# The one value that is supported; a key that is absent has it too.
HF_FIXED: dict[str, object] = {
    "model_type": "llama",
    "vocab_size": VOCAB_SIZE,
    "hidden_act": "silu",
    "attention_bias": False,
    "attention_dropout": 0.0,
    "mlp_bias": False,
    "pretraining_tp": 1,
    "eos_token_id": EOS.id,
}
NVLLAMA = ["NVLlamaForCausalLM"]
HF_ONE_OF: dict[str, tuple[object, ...]] = {
    "bos_token_id": (None, BOS.id),
    "pad_token_id": (PAD.id, None),
    "dtype": ("bfloat16", "float16", "float32"),
    "architectures": (["LlamaForCausalLM"], NVLLAMA),
    **dict.fromkeys(
        ("attn_implementation", "_attn_implementation", "_attn_implementation_internal"),
        (None, "eager", "sdpa", "flash_attention_2", "flash_attention_3", "flex_attention"),
    ),
}
"""Kernels of attention that are listed compute the same; any other name is code from somewhere else."""
# Say nothing about the weights.
HF_IGNORED = frozenset({"transformers_version", "use_cache", "_name_or_path"})
CODE = frozenset({"auto_map", "quantization_config"})
"""Ask for code of others to build or unpack the model. NVLlama's `auto_map` names code that is known, and never run."""
NVLLAMA_IGNORED = frozenset(
    {
        "attn_input_format",
        "self_attn_mask_type",
        "embedding_init_std",
        "use_megatron_scaled_init",
        "fp8_first_last_bf16",
        "num_layers_at_start_in_bf16",
        "num_layers_at_end_in_bf16",
        "layer_precision",
        "use_quantized_model_init",
    }
)
"""How BioNeMo's `NVLlamaConfig` initialises and runs a model, likewise."""

MEGATRON_FIXED: dict[str, object] = {
    "vocab_size": VOCAB_SIZE,
    "make_vocab_size_divisible_by": 32,  # keeps 256 for a tensor-parallel size of 1, 2, 4 and 8
    "normalization": "RMSNorm",
    "gated_linear_unit": True,
    "add_bias_linear": False,
    "add_qkv_bias": False,
    "position_embedding_type": "rope",
    "rotary_percent": 1.0,
    "rotary_interleaved": False,
    "seq_len_interpolation_factor": None,
    "qk_layernorm": False,
    "num_moe_experts": None,
    "hidden_dropout": 0.0,
    "attention_dropout": 0.0,
    "window_size": None,
    "layernorm_zero_centered_gamma": False,
}
"""Fields of NeMo's `LlamaConfig` that make it a Llama as above."""


def read_architecture(model_tag: str | Path) -> LlamaArchitecture:
    """Architecture of the directory `model_tag` (a path, or the name of one in `configs/`).

    Errors: `InputError` naming the file, the key and the fix.
    """
    path = find_directory(model_tag, holding="config.json") / "config.json"
    values = read_json(path, pairs_hook=unique_keys)
    if not isinstance(values, dict):
        raise InputError("is not a JSON object", where=path, fix="Copy it again.", kind="config-not-an-object")
    return parse_architecture(values, where=path)


def parse_architecture(values: Mapping[str, Any], *, where: object) -> LlamaArchitecture:
    """Architecture of the `config.json` content `values`; transformers 4 and 5 spellings."""
    values = dict(values)
    _fold_dtype(values, where)
    head = pop_head(values, where)
    scaling = fold_rope(values, where)
    _check_keys(values, where)
    hidden, heads = values.get("hidden_size"), values.get("num_attention_heads")
    if values.get("head_dim") is None and type(hidden) is int and type(heads) is int and heads > 0:
        values["head_dim"] = hidden // heads
    architecture = LlamaArchitecture(
        **{row.hf: typed_value(row, values, where) for row in MAPPED},
        rope_scaling=scaling,
        bos_token_id=values.get("bos_token_id"),
        head=head,
    )
    _check_shapes(architecture, where)
    return architecture


def hf_config(architecture: LlamaArchitecture) -> dict[str, object]:
    """Content of a `config.json` that transformers 4.57 and 5 read alike (each has its own key for RoPE and dtype)."""
    fixed = {key: value for key, value in HF_FIXED.items() if key != "pretraining_tp"}
    mapped = {key: value for key, value in dataclasses.asdict(architecture).items() if key != "head"}
    scaling = architecture.rope_scaling
    rope = hf_scaling(scaling)
    return {
        "architectures": ["LlamaForCausalLM"],
        **fixed,
        **mapped,
        "torch_dtype": architecture.dtype,
        "rope_scaling": rope if scaling else None,
        "rope_parameters": {"rope_theta": architecture.rope_theta, **rope},
        "pad_token_id": PAD.id,
        "use_cache": True,
        **(hf_fields(architecture.head) if architecture.head else {}),
    }


def megatron_fields(architecture: LlamaArchitecture) -> dict[str, Any]:
    """Keyword arguments for NeMo's `LlamaConfig`: the architecture and nothing about how it is run.

    With RoPE scaling they are those of `Llama31Config`, which `LlamaConfig` refuses.
    """
    mapped = {row.megatron: getattr(architecture, row.hf) for row in MAPPED if row.megatron}
    if float(mapped["rotary_base"]).is_integer():
        mapped["rotary_base"] = int(mapped["rotary_base"])  # NeMo types it as an int
    return {**mapped, **MEGATRON_FIXED, **megatron_scaling(architecture.rope_scaling)}


def from_megatron_fields(fields: Mapping[str, Any], *, dtype: str, where: object) -> LlamaArchitecture:
    """Architecture of a NeMo model configuration, given as plain values; the inverse of `megatron_fields`.

    Fields about how a model is run (fusions, parallelism, ...) are not looked at.
    Errors: `InputError` for a model that is not this architecture.
    """
    for key, value in MEGATRON_FIXED.items():
        if key != "make_vocab_size_divisible_by" and key in fields and fields[key] != value:
            raise InputError(f"{key} is {shown(fields[key])}", where=where, fix=_only(key, value), kind=_VALUE)
    values = {row.hf: fields[row.megatron] for row in MAPPED if row.megatron and row.megatron in fields}
    scaling = scaling_from_megatron(fields)
    architecture = parse_architecture({**values, "rope_scaling": scaling, "dtype": dtype}, where=where)
    return dataclasses.replace(architecture, head=head_from_megatron(fields, where))


def _check_keys(values: Mapping[str, Any], where: object) -> None:
    """Refuse a key that is unknown, and a value that makes another model."""
    known = {row.hf for row in MAPPED} | HF_FIXED.keys() | HF_ONE_OF.keys() | HF_IGNORED | NVLLAMA_IGNORED | CODE
    for key, value in values.items():
        if key not in known:
            problem, fix = f"unknown key {shown(key)} = {shown(value)}", nearest(str(key), known)
            raise InputError(problem, where=where, fix=fix, kind="config-unknown-key")
        if key in CODE and value and values.get("architectures") != NVLLAMA:
            raise InputError(f"`{key}` brings its own code or rules", where=where, fix=_PLAIN, kind="config-code")
        if key in HF_FIXED and value != HF_FIXED[key]:
            raise InputError(f"{key} is {shown(value)}", where=where, fix=_only(key, HF_FIXED[key]), kind=_VALUE)
        if key in HF_ONE_OF and value not in HF_ONE_OF[key]:
            fix = f"It must be one of {list(HF_ONE_OF[key])}."
            raise InputError(f"{key} is {shown(value)}", where=where, fix=fix, kind=_VALUE)


def _fold_dtype(values: dict[str, Any], where: object) -> None:
    """Fold `torch_dtype` of transformers 4 into `dtype`; null says nothing."""
    given = {key: value for key in ("dtype", "torch_dtype") if (value := values.pop(key, None)) is not None}
    if len(given) > 1 and given["dtype"] != given["torch_dtype"]:
        problem = f"dtype is {shown(given['dtype'])}, torch_dtype {shown(given['torch_dtype'])}"
        raise InputError(problem, where=where, fix="Keep the right one.", kind="config-contradiction")
    if given:
        values["dtype"] = next(iter(given.values()))


def _check_shapes(architecture: LlamaArchitecture, where: object) -> None:
    heads, groups = architecture.num_attention_heads, architecture.num_key_value_heads
    if heads % groups:
        raise InputError(
            f"{heads} num_attention_heads cannot share {groups} num_key_value_heads",
            where=where,
            fix="The first must be a multiple of the second.",
            kind=_VALUE,
        )
    check_theta(architecture.rope_theta, where)
    if architecture.head_dim % 2:
        raise InputError(
            f"head_dim is {architecture.head_dim}", where=where, fix="RoPE needs an even one.", kind=_VALUE
        )


def check_theta(theta: float, where: object) -> None:
    """Refuse a base of RoPE's frequencies that no model has. Errors: `InputError`."""
    if not 1 <= theta <= _LARGEST_THETA:
        fix = f"It must be from 1 to {_LARGEST_THETA:g}."
        raise InputError(f"rope_theta is {theta:g}", where=where, fix=fix, kind=_VALUE)


def _only(key: str, value: object) -> str:
    written = json.dumps(value)
    reasons = {"vocab_size": "the nucleotide vocabulary has 256 tokens"}
    reason = f" ({reasons[key]})" if key in reasons else ""
    return f"Only {key} = {written} is supported{reason}."


_LARGEST_THETA = 1e12  # above all that are known; single precision has room for its frequencies
_VALUE = "config-value"
_PLAIN = "Give a plain Llama: whole weights in safetensors, and the configuration without this key."
