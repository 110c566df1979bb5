"""Paths of the command line: an empty one is refused, because Python reads it as the current directory."""

import inspect
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, get_args

import typer
from typer.core import TyperGroup


class Commands(TyperGroup):
    """Commands, and groups of them, none of which takes an empty path."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        found = super().get_command(ctx, cmd_name)
        for command in (found, *getattr(found, "commands", {}).values()):
            _refuse_empty_paths(command)
        return found


def _refuse_empty_paths(command: Any) -> None:
    """By the annotations of the command's function, which every version of typer reads."""
    callback = getattr(command, "callback", None)
    annotated = inspect.signature(callback).parameters if callback is not None else {}
    for param in getattr(command, "params", ()):
        if param.name in annotated and _has_path(annotated[param.name].annotation):
            process: Callable[..., Any] = type(param).process_value.__get__(param)
            param.process_value = partial(_process, param, process)


def _has_path(annotation: object) -> bool:
    return annotation is Path or any(map(_has_path, get_args(annotation)))


def _process(param: Any, process: Callable[..., Any], ctx: Any, value: Any) -> Any:
    if value == "" or (isinstance(value, list | tuple) and "" in value):
        raise typer.BadParameter("The path is empty. Is a shell variable unset?", ctx=ctx, param=param)
    return process(ctx, value)
