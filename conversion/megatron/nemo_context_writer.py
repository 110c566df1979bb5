"""The `context/` of a NeMo 2 checkpoint, written as data: `model.yaml`, and the `io.json` that NeMo builds it from.

`io.json` is what Fiddle (the configuration library under NeMo) writes for `LlamaModel(config=LlamaConfig(...),
tokenizer=NucleotideTokenizer())` in a `TrainerContext`: per object its class and arguments, and the path to it.
Everything that is not architecture, but for one fused kernel, is left at NeMo's defaults, so that the layers are those
of the machine it is loaded on (Transformer Engine's where it is installed).
"""

import json
from pathlib import Path
from typing import Any

from configs.llama import LlamaArchitecture, megatron_fields
from conversion.huggingface.tokenizer_directory import write_tokenizer_of
from conversion.megatron.nemo_context import CONFIG_CLASS, MODEL_CLASS, SCALED_CONFIG_CLASS, TOKENIZER

TOKENIZER_CLASS = "tokenizer.nucleotide.NucleotideTokenizer"
CONTEXT_CLASS = "nemo.lightning.io.pl.TrainerContext"

_FIDDLE = "fiddle._src.config"


def write_context(directory: Path, architecture: LlamaArchitecture) -> None:
    """Write `context/` below the checkpoint `directory`: `model.yaml`, `io.json` and the tokenizer for other tools."""
    import yaml  # type: ignore[import-untyped]

    context = directory / "context"
    context.mkdir()
    write_tokenizer_of(context / TOKENIZER, architecture)
    dtype = architecture.dtype
    config_class = SCALED_CONFIG_CLASS if architecture.rope_scaling else CONFIG_CLASS
    fields = {
        **megatron_fields(architecture),
        "bf16": dtype == "bfloat16",
        "fp16": dtype == "float16",
        "apply_rope_fusion": False,  # true by default, and then an error where Transformer Engine is absent
    }
    content = {
        "_target_": MODEL_CLASS,
        "config": {
            "_target_": config_class,
            **fields,
            "params_dtype": {"_call_": False, "_target_": f"torch.{dtype}"},
        },
        "tokenizer": {"_target_": TOKENIZER_CLASS},
    }
    (context / "model.yaml").write_text(yaml.safe_dump(content, sort_keys=True), encoding="utf-8")
    (context / "io.json").write_text(json.dumps(_io_json(config_class, fields, dtype), indent=1), encoding="utf-8")


def _io_json(config_class: str, fields: dict[str, Any], dtype: str) -> dict[str, Any]:
    """The four objects, each after those it refers to."""
    config = {name: {"type": "leaf", "value": value} for name, value in fields.items()}
    config["params_dtype"] = _class(f"torch.{dtype}")
    objects = {
        "config": _object(config_class, config, "<root>.model.config"),
        "tokenizer": _object(TOKENIZER_CLASS, {}, "<root>.model.tokenizer"),
        "model": _object(MODEL_CLASS, {"config": _ref("config"), "tokenizer": _ref("tokenizer")}, "<root>.model"),
        "context": _object(
            CONTEXT_CLASS, {"model": _ref("model"), "trainer": {"type": "leaf", "value": None}}, "<root>"
        ),
    }
    return {
        "root": _ref("context"),
        "objects": objects,
        "refcounts": dict.fromkeys(objects, 1),
        "version": "0.0.1",
    }


def _object(name: str, arguments: dict[str, Any], path: str) -> dict[str, Any]:
    metadata = {
        "type": _class(f"{_FIDDLE}.BuildableTraverserMetadata"),
        "items": [
            ["Attr(name='fn_or_cls')", _class(name)],
            ["Attr(name='argument_names')", _collection("tuple", list(arguments))],
            ["Attr(name='argument_tags')", _collection("dict", [])],
            ["Attr(name='argument_history')", _collection("dict", [])],
        ],
        "metadata": _class(f"{_FIDDLE}.BuildableTraverserMetadata"),
    }
    return {
        "type": _class(f"{_FIDDLE}.Config"),
        "items": [[f"Attr(name={argument!r})", value] for argument, value in arguments.items()],
        "metadata": metadata,
        "paths": [path],
    }


def _collection(kind: str, values: list[str]) -> dict[str, Any]:
    """A tuple of strings, or an empty dict, whose metadata are its keys."""
    return {
        "type": _class(f"builtins.{kind}"),
        "items": [[f"Index(index={index})", value] for index, value in enumerate(values)],
        "metadata": None if kind == "tuple" else _collection("tuple", []),
    }


def _class(name: str) -> dict[str, str]:
    module, _, attribute = name.rpartition(".")
    return {"type": "pyref", "module": module, "name": attribute}


def _ref(key: str) -> dict[str, str]:
    return {"type": "ref", "key": key}
