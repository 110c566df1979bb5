"""Imports that wait: the named packages are imported when something first uses them.

A framework imports far more than one command uses. While `deferred_imports` is open, a module of the names is a
stand-in, and `from scipy.stats import entropy` gives an object that imports scipy when it is called, subclassed or
asked for anything. So nothing is missing, it comes later. Afterwards `sys.modules` and the import system are as ever.

Garbage collection is off during the import: the collector would scan all imported objects repeatedly and find nothing.
"""

import gc
import importlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any, Union


@contextmanager
def deferred_imports(names: Sequence[str], *, true: Sequence[str] = ()) -> Iterator[None]:
    """Within it, modules of `names`, and those below one, wait, unless they are imported already or not installed.

    `true`: modules in which no name is false, empty or zero; so `if` on one of their names imports nothing.
    """
    finder = _Finder(names, true)
    collecting = gc.isenabled()
    gc.disable()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        finder.end()
        gc.freeze()  # what was imported stays
        if collecting:
            gc.enable()


class _Finder(MetaPathFinder, Loader):
    """Finds stand-ins for modules of `names`."""

    def __init__(self, names: Sequence[str], true: Sequence[str]) -> None:
        self.open, self.true = True, frozenset(true)
        installed = {top for top in {name.partition(".")[0] for name in names} if PathFinder.find_spec(top)}
        self._names = {name for name in names if name not in sys.modules and name.partition(".")[0] in installed}

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        return ModuleSpec(name, self, is_package=True) if self._root(name) else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Module(spec.name, self)

    def exec_module(self, module: ModuleType) -> None:
        """There is nothing in it."""

    def real(self, name: str) -> ModuleType:
        """The module itself, imported now."""
        if root := self._root(name):
            self._names.discard(root)
            self._forget(root)
        return importlib.import_module(name)

    def end(self) -> None:
        """Put nothing off from now on."""
        self.open = False
        sys.meta_path.remove(self)
        for root in self._names:
            self._forget(root)
        self._names.clear()

    def _root(self, name: str) -> str:
        """The one of the names that `name` is below; "" where none."""
        return next((root for root in self._names if name == root or name.startswith(f"{root}.")), "")

    def _forget(self, root: str) -> None:
        for name, module in list(sys.modules.items()):
            if isinstance(module, _Module) and (name == root or name.startswith(f"{root}.")):
                del sys.modules[name]


class _Module(ModuleType):
    """Stands for a module: its names stand for those of the module, and are them once imports are put off no more."""

    def __init__(self, name: str, finder: _Finder) -> None:
        super().__init__(name)
        self.__dict__["_finder"] = finder

    def __getattr__(self, name: str) -> Any:
        if _is_special(name) and name != "__version__":
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        finder: _Finder = self.__dict__["_finder"]
        if finder.open and name != "__version__":
            return _Later(finder, self.__name__, name)
        return getattr(finder.real(self.__name__), name)


class _Later:
    """Stands for `name` of `module`, which is imported at the first use. No object is an instance of it before."""

    def __init__(self, finder: _Finder, module: str, name: str) -> None:
        self._finder, self._module, self._name = finder, module, name

    def _real(self) -> Any:
        module = self._finder.real(self._module)
        try:
            return getattr(module, self._name)
        except AttributeError:
            return self._finder.real(f"{self._module}.{self._name}")

    def _imported(self) -> bool:
        return isinstance(module := sys.modules.get(self._module), ModuleType) and not isinstance(module, _Module)

    def __getattr__(self, name: str) -> Any:
        if _is_special(name):
            raise AttributeError(f"{self._module}.{self._name} is not imported yet, and has no {name!r}")
        return getattr(self._real(), name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._real()(*args, **kwargs)

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[Any, ...]:
        return (self._real(),)

    def __instancecheck__(self, instance: object) -> bool:
        return self._imported() and isinstance(instance, self._real())

    def __subclasscheck__(self, subclass: type) -> bool:
        return self._imported() and issubclass(subclass, self._real())

    def __bool__(self) -> bool:
        return self._module in self._finder.true or bool(self._real())

    def __iter__(self) -> Iterator[Any]:
        return iter(self._real())

    def __getitem__(self, key: Any) -> Any:
        return self._real()[key]

    def __or__(self, other: Any) -> Any:
        return Union[self, other]  # noqa: UP007 - `self | other` is this

    def __ror__(self, other: Any) -> Any:
        return Union[other, self]  # noqa: UP007


def _is_special(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")
