"""A layout as words for a command line: the overrides that turn a recipe into it, and the complete training command."""

import dataclasses
import shlex
from collections.abc import Iterable
from typing import Any

from configs.schema import TrainConfig


def overrides(before: TrainConfig, after: TrainConfig) -> tuple[str, ...]:
    """What to give so that `before` becomes `after`: `key=value`, in the order of the schema."""
    return tuple(f"{key}={_word(value)}" for key, value in _changed(before, after, path=""))


def training_command(configuration: str, given: Iterable[str], more: Iterable[str] = ()) -> str:
    """`python -m recipes.train` with `given` overrides and `more`, quoted for a shell; later values win."""
    words = dict(word.split("=", 1) for word in (*given, *more))
    pairs = [f"{key}={value}" for key, value in words.items()]
    return shlex.join(["python", "-m", "recipes.train", "--config-name", configuration, *pairs])


def plan_command(recipe: str, given: Iterable[str], gpus: int = 0, tokens: float = 0) -> str:
    """`genomic-llama plan`, quoted for a shell; 0 GPUs or tokens leave what the recipe and its overrides say."""
    of_gpus = ["--gpus", str(gpus)] if gpus else []
    of_tokens = ["--tokens", f"{tokens:.15g}"] if tokens else []
    return shlex.join(["genomic-llama", "plan", recipe, *given, *of_gpus, *of_tokens])


def _changed(before: Any, after: Any, *, path: str) -> Iterable[tuple[str, Any]]:
    for field in dataclasses.fields(before):
        old, new, key = getattr(before, field.name), getattr(after, field.name), f"{path}{field.name}"
        if dataclasses.is_dataclass(old):
            yield from _changed(old, new, path=f"{key}.")
        elif old != new:
            yield key, new


def _word(value: Any) -> str:
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)
