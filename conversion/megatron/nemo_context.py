"""The configuration of a NeMo 2 checkpoint, read from `context/model.yaml` as plain values; nothing of it is built.

`io.json`, which NeMo reads instead, says the same; it can name any code, so it is never opened here.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from configs.heads import Head, head_from_megatron
from configs.llama import LlamaArchitecture, from_megatron_fields
from configs.rope import RopeScaling
from conversion.checkpoint import check_inside, read_section
from conversion.huggingface.tokenizer_directory import read_bos
from foundation.errors import InputError, shown

MODEL_CLASS = "nemo.collections.llm.gpt.model.llama.LlamaModel"
CONFIG_CLASS = "nemo.collections.llm.gpt.model.llama.LlamaConfig"
SCALED_CONFIG_CLASS = "nemo.collections.llm.gpt.model.llama.Llama31Config"
TOKENIZER = "nemo_tokenizer"
"""NeMo's name for the directory of a Hugging Face tokenizer in a context."""

# NeMo's configurations of a Llama, and the RoPE scaling that each has by default.
_PLAIN = ("LlamaConfig", "Llama2Config7B", "Llama2Config13B", "Llama2Config70B", "Llama3Config", "Llama3Config8B",
          "Llama3Config70B")  # fmt: skip
_LLAMA31 = ("Llama31Config", "Llama31Config8B", "Llama31Config70B", "Llama31Config405B")
_LLAMA32 = ("Llama32Config1B", "Llama32Config3B")
_PREFIX = "nemo.collections.llm.gpt.model.llama."
HEADS = ("training.heads.model.HeadLlamaConfig", "training.heads.model.HeadLlama31Config")
"""Ours, of a model with a head in place of the output layer, without and with RoPE scaling."""
_CONFIGS: dict[str, RopeScaling | None] = {
    HEADS[0]: None,
    HEADS[1]: RopeScaling(factor=8.0),
    **{_PREFIX + name: None for name in _PLAIN},
    **{_PREFIX + name: RopeScaling(factor=8.0) for name in _LLAMA31},
    **{_PREFIX + name: RopeScaling(factor=32.0) for name in _LLAMA32},
}


def read_context(directory: Path, *, dtype: str, vocabulary: int) -> LlamaArchitecture:
    """Architecture of the checkpoint `directory`, whose weights are stored as `dtype`, embeddings of `vocabulary` rows.

    Errors: `InputError` for a model that is not a Llama of this project.
    """
    path = directory / "context" / "model.yaml"
    fields = read_section(path, "config", within=directory)
    architecture = from_megatron_fields(_fields(fields, vocabulary, path), dtype=dtype, where=path)
    tokenizer = directory / "context" / TOKENIZER
    check_inside(tokenizer, directory)
    return dataclasses.replace(architecture, bos_token_id=read_bos(tokenizer))


def read_head(directory: Path) -> Head | None:
    """The head that the checkpoint `directory` was trained with, beside adapters too. Errors: `InputError`."""
    path = directory / "context" / "model.yaml"
    return head_from_megatron(read_section(path, "config", within=directory), path)


def _fields(fields: Mapping[str, Any], vocabulary: int, path: Path) -> dict[str, Any]:
    """The fields of a configuration, with the scaling of its class. `_target_`s are compared, never located."""
    target = fields["_target_"]
    if not isinstance(target, str) or target not in _CONFIGS:
        raise InputError(
            f"the model was made by {shown(target)}",
            where=path,
            fix="Only NeMo's LlamaConfig and its Llama 2, 3, 3.1 and 3.2 variants are supported.",
            kind="model-class",
        )
    check_activation(fields, path)
    given = dict(fields)
    if given.get("vocab_size") is None:  # NeMo takes it from the tokenizer then; what is padding cannot be known
        given["vocab_size"] = vocabulary
    if scaling := _CONFIGS[target]:
        given.setdefault("scale_factor", scaling.factor)
    return given


def check_activation(fields: Mapping[str, Any], path: Path) -> None:
    """Refuse another activation than SiLU. Errors: `InputError`."""
    activation = fields.get("activation_func")
    name = activation.get("_target_") if isinstance(activation, Mapping) else activation
    if name is not None and not (isinstance(name, str) and name.rsplit(".", 1)[-1] == "silu"):
        raise InputError(
            f"activation_func is {shown(name)}", where=path, fix="Only SiLU is supported.", kind="activation"
        )
