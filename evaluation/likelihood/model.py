"""A Hugging Face causal language model of DNA, loaded from a directory that is not trusted: data only, no code."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from configs.llama import parse_architecture
from evaluation.likelihood.attention import use_attention
from foundation.errors import InputError, nearest, shown
from foundation.untrusted import read_json
from tokenizer.huggingface import validate_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedModel

DTYPES = ("float32", "bfloat16", "float16")

_ATTENTION = (None, "eager", "sdpa")

_EXPORT = "Give a directory written by `genomic-llama convert --to hf`."


def load_model(directory: Path, dtype: str = "float32", *, device: str | None = None) -> "PreTrainedModel":
    """Load the model in `directory` for inference, with weights in `dtype`.

    The device is the first GPU where there is one, unless named. Nothing is fetched and nothing in the directory is
    run: safetensors only, no `auto_map`, and no kernel that the config asks for.

    Errors: `InputError` for a directory that is missing or is no such model, another vocabulary than ours, or weights
    that do not fit the config (transformers itself would fill them with random numbers).
    """
    directory = Path(directory)
    if dtype not in DTYPES:
        raise InputError(f"unknown dtype {dtype!r}", fix=nearest(dtype, DTYPES))
    check_directory(directory)  # before the imports, which take seconds
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.set_verbosity_error()  # what is missing in the weights is an error here, not a warning
    try:
        model, info = AutoModelForCausalLM.from_pretrained(
            str(directory),
            dtype=getattr(torch, dtype),
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            attn_implementation="sdpa",  # over what the config asks for; ours takes its place below
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, SafetensorError) as error:
        raise InputError(
            f"cannot be loaded as a causal language model ({error})", where=directory, fix=_EXPORT
        ) from error
    _check_weights(directory, info)
    use_attention(model)
    return model.to(device or ("cuda" if torch.cuda.is_available() else "cpu")).eval()


def check_directory(directory: Path) -> None:
    """Refuse what is no model of ours before anything heavy is imported. Errors: `InputError`."""
    if not directory.is_dir():
        raise InputError("no such directory", where=directory, fix=_EXPORT)
    config = _read_config(directory / "config.json")
    for key in ("auto_map", "quantization_config"):
        if key in config:
            raise InputError(
                f"`{key}` is not supported, since it brings code of its own", where=directory / "config.json"
            )
    for key in config:
        # transformers obeys it over its caller, and fetches and runs a kernel that is named "owner/name".
        if "attn_implementation" in key and config[key] not in _ATTENTION:
            raise InputError(f"`{key}` is {shown(config[key])}", where=directory / "config.json", fix="Remove the key.")
    parse_architecture(
        {key: value for key, value in config.items() if "attn_implementation" not in key},
        where=directory / "config.json",
    )
    if "rope_parameters" in config and "rope_theta" not in config:
        # transformers 4 ignores the newer key and takes theta 10000 without a word.
        raise InputError("has `rope_parameters` only", where=directory / "config.json", fix="Add `rope_theta` too.")
    if not any(directory.glob("*.safetensors")):
        raise InputError("has no .safetensors weights", where=directory, fix=_EXPORT)
    if (directory / "tokenizer.json").exists():
        validate_tokenizer(directory)


def _read_config(path: Path) -> dict[str, Any]:
    config = read_json(path)
    if not isinstance(config, dict):
        raise InputError("is not a JSON object", where=path, fix=_EXPORT)
    return config


def _check_weights(directory: Path, info: dict[str, Any]) -> None:
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        names = sorted(str(key) for key in info.get(kind, ()))
        if names:
            problem = f"{len(names)} {kind.replace('_', ' ')} in the weights: {', '.join(names[:3])}"
            raise InputError(problem, where=directory, fix=_EXPORT)
