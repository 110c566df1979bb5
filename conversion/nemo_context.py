"""The configuration of a NeMo 2 checkpoint, read from `context/model.yaml` as plain values; nothing of it is built.

`io.json`, which NeMo reads instead, says the same; it can name any code, so it is never opened here.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from conduct.errors import InputError
from configs.llama import LlamaArchitecture, from_megatron_fields

MODEL_CLASS = "nemo.collections.llm.gpt.model.llama.LlamaModel"
CONFIG_CLASS = "nemo.collections.llm.gpt.model.llama.LlamaConfig"

# NeMo's configurations of a plain Llama; `Llama31Config` and `Llama32Config` are those with RoPE scaling.
_CONFIGS = frozenset(
    f"nemo.collections.llm.gpt.model.llama.{name}"
    for name in (
        "LlamaConfig",
        "Llama2Config7B",
        "Llama2Config13B",
        "Llama2Config70B",
        "Llama3Config",
        "Llama3Config8B",
        "Llama3Config70B",
    )
)


def read_context(directory: Path, *, dtype: str) -> LlamaArchitecture:
    """Architecture of the checkpoint `directory`, whose weights are stored as `dtype`.

    Errors: `InputError` for a model that is no Llama of this project, RoPE scaling included.
    """
    import yaml  # type: ignore[import-untyped]

    path = directory / "context" / "model.yaml"
    if not path.is_file():
        raise InputError(
            "is missing", where=path, fix="Copy the whole checkpoint: the weights alone do not tell the architecture."
        )
    if not path.resolve().is_relative_to(directory.resolve()):
        raise InputError("is a link that leads outside of the checkpoint", where=path)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        fields = content["config"]
        target = fields["_target_"]
    except (yaml.YAMLError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"is not the model.yaml of a NeMo model ({error})", where=path) from error
    _check_class(target, fields, path)
    return from_megatron_fields(fields, dtype=dtype, where=path)


def _check_class(target: Any, fields: Mapping[str, Any], path: Path) -> None:
    """`_target_`s are compared, never located."""
    if target not in _CONFIGS:
        scaled = any(name in str(target) for name in ("Llama31", "Llama32"))
        raise InputError(
            f"the model was made by {target}" + (", which has RoPE scaling" if scaled else ""),
            where=path,
            fix="Only NeMo's LlamaConfig and its Llama 2 and 3 variants without RoPE scaling are supported.",
        )
    activation = fields.get("activation_func")
    name = activation.get("_target_") if isinstance(activation, Mapping) else activation
    if name is not None and str(name).rsplit(".", 1)[-1] != "silu":
        raise InputError(f"activation_func is {name}", where=path, fix="Only SiLU is supported.")
