"""Pickles read as data: what they name is looked up in a table, and what stands for it only keeps values.

Python's own unpickler that is written in Python: in the compiled one a memo index of 2**31, in a file of ten bytes,
takes 34 GB.
"""

import io
import pickle
from typing import Any, ClassVar

LIMIT = 1 << 26
"""Bytes of one pickle: some 4 GB of the smallest values. The `.metadata` of the largest models here have a fifth."""

_NEVER = (pickle.EXT1, pickle.EXT2, pickle.EXT4, pickle.NEXT_BUFFER, pickle.READONLY_BUFFER, pickle.BYTEARRAY8)


class StandIn:
    """What stands for an object of a stranger's class. Only its own methods are ever called."""

    def __setstate__(self, state: Any) -> None:
        """Keep or drop the state."""


class DataUnpickler(pickle._Unpickler):
    """Unpickles plain values, and what `find_class` and `persistent_load` of a subclass give.

    Errors: anything that a broken pickle can raise.
    """

    dispatch: ClassVar[dict[int, Any]] = {
        code: step for code, step in pickle._Unpickler.dispatch.items() if bytes([code]) not in _NEVER
    }

    stack: list[Any]

    def __init__(self, data: bytes) -> None:
        if len(data) > LIMIT:
            raise pickle.UnpicklingError(f"a pickle of more than {LIMIT:,} bytes")
        super().__init__(io.BytesIO(data))

    def load_build(self) -> None:
        """Give a state to a stand-in; nothing else has one."""
        state, target = self.stack.pop(), self.stack[-1]
        if not isinstance(target, StandIn):
            raise pickle.UnpicklingError(f"it has a state for a {type(target).__name__}")
        target.__setstate__(state)

    dispatch[pickle.BUILD[0]] = load_build
