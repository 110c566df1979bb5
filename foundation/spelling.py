"""How an error names a setting: as its caller writes it, `--batch-size 8` for a command, `batch_size=8` in Python.

Code below the command line and the Python API serves both, and does not know which of them called it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_in_python: ContextVar[bool] = ContextVar("in_python", default=False)


@contextmanager
def spelt_for_python() -> Iterator[None]:
    """Inside, settings are parameters of a Python function; elsewhere they are options of a command."""
    token = _in_python.set(True)
    try:
        yield
    finally:
        _in_python.reset(token)


def option(name: str, value: object = None) -> str:
    """The setting `name`, a parameter's name such as `batch_size`, with `value` unless that is None.

    `True` turns a setting on: `--overwrite`, `overwrite=True`. A pair of numbers is a range: `--gc 0.4-0.6`.
    """
    if _in_python.get():
        return name if value is None else f"{name}={value!r}"
    spelt = f"--{name.replace('_', '-')}"
    if value is None or value is True:
        return spelt
    return f"{spelt} {'-'.join(map(str, value)) if isinstance(value, tuple) else value}"
