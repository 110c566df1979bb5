"""The emulated kernels as the module `transformer_engine_torch`, whose compiled form is not there."""

import importlib
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.emulated_gpu.kernels import names
from benchmarks.emulated_gpu.kernels.registry import KERNELS

NAME = "transformer_engine_torch"
_PARTS = ("fp8", "products", "norms", "rotary", "attention", "packed_ranks", "adam", "lists")


def extension() -> types.ModuleType:
    """A module with every emulated function and type; each other function of the real one raises when it is called."""
    load()
    module = types.ModuleType(NAME, "Transformer Engine's extension, emulated.")
    vars(module).update({name: _missing(name) for name in interface()} | KERNELS)
    for one in names.TYPES:
        one.__module__ = NAME  # as the real ones; they are pickled by name
        setattr(module, one.__name__, one)
    for name in names.COMMUNICATORS:
        setattr(module, name, type(name, (), {}))
    return module


def load() -> None:
    """Fill `KERNELS`."""
    for part in _PARTS:
        importlib.import_module(f"benchmarks.emulated_gpu.kernels.{part}")


def interface() -> dict[str, list[str]]:
    """The arguments of each function of the real extension; "name=" has a default, "/" and "*" are as in Python."""
    lines = (Path(__file__).parent / "interface.txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.rstrip(")").split("(") for line in lines if not line.startswith("#"))
    return {name: [one for one in arguments.split(", ") if one] for name, arguments in pairs}


def _missing(name: str) -> Callable[..., Any]:
    def missing(*arguments: Any, **options: Any) -> Any:
        raise NotImplementedError(f"{NAME}.{name} is not emulated")

    return missing
