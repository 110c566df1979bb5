"""Pickles read as data: their names are looked up in a table of stand-ins that only keep values.

Python's own unpickler that is written in Python: in the compiled one a memo index of 2**31, in a file of ten bytes,
takes 34 GB, and no hash of a key can be refused. Each step costs, so that a small pickle cannot ask for much.
"""

import io
import pickle
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

LIMIT = 1 << 26
"""Bytes of one pickle. The `.metadata` of the largest models here have a fifth."""

STEPS = 1 << 25
"""Steps of one pickle, each an opcode: some 4 GB of values, and half a minute. The same `.metadata` have a quarter."""

_DEAR = {pickle.REDUCE: 4, pickle.NEWOBJ: 4, pickle.BINPERSID: 16, pickle.PERSID: 16, pickle.EMPTY_SET: 4}
"""Steps that stand for several."""

_NEVER = (
    *(pickle.EXT1, pickle.EXT2, pickle.EXT4, pickle.NEXT_BUFFER, pickle.READONLY_BUFFER, pickle.BYTEARRAY8),
    *(pickle.INST, pickle.OBJ, pickle.NEWOBJ_EX),
)

_LONGEST_NAME = 1_000
_MOST_NAMES = 1_000
_MOST_ARGUMENTS = 64
_PLAIN = frozenset((str, bytes, bool, type(None)))


class StandIn:
    """Stand-in for an object of an untrusted class. Only its own methods are called; a key is hashed by identity."""

    def __setstate__(self, state: Any) -> None:
        """Keep or drop the state."""

    def __setitem__(self, key: Any, value: Any) -> None:
        """For a dictionary of another kind."""

    def extend(self, values: Any) -> None:
        """For a list of another kind."""


