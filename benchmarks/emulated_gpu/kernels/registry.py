"""The table of emulated functions, and how often each was called."""

import functools
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch

KERNELS: dict[str, Callable[..., Any]] = {}
"""Emulated functions by their names in the extension."""
CALLS: Counter[str] = Counter()
"""How often each was called."""

_depth = 0


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Enter `function` into the table under its own name. It runs without autograd, as a kernel does."""

    @functools.wraps(function)
    def launched(*args: Any, **kwargs: Any) -> Any:
        global _depth
        CALLS[function.__name__] += 1
        _depth += 1
        try:
            with torch.no_grad():
                return function(*args, **kwargs)
        finally:
            _depth -= 1

    KERNELS[function.__name__] = launched
    return launched


def inside_a_kernel() -> bool:
    """True while an emulated function runs; what it allocates then, the real one would not."""
    return _depth > 0


def check(holds: bool, problem: str) -> None:
    """What the extension's own checks raise."""
    if not holds:
        raise RuntimeError(problem)
