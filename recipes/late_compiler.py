"""torch's compiler, imported when something is compiled: importing it takes a second, and a CPU run has no use for it.

Libraries decorate functions with `torch.compile`, or forbid compiling them, when they are imported. Both import the
compiler, as do torch's optimizers at their first call.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache, partial, wraps
from types import FunctionType
from typing import Any


@contextmanager
def late_compiler() -> Iterator[None]:
    """Within it, `torch.compile` and `torch.compiler.disable` of a function do nothing before the function is called.

    Afterwards torch's optimizers do without the compiler too, as long as nothing else imports it.
    """
    import torch as untyped

    torch: Any = untyped
    compile_now, disable_now = torch.compile, torch.compiler.disable

    def compile_later(model: Any = None, **options: Any) -> Any:
        if model is None:
            return partial(compile_later, **options)
        if not isinstance(model, FunctionType):
            return compile_now(model, **options)
        compiled = lru_cache(lambda: compile_now(model, **options))
        return wraps(model)(lambda *args, **kwargs: compiled()(*args, **kwargs))

    def disable_later(function: Any = None, recursive: bool = True, **options: Any) -> Any:
        if function is None:
            return partial(disable_later, recursive=recursive, **options)
        if not isinstance(function, FunctionType):
            return disable_now(function, recursive, **options)
        return _plain_until_compiled(function, lambda: disable_now(function, recursive, **options))

    torch.compile, torch.compiler.disable = compile_later, disable_later
    try:
        yield
    finally:
        torch.compile, torch.compiler.disable = compile_now, disable_now
    _optimizers_without_compiler()


def _plain_until_compiled(function: FunctionType, disabled: Callable[[], Any]) -> Any:
    """`function`, as `disabled` gives it once torch's compiler is imported. Before, nothing can be compiling it."""
    made = lru_cache(disabled)

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return (made() if "torch._dynamo" in sys.modules else function)(*args, **kwargs)

    return call


def _optimizers_without_compiler() -> None:
    """The same for the methods of torch's optimizers, which import the compiler at their first call."""
    import torch

    for decorated in vars(torch.optim.Optimizer).values():
        method = getattr(decorated, "__wrapped__", None)
        if isinstance(decorated, FunctionType) and decorated.__code__.co_filename == torch._compile.__file__:
            assert isinstance(method, FunctionType)
            disabled = partial(_disabled, method)
            method.__dynamo_disable = _plain_until_compiled(method, disabled)  # type: ignore[attr-defined]


def _disabled(method: FunctionType) -> Any:
    import torch

    return torch._dynamo.disable(method, wrapping=False)  # type: ignore[no-untyped-call]