class DataUnpickler(pickle._Unpickler):
    """Unpickles plain values, and what `find_class` and `persistent_load` of a subclass give.

    Errors: anything that a broken pickle can raise; `UnpicklingError` for one that asks for more than the limits.
    """

    dispatch: ClassVar[dict[int, Any]] = {
        code: step for code, step in pickle._Unpickler.dispatch.items() if bytes([code]) not in _NEVER
    }

    if TYPE_CHECKING:  # what typeshed leaves out
        stack: list[Any]
        memo: dict[int, Any]
        pop_mark: Callable[[], list[Any]]
        readline: Callable[[], bytes]

    def __init__(self, data: bytes) -> None:
        if len(data) > LIMIT:
            raise pickle.UnpicklingError(f"a pickle of more than {LIMIT:,} bytes")
        super().__init__(io.BytesIO(data))
        self._found: dict[tuple[str, str], Any] = {}
        self.dispatch = _Counted(type(self).dispatch)  # type: ignore[misc]

    def load_build(self) -> None:
        """Give a state to a stand-in; nothing else has one."""
        state = self.stack.pop()
        self._top(StandIn).__setstate__(state)

    def load_reduce(self) -> None:
        """Call what `find_class` gave, which is all that can be called here."""
        arguments = self._arguments()
        self.stack[-1] = self.stack[-1](*arguments)

    def load_newobj(self) -> None:
        """Make a stand-in."""
        arguments, kind = self._arguments(), self.stack[-1]
        if not (isinstance(kind, type) and issubclass(kind, StandIn)):
            raise pickle.UnpicklingError("it makes an object of no class")
        self.stack[-1] = kind(*arguments)

    def load_setitem(self) -> None:
        """Put one item into a dictionary."""
        value, key = self.stack.pop(), self.stack.pop()
        self._top(dict, StandIn)[_checked(key)] = value

    def load_setitems(self) -> None:
        """Put the items since the mark into a dictionary."""
        items = self.pop_mark()
        target = self._top(dict, StandIn)
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[_checked(key)] = value

    def load_dict(self) -> None:
        """Make a dictionary of the items since the mark."""
        items = self.pop_mark()
        self.stack.append({_checked(key): value for key, value in zip(items[::2], items[1::2], strict=True)})

    def load_append(self) -> None:
        """Append one value to a list."""
        value = self.stack.pop()
        self._top(list, StandIn).extend([value])

    def load_appends(self) -> None:
        """Append the values since the mark to a list."""
        values = self.pop_mark()
        self._top(list, StandIn).extend(values)

    def load_additems(self) -> None:
        """Add the values since the mark to a set."""
        values = self.pop_mark()
        self._top(set).update(map(_checked, values))

    def load_frozenset(self) -> None:
        """Make a set of the values since the mark."""
        self.stack.append(frozenset(map(_checked, self.pop_mark())))

    def load_put(self) -> None:
        """Remember a value under a number, which is a key too."""
        self.memo[_checked(int(self.readline()[:-1]))] = self.stack[-1]

    def load_global(self) -> None:
        """Look up a name that is in the pickle."""
        module, name = (self.readline()[:-1].decode() for _ in range(2))
        self.stack.append(self._find(module, name))

    def load_stack_global(self) -> None:
        """Look up a name that is on the stack, maybe a long one, many times."""
        name, module = self.stack.pop(), self.stack.pop()
        self.stack.append(self._find(module, name))

    def _find(self, module: Any, name: Any) -> Any:
        if not (isinstance(module, str) and isinstance(name, str)) or len(module) + len(name) > _LONGEST_NAME:
            raise pickle.UnpicklingError("it asks for something without a name")
        if (module, name) not in self._found:
            if len(self._found) == _MOST_NAMES:
                raise pickle.UnpicklingError(f"it asks for more than {_MOST_NAMES:,} names")
            self._found[module, name] = self.find_class(module, name)
        return self._found[module, name]

    def _arguments(self) -> tuple[Any, ...]:
        arguments = self.stack.pop()
        if not isinstance(arguments, tuple) or len(arguments) > _MOST_ARGUMENTS:
            raise pickle.UnpicklingError(f"it calls something with more than {_MOST_ARGUMENTS} arguments")
        return arguments

    def _top(self, *kinds: type) -> Any:
        """What the stack ends with, of one of `kinds`."""
        if not isinstance(self.stack[-1], kinds):
            raise pickle.UnpicklingError(f"it has a state or items for a {type(self.stack[-1]).__name__}")
        return self.stack[-1]


for _step in ("build", "reduce", "newobj", "setitem", "setitems", "dict", "append", "appends", "additems", "frozenset",
              "put", "global", "stack_global"):  # fmt: skip
    DataUnpickler.dispatch[getattr(pickle, _step.upper())[0]] = getattr(DataUnpickler, f"load_{_step}")


def empty_dict() -> dict[Any, Any]:
    """In place of `OrderedDict`, whose items come afterwards: a copy of another dictionary could be made many times."""
    return {}


class _Counted(dict[int, Any]):
    """The steps, of which only so many may be taken."""

    def __init__(self, steps: dict[int, Any]) -> None:
        super().__init__(steps)
        self._cost = [1 + _DEAR.get(bytes([code]), 0) for code in range(256)]
        self._left = STEPS

    def __getitem__(self, code: int) -> Any:
        self._left -= self._cost[code]
        if self._left < 0:
            raise pickle.UnpicklingError(f"a pickle of more than {STEPS:,} steps")
        return dict.__getitem__(self, code)


def _checked(key: Any) -> Any:
    """`key`, where its hash takes no time and cannot be made the same as those of many others.

    A tuple that holds itself sixty times over takes 2**60 steps; integers are hashed modulo 2**61 - 1.
    """
    if type(key) in _PLAIN or isinstance(key, StandIn) or (type(key) is int and key.bit_length() < 61):
        return key
    if type(key) is tuple and len(key) <= 2 and all(type(part) in _PLAIN for part in key):
        return key
    raise pickle.UnpicklingError(f"a {type(key).__name__} as the key of a dictionary")
