"""Functions that are compiled, or must not be, at their first call."""

import sys
from typing import Any

import pytest
import torch

from recipes.late_compiler import late_compiler

pytestmark = pytest.mark.fast


def _plain(number: int) -> int:
    return number + 1


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What torch was asked for, with functions in the place of the compiler's."""
    found: list[Any] = []

    def compiled(function: Any, **options: Any) -> Any:
        found.append(("compile", options))
        return lambda number: function(number) * 10

    def disabled(function: Any, recursive: bool = True, **options: Any) -> Any:
        found.append(("disable", recursive))
        return lambda number: function(number) * 100

    monkeypatch.setattr(torch, "compile", compiled)
    monkeypatch.setattr(torch.compiler, "disable", disabled)
    return found


def test_a_function_is_compiled_once_at_its_first_call(calls: list[Any]) -> None:
    with late_compiler():
        plain, with_options = torch.compile(_plain), torch.compile(dynamic=True)(_plain)
    assert not calls
    assert [plain(1), plain(2), with_options(1)] == [20, 30, 20]
    assert calls == [("compile", {}), ("compile", {"dynamic": True})]


def test_what_must_not_be_compiled_is_left_alone_until_there_is_a_compiler(
    calls: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "torch._dynamo", raising=False)
    with late_compiler():
        plain, with_options = torch.compiler.disable(_plain), torch.compiler.disable(recursive=False)(_plain)
    assert [plain(1), with_options(1)] == [2, 2]
    assert not calls
    monkeypatch.setitem(sys.modules, "torch._dynamo", torch)
    assert [plain(1), plain(1), with_options(1)] == [200, 200, 200]
    assert calls == [("disable", True), ("disable", False)]


def test_torch_has_its_own_functions_again_after_an_error(calls: list[Any]) -> None:
    before = torch.compile, torch.compiler.disable
    with pytest.raises(KeyError), late_compiler():
        raise KeyError
    assert (torch.compile, torch.compiler.disable) == before
