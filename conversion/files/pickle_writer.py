"""Pickles that name classes of torch, written without torch: opcodes of protocol 2, which `weights_only` reads too."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Global:
    """The class, function or constant `module.name`."""

    module: str
    name: str


@dataclass(frozen=True)
class Call:
    """What `function(*arguments)` gives."""

    function: Global
    arguments: tuple[Any, ...] = ()


@dataclass(frozen=True, eq=False)
class Instance:
    """An object of `kind` whose `__init__` is not run, with `state` as its attributes (or for its `__setstate__`).

    Compared by identity, so that it can be a key of a dict.
    """

    kind: Global
    state: Any = field(default_factory=dict)


@dataclass(frozen=True)
class Persistent:
    """Something that the reader finds by `identity`, as storages in `torch.save` archives."""

    identity: tuple[Any, ...]


def dumps(value: Any) -> bytes:
    """The pickle of `value`: the four above, None, bool, int, float, str, tuple, list and dict, nested as they come."""
    return b"\x80\x02" + b"".join(_emit(value)) + b"."


def _emit(value: Any) -> Iterator[bytes]:
    if value is None or value is True or value is False:
        yield {None: b"N", True: b"\x88", False: b"\x89"}[value]
    elif isinstance(value, int):
        yield _integer(value)
    elif isinstance(value, float):
        yield b"G" + struct.pack(">d", value)
    elif isinstance(value, str):
        text = value.encode()
        yield b"X" + struct.pack("<I", len(text)) + text
    elif isinstance(value, tuple):
        yield b"("
        for item in value:
            yield from _emit(item)
        yield b"t"
    elif isinstance(value, list):
        yield b"]("
        for item in value:
            yield from _emit(item)
        yield b"e"
    elif isinstance(value, dict):
        yield b"}("
        for key, item in value.items():
            yield from _emit(key)
            yield from _emit(item)
        yield b"u"
    else:
        yield from _emit_named(value)


def _emit_named(value: Any) -> Iterator[bytes]:
    if isinstance(value, Global):
        yield f"c{value.module}\n{value.name}\n".encode()
    elif isinstance(value, Call):
        yield from _emit(value.function)
        yield from _emit(value.arguments)
        yield b"R"
    elif isinstance(value, Instance):
        yield from _emit(value.kind)
        yield b")\x81"
        yield from _emit(value.state)
        yield b"b"
    elif isinstance(value, Persistent):
        yield from _emit(value.identity)
        yield b"Q"
    else:
        raise TypeError(f"{type(value).__name__} has no pickle here")


def _integer(value: int) -> bytes:
    if -(1 << 31) <= value < 1 << 31:
        return b"J" + struct.pack("<i", value)
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data
