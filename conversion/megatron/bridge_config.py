"""The `run_config.yaml` of a Megatron-Bridge checkpoint, read and written as plain values; nothing of it is built.

Megatron-Bridge (0.2 to 0.6) builds the model from the section `model`, and looks into `checkpoint` for what was saved.
`eden_megatron` of BioNeMo's recipes writes the same with providers of its own. A model of `megatron.training` has a
configuration of another shape: Megatron-Core's fields are in `transformer`, those of the model beside it.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from configs.llama import LlamaArchitecture, from_megatron_fields, megatron_fields
from configs.rope import RopeScaling
from conversion.checkpoint import check_inside, read_mapping, read_section
from conversion.huggingface.tokenizer_directory import read_bos
from conversion.megatron.nemo_context import check_activation
from foundation.errors import InputError, shown

NAME = "run_config.yaml"
TOKENIZER = "tokenizer"
_PROVIDER = "megatron.bridge.models.gpt_provider.GPTModelProvider"
_PROVIDERS = (_PROVIDER, "megatron.bridge.models.llama.llama_provider.", "bionemo.eden.models.eden_provider.")
_BUILT = "megatron.training.models.gpt.GPTModelConfig"

# Megatron-Core scales RoPE by a factor, with the other numbers of Llama 3.1 fixed in its code.
_SCALING_FIELDS = ("scale_factor", "low_freq_factor", "high_freq_factor", "old_context_len")


def read_run_config(directory: Path, *, dtype: str, vocabulary: int) -> LlamaArchitecture:
    """Architecture of the iteration `directory`, weights stored as `dtype`, embeddings of `vocabulary` rows.

    Errors: `InputError` for a model that is not a Llama of this project.
    """
    path = directory / NAME
    section = read_section(path, "model", within=directory)
    check_form(directory)
    fields = _fields(section, path)
    check_activation(fields, path)
    given = {**fields, "vocab_size": fields.get("vocab_size") or vocabulary, **_scaling(fields, path)}
    architecture = from_megatron_fields(given, dtype=dtype, where=path)
    check_inside(directory / TOKENIZER, directory)
    return dataclasses.replace(architecture, bos_token_id=read_bos(directory / TOKENIZER))


def check_form(directory: Path) -> None:
    """Refuse an iteration of Megatron-Bridge in a form that is not read. Errors: `InputError`."""
    path = directory / NAME
    saved = read_mapping(path).get("checkpoint")
    format = saved.get("ckpt_format", "torch_dist") if isinstance(saved, dict) else "torch_dist"
    if format != "torch_dist":
        raise InputError(
            f"the checkpoint was saved as {shown(format)}",
            where=path,
            fix="Only checkpoint.ckpt_format=torch_dist is read. Resume the run in Megatron-Bridge with it, and save.",
            kind="bridge-checkpoint-format",
        )


def _fields(model: Mapping[str, Any], path: Path) -> Mapping[str, Any]:
    """The fields of the section `model`, whichever class it is of. Errors: `InputError`."""
    target, transformer = model["_target_"], model.get("transformer")
    if target == _BUILT and isinstance(transformer, dict):
        return {**transformer, **model}
    if not (isinstance(target, str) and target.startswith(_PROVIDERS)):
        raise InputError(
            f"the model was made by {shown(target)}",
            where=path,
            fix="Only GPT and Llama models of Megatron-Bridge, and those of eden_megatron, are supported.",
            kind="model-class",
        )
    return model


def run_config(architecture: LlamaArchitecture, *, optimizer: bool) -> dict[str, Any]:
    """Content of `run_config.yaml`. Errors: `InputError` for a RoPE scaling that Megatron-Core cannot do."""
    scaling = architecture.rope_scaling
    if scaling and scaling != RopeScaling(factor=scaling.factor):
        raise InputError(
            f"Megatron-Bridge knows only the RoPE scaling of Llama 3.1, not {scaling}",
            fix="Convert to another format.",
            kind="rope-unsupported",
        )
    fields = {key: value for key, value in megatron_fields(architecture).items() if key not in _SCALING_FIELDS}
    for absent in ("add_qkv_bias", "layernorm_zero_centered_gamma"):  # other names, and their defaults are these
        del fields[absent]
    model = {
        "_target_": _PROVIDER,
        **fields,
        "rope_scaling": scaling is not None,
        "rope_scaling_factor": scaling.factor if scaling else 1.0,
        "should_pad_vocab": True,
        "activation_func": {"_target_": "torch.nn.functional.silu", "_call_": False},
        "params_dtype": {"_target_": f"torch.{architecture.dtype}", "_call_": False},
        "bf16": architecture.dtype == "bfloat16",
        "fp16": architecture.dtype == "float16",
        "tensor_model_parallel_size": 1,
        "pipeline_model_parallel_size": 1,
    }
    checkpoint = {
        "_target_": "megatron.bridge.training.config.CheckpointConfig",
        "save_optim": optimizer,
        "save_rng": False,
        "fully_parallel_save": False,
        "ckpt_format": "torch_dist",
    }
    tokenizer = {
        "_target_": "megatron.bridge.training.tokenizers.config.TokenizerConfig",
        "tokenizer_type": "HuggingFaceTokenizer",
        # Beside this file. Bridge has no word for that: load_tokenizer(DIRECTORY, tokenizer_model=DIRECTORY/tokenizer).
        "tokenizer_model": TOKENIZER,
    }
    return {"model": model, "checkpoint": checkpoint, "tokenizer": tokenizer}


def _scaling(fields: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """RoPE scaling in NeMo's names."""
    scaled = fields.get("rope_scaling")
    if not isinstance(scaled, bool):
        raise InputError(
            f"model.rope_scaling is {shown(scaled)}",
            where=path,
            fix="It must say true or false: the logits depend on it.",
            kind="rope-scaling-flag",
        )
    if not scaled:
        return {}
    factor = fields.get("rope_scaling_factor")
    if isinstance(factor, bool) or not isinstance(factor, int | float):
        raise InputError(
            f"model.rope_scaling_factor is {shown(factor)}",
            where=path,
            fix="It must be a number.",
            kind="rope-scaling-factor",
        )
    return {"scale_factor": float(factor)}
