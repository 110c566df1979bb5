"""`adapter_config.json` of PEFT's LoRA: every key is read, ignored if it does not affect the result, or refused."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conversion.adapters.peft_head import MODULE, MODULES, TASK_TYPES
from foundation.errors import InputError, nearest, shown
from foundation.untrusted import read_json, unique_keys

NAME = "adapter_config.json"
_LIMIT = 1 << 22

_WITHOUT_EFFECT = (
    "auto_mapping", "base_model_name_or_path", "ensure_weight_tying", "eva_config", "exclude_modules",
    "inference_mode", "layers_pattern", "layers_to_transform", "lora_dropout", "megatron_core", "peft_version",
    "qalora_group_size", "revision",
)  # fmt: skip
"""Of training, of names, or said by the tensors again. The base model that a file names is never looked for."""

_NOT_USED = (
    "alora_invocation_tokens", "arrow_config", "bias", "corda_config", "fan_in_fan_out", "kasa_config",
    "layer_replication", "loftq_config", "lora_bias", "lora_ga_config", "megatron_config",
    "monteclora_config", "target_parameters", "trainable_token_indices", "use_bdlora", "use_qalora", "velora_config",
)  # fmt: skip
"""Change what the adapter computes, in ways that are not merged here: refused where they are set."""

_INITS = (None, True, False, "gaussian", "orthogonal", "eva")
"""Initial weights that do not change the base; PiSSA, OLoRA, CorDA and LoftQ change it."""

_READ = (
    "peft_type", "task_type", "r", "lora_alpha", "target_modules", "rank_pattern", "alpha_pattern", "use_rslora",
    "use_dora", "init_lora_weights", "modules_to_save",
)  # fmt: skip
_PLAIN = re.compile(r"\^?[\w.]+")


@dataclass(frozen=True, kw_only=True)
class PeftConfig:
    """`targets`: names of modules, or their ends; None where the file has a regular expression, or not all layers.

    `ranks` and `alphas` are of modules that have others than `rank` and `alpha`, by their names or the ends of these.
    `task_type`: one of `TASK_TYPES` where a head was trained with it.
    """

    rank: int
    alpha: float
    ranks: Mapping[str, int]
    alphas: Mapping[str, float]
    targets: tuple[str, ...] | None
    rslora: bool
    dora: bool
    task_type: str | None

    def rank_of(self, module: str) -> int:
        """Of the adapter of `module`, its name without `.weight`."""
        return next((rank for key, rank in self.ranks.items() if is_named(module, key)), self.rank)

    def scale_of(self, module: str) -> float:
        """What the product of its two matrices is multiplied by."""
        alpha = next((one for key, one in self.alphas.items() if is_named(module, key)), self.alpha)
        return alpha / (math.sqrt(self.rank_of(module)) if self.rslora else self.rank_of(module))


def is_named(module: str, key: str) -> bool:
    """Whether PEFT takes `key` for `module`: the whole name, or its end after a dot unless it begins with ^."""
    return module == key.removeprefix("^") or (not key.startswith("^") and module.endswith(f".{key}"))


def read_config(directory: Path) -> PeftConfig:
    """The configuration of the adapter in `directory`. Errors: `InputError` naming the key."""
    path = directory / NAME
    values = read_json(path, limit=_LIMIT, pairs_hook=unique_keys)
    if not isinstance(values, dict):
        raise InputError("is not an object of keys and values", where=path, fix=_FIX, kind="not-a-mapping")
    _check_keys(values, path)
    ranks = {key: _whole(one, path, "rank_pattern") for key, one in _pattern(values, "rank_pattern", path)}
    alphas = {key: _positive(one, path, "alpha_pattern") for key, one in _pattern(values, "alpha_pattern", path)}
    return PeftConfig(
        rank=_whole(values.get("r", 8), path, "r"),
        alpha=_positive(values.get("lora_alpha", 8), path, "lora_alpha"),
        ranks=ranks,
        alphas=alphas,
        targets=_targets(values, path),
        rslora=_flag(values, "use_rslora", path),
        dora=_flag(values, "use_dora", path),
        task_type=values.get("task_type"),
    )


_FIX = "Give the directory that PEFT's `save_pretrained` wrote."


def _check_keys(values: Mapping[str, Any], path: Path) -> None:
    known = (*_READ, *_WITHOUT_EFFECT, *_NOT_USED)
    for key, value in values.items():
        if key not in known:
            problem = f"has {shown(key)}, which this project does not know, so what it changes would be lost"
            raise InputError(problem, where=path, fix=nearest(key, known), kind="adapter-unknown-key")
        if key in _NOT_USED and value not in (None, False, "none") and value != {} and value != []:
            fix = "Merge the adapter with PEFT (`merge_and_unload`), and give the merged model."
            raise InputError(f"{key} is {shown(value)}", where=path, fix=fix, kind="adapter-key-unsupported")
    _one_of(values, "peft_type", ("LORA",), path)
    _one_of(values, "task_type", (None, "CAUSAL_LM", *TASK_TYPES), path)
    _check_saved(values, path)
    _one_of(values, "init_lora_weights", _INITS, path)


def _check_saved(values: Mapping[str, Any], path: Path) -> None:
    """Of modules that PEFT keeps whole the head alone is read, in an adapter of such a class."""
    saved = values.get("modules_to_save") or []
    known = isinstance(saved, list) and all(one in MODULES for one in saved)
    if not known or (MODULE in saved) != (values.get("task_type") in TASK_TYPES):
        problem = f"modules_to_save is {shown(saved)}, and task_type {shown(values.get('task_type'))}"
        fix = f"It must be {MODULE} with {' or '.join(TASK_TYPES)}, else null. Or merge the adapter with PEFT."
        raise InputError(problem, where=path, fix=fix, kind="adapter-key-unsupported")


def _one_of(values: Mapping[str, Any], key: str, allowed: tuple[Any, ...], path: Path) -> None:
    value = values.get(key)
    if not any(type(value) is type(one) and value == one for one in allowed):
        text = ", ".join(str(one) for one in allowed)
        raise InputError(
            f"{key} is {shown(value)}", where=path, fix=f"It must be one of {text}.", kind="adapter-key-unsupported"
        )


def _whole(value: object, path: Path, key: str) -> int:
    if type(value) is not int or not 0 < value < 1 << 20:
        raise InputError(f"{key} has {shown(value)}", where=path, fix="A rank is 1 or more.", kind="adapter-rank")
    return value


def _positive(value: object, path: Path, key: str) -> float:
    if type(value) not in (int, float) or not 0 < value < 1 << 32:  # type: ignore[operator]
        fix = "It must be a number above 0."
        raise InputError(f"{key} has {shown(value)}", where=path, fix=fix, kind="adapter-alpha")
    return float(value)  # type: ignore[arg-type]


def _flag(values: Mapping[str, Any], key: str, path: Path) -> bool:
    value = values.get(key, False)
    if not isinstance(value, bool):
        raise InputError(
            f"{key} is {shown(value)}", where=path, fix="It must be true or false.", kind="adapter-key-unsupported"
        )
    return value


def _pattern(values: Mapping[str, Any], key: str, path: Path) -> list[tuple[str, Any]]:
    """A mapping of modules to values. PEFT takes regular expressions; an untrusted one could run forever."""
    content = values.get(key) or {}
    if not isinstance(content, dict):
        raise InputError(f"{key} is {shown(content)}", where=path, fix=_FIX, kind="adapter-pattern")
    for name in content:
        if not _PLAIN.fullmatch(name):
            fix = "Give names of modules, such as q_proj or layers.0.self_attn.q_proj."
            raise InputError(f"{key} has {shown(name)}", where=path, fix=fix, kind="adapter-pattern")
    return list(content.items())


def _targets(values: Mapping[str, Any], path: Path) -> tuple[str, ...] | None:
    targets = values.get("target_modules")
    if isinstance(targets, str) or any(
        values.get(key) for key in ("layers_to_transform", "layers_pattern", "exclude_modules")
    ):
        return None
    if not isinstance(targets, list) or not targets or not all(isinstance(one, str) for one in targets):
        fix = "It must list modules, such as q_proj."
        raise InputError(f"target_modules is {shown(targets)}", where=path, fix=fix, kind="adapter-targets")
    return tuple(targets)
