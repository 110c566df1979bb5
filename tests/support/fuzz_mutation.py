"""Damage and malice done to a whole file: deterministic by its `random`, by bytes, by numbers, or by JSON structure."""

import json
import random
import struct
from typing import Any

NUMBERS = (0, 1, -1, 2, 127, 128, 255, 256, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**62, 2**63 - 1, 2**63)
TEXTS = (
    b"\x00", b"\xff", b"\n", b"\r\n", b"\t", b" ", b">", b"@", b"+", b"|", b"#", b"-", b"..", b"../../x",
    b"/etc/passwd", b"9" * 30, b"9" * 5000, b"1e999", b"-1", b"NaN", b"null", b"true", b"[" * 200, b"{" * 200,
    b"\xd9\xa3", b"PAR1",
    b"${oc.env:HOME}", b"&a [*a]", b"*a", b"!!python/object/apply:os.system ['x']", b"<<: *a", b"\x1f\x8b\x08",
    b"cos\nsystem\n", b"\x80\x04", b"\x8c\x02os\x8c\x06system\x93", b"R", b"b", b"r\xff\xff\xff\x7f",
    b"\x94", b"h\x00", b"\xef\xbb\xbf", b"2\x86" * 60, b"q\x00", b"(", b"t", b"u", b"s", b"\x85R", b"\x8f",
    b"\x90", b"\x91",
    b"X\x03\x00\x00\x00abc", b"]", b"}", b"a", b"e", b"K\x01", b"N", b"J\xff\xff\xff\x7f", b"0", b"2", b"Q", b"\x81",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 2**31, 2**63, 2**64, 10**400, 1e308, "", "x", "../../x", "/etc/passwd", "9" * 5000, "\ud800",
    [], {}, [[]], {"a": {}}, [0] * 50, [2**62, 2**62], "${oc.env:HOME}", "F32", "I64",
)  # fmt: skip


def mutate(seeds: list[bytes], chance: random.Random) -> bytes:
    """One of `seeds`, damaged in one to six places; JSON often in its structure."""
    data = chance.choice(seeds)
    if data[:1] in (b"{", b"[") and chance.random() < 0.6:
        try:
            return json.dumps(_restructured(json.loads(data), chance)).encode("utf-8", "surrogatepass")
        except ValueError:
            pass
    damaged = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        chance.choice(_WAYS)(damaged, seeds, chance)
    return bytes(damaged[: 1 << 20])


def _flip(data: bytearray, seeds: list[bytes], chance: random.Random) -> None:
    if data:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _cut(data: bytearray, seeds: list[bytes], chance: random.Random) -> None:
    start = chance.randint(0, len(data))
    del data[start : start + chance.choice((1, 4, 64, len(data)))]


def _insert(data: bytearray, seeds: list[bytes], chance: random.Random) -> None:
    place = chance.randint(0, len(data))
    data[place:place] = chance.choice(TEXTS)


def _replace(data: bytearray, seeds: list[bytes], chance: random.Random) -> None:
    text = chance.choice(TEXTS)
    place = chance.randint(0, len(data))
    data[place : place + len(text)] = text


def _number(data: bytearray, seeds: list[bytes], chance: random.Random) -> None:
    """A number of 1, 2, 4 or 8 bytes where another may stand: most of those lie near the beginning or the end."""
    code, size = chance.choice((("B", 1), ("H", 2), ("I", 4), ("Q", 8)))
    value = chance.choice(NUMBERS) % (1 << 8 * size)
    reach = min(len(data), chance.choice((16, 64, 1024, 1 << 20)))
    place = chance.randint(0, reach) if chance.random() < 0.5 else len(data) - chance.randint(0, reach)
    data[place : place + size] = struct.pack(chance.choice("<>") + code, value)


def _repeat(data: bytearray, seeds: list[bytes], chance: random.Random) -> None:
    start = chance.randint(0, len(data))
    part = data[start : start + chance.choice((1, 8, 64))]
    data[start:start] = part * chance.choice((1, 2, 100))


def _splice(data: bytearray, seeds: list[bytes], chance: random.Random) -> None:
    other = chance.choice(seeds)
    start = chance.randint(0, len(other))
    place = chance.randint(0, len(data))
    data[place:] = other[start:]


_WAYS = (_flip, _flip, _cut, _insert, _replace, _number, _number, _repeat, _splice)


def _restructured(value: Any, chance: random.Random, depth: int = 0) -> Any:
    """`value` with one or two of its nodes changed, dropped or doubled."""
    if depth > 6 or chance.random() < 0.15 or not isinstance(value, (dict, list)) or not value:
        return chance.choice(VALUES)
    if isinstance(value, list):
        place = chance.randrange(len(value))
        return [*value[:place], _restructured(value[place], chance, depth + 1), *value[place + chance.randint(0, 1) :]]
    key = chance.choice(list(value))
    if chance.random() < 0.1:
        return {name: item for name, item in value.items() if name != key}
    if chance.random() < 0.1:
        return value | {chance.choice(("x", "", "../x", key + "x")): chance.choice(VALUES)}
    return value | {key: _restructured(value[key], chance, depth + 1)}
