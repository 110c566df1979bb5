"""Imports that wait: what is used comes, what is not does not, and nothing is left behind."""

import gc
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from foundation.deferred_imports import deferred_imports

_HEAVY = """
LOADED = True
RUN = None
class Shape:
    def area(self): return 4
def double(number): return 2 * number
"""
_USER = """
import heavy.deep
from heavy.deep import LOADED, Shape, double
import heavy.deep as module
def is_shape(thing): return isinstance(thing, Shape)
def maybe(thing: Shape | None) -> "Shape": return thing
"""


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A module that imported `heavy.deep` while it was put off."""
    (tmp_path / "heavy").mkdir()
    (tmp_path / "heavy" / "__init__.py").write_text("__version__ = '1'")
    (tmp_path / "heavy" / "deep.py").write_text(_HEAVY)
    (tmp_path / "heavy_user.py").write_text(_USER)
    (tmp_path / "heavy_child.py").write_text("from heavy.deep import Shape\nclass Square(Shape): pass")
    monkeypatch.syspath_prepend(tmp_path)
    with deferred_imports(["heavy"]):
        module = importlib.import_module("heavy_user")
    yield module
    for name in ("heavy", "heavy.deep", "heavy_user", "heavy_child"):
        sys.modules.pop(name, None)


def _names() -> set[str]:
    return {name for name in sys.modules if name.partition(".")[0] == "heavy"}


def test_nothing_is_imported_before_it_is_used(user: Any) -> None:
    assert not user.is_shape(3)
    assert user.maybe(None) is None
    assert not _names(), "a stand-in, or the module, is among the modules"


def test_a_function_a_value_and_a_module_are_the_real_ones_when_used(user: Any) -> None:
    assert user.double(3) == 6
    assert bool(user.LOADED)
    assert user.module.RUN is None
    assert user.is_shape(sys.modules["heavy.deep"].Shape())
    assert user.Shape().area() == 4


def test_names_that_are_never_false_are_asked_without_an_import(user: Any) -> None:
    with deferred_imports(["heavy"], true=["heavy.deep"]):
        deep = importlib.import_module("heavy.deep")
        assert deep.LOADED
        assert deep.RUN
        assert type(sys.modules["heavy.deep"]) is not ModuleType
    assert not _names()


def test_what_is_subclassed_comes_at_once(user: Any) -> None:
    with deferred_imports(["heavy"]):
        child = importlib.import_module("heavy_child")
    assert child.Square().area() == 4
    assert type(sys.modules["heavy.deep"]) is ModuleType


def test_a_later_import_is_an_ordinary_one(user: Any) -> None:
    assert importlib.import_module("heavy.deep").double(2) == 4
    assert not [finder for finder in sys.meta_path if type(finder).__module__ == "foundation.deferred_imports"]


def test_a_package_that_is_not_installed_is_missing(tmp_path: Path) -> None:
    with deferred_imports(["no_such_package"]), pytest.raises(ModuleNotFoundError):
        importlib.import_module("no_such_package")


def test_garbage_is_collected_again_after_an_error() -> None:
    with pytest.raises(KeyError), deferred_imports([]):
        raise KeyError
    assert gc.isenabled()
