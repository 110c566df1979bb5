"""`key=value` and `group=option`, as every command takes them: one reader, led by the types of the schema.

Text is taken as written, so a directory may be called `2024-01-01` or `a#b`. Numbers, `true`, `false` and `null` have
one spelling each. Lists and mappings are `[a, b]` and `{key: value}`, with quotes around what holds their signs.
"""

import dataclasses
import math
import re
import typing
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from foundation.errors import InputError, nearest
from foundation.typed import hints, optional

DEPTH_LIMIT = 16
"""Lists and mappings inside one another; no setting needs more than two."""

_INT = re.compile(r"[+-]?(0|[1-9]\d*(_\d+)*)")
_FLOAT = re.compile(r"[+-]?((0|[1-9]\d*(_\d+)*)(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_REFERENCE = re.compile(r"\$\{([^{}]*)\}?")
_QUOTES = "'\""


def split_words(words: Sequence[str], groups: Collection[str]) -> tuple[list[tuple[str, str]], dict[str, str]]:
    """Keys with the text of their values, and the options chosen for `groups`.

    Errors: `InputError` of the kind `not-an-override`.
    """
    values: list[tuple[str, str]] = []
    choices: dict[str, str] = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not equals or not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", key):
            fix = "Write, for example, trainer.max_steps=20; a key that is not there cannot be added or removed."
            raise InputError(f"override {word!r} is not key=value", fix=fix, kind="not-an-override")
        if key in groups:
            choices[key] = text
        else:
            values.append((key, text))
    return values, choices


def kind_of(schema: type, key: str) -> Any:
    """The type of the setting `a.b.c`. Errors: `InputError` `unknown-key` with the nearest, `not-a-setting`."""
    kind: Any = schema
    walked: list[str] = []
    for part in key.split("."):
        names = hints(kind) if isinstance(kind, type) and dataclasses.is_dataclass(kind) else {}
        if part not in names:
            where = ".".join(walked) or "the configuration"
            fix = nearest(part, names) if names else f"{where} is a value, not a section."
            raise InputError(f"no key {part!r} in {where}", where=key, fix=fix, kind="unknown-key")
        kind, walked = names[part], [*walked, part]
    if dataclasses.is_dataclass(kind):
        fix = f"Give one of its keys, for example {key}.{next(iter(hints(typing.cast(type, kind))))}=VALUE."
        raise InputError("is a section, not a setting", where=key, fix=fix, kind="not-a-setting")
    return kind


def read_text(kind: Any, text: str, where: str, keys: Collection[str] = ()) -> Any:
    """The value of `text` for a setting of type `kind`; `${key}` may stand in text for one of `keys`.

    Errors: `InputError` of the kinds `no-value`, `not-a-number`, `not-true-or-false`, `not-a-list`, `unpaired-quotes`,
    `reads-elsewhere` and `unprintable`.
    """
    kind, may_be_none = optional(kind)
    if not text.isprintable():
        raise _refused(text, "holds a line break or control character", where, "Remove it.", "unprintable")
    if may_be_none and text == "null":
        return None
    if typing.get_origin(kind) in (list, dict) or (kind is Any and text[:1] in ("[", "{")):
        return _Collection(text, where, keys).read(kind)
    return _scalar(kind, text, where, keys)


def _scalar(kind: Any, text: str, where: str, keys: Collection[str]) -> Any:
    quoted = text[:1] in _QUOTES and len(text) > 1 and text[-1] == text[0]
    content = _unquoted(text, where) if quoted else text
    if not content:
        raise _refused(text, "is not a value", where, f"Write {where}=VALUE.", "no-value")
    if kind is bool:
        if content.lower() in ("true", "false"):
            return content.lower() == "true"
        raise _refused(text, "is neither true nor false", where, "Write true or false.", "not-true-or-false")
    if kind is int or kind is float:
        return _number(kind, content, text, where)
    if kind is Any and "," in content and not quoted:
        fix = "Write several as [a, b], and put quotes around a name with a comma."
        raise _refused(text, "holds a comma", where, fix, "not-a-list")
    return _plain_text(content, where, keys)


def _number(kind: type, content: str, text: str, where: str) -> float:
    pattern, words = (_INT, "a whole number") if kind is int else (_FLOAT, "a number")
    value = kind(content) if pattern.fullmatch(content) else math.nan
    if not math.isfinite(value):
        example = "20" if kind is int else "0.001 or 1e-3"
        raise _refused(text, f"is not {words}", where, f"Write it in decimal digits: {example}.", "not-a-number")
    return typing.cast(float, value)


def _plain_text(content: str, where: str, keys: Collection[str]) -> str:
    for found in _REFERENCE.finditer(content):
        if found[1] not in keys or not found[0].endswith("}") or found[1] == where:
            fix = "Let the shell put in what is not a setting: run_dir=$HOME/runs, without braces or quotes."
            raise _refused(content, f"refers to {found[0]!r}", where, fix, "reads-elsewhere")
    return content


def _unquoted(text: str, where: str) -> str:
    quote, inside = text[0], text[1:-1]
    if not re.fullmatch(rf"(?:[^{quote}\\]|\\.)*", inside):
        fix = f"Write a literal {quote} as \\{quote}."
        raise _refused(text, "has quotes that do not pair", where, fix, "unpaired-quotes")
    return re.sub(rf"\\([{quote}\\])", r"\1", inside)


def _refused(text: str, problem: str, where: str, fix: str, kind: str) -> InputError:
    return InputError(f"{text!r} {problem}", where=where, fix=fix, kind=kind)


class _Collection:
    """`[a, b]` and `{key: value}`, nested; `kind` is that of the whole."""

    def __init__(self, text: str, where: str, keys: Collection[str]) -> None:
        self._text, self._where, self._keys = text, where, keys
        self._tokens = list(_tokens(text))
        self._next = 0

    def read(self, kind: Any) -> Any:
        value = self._value(kind, 0)
        if self._next != len(self._tokens):
            raise self._error()
        return value

    def _value(self, kind: Any, depth: int) -> Any:
        kind, may_be_none = optional(kind)
        token = self._take()
        if depth > DEPTH_LIMIT or token in ("", "]", "}", ",", ":"):
            raise self._error()
        if token == "[":
            if kind is not Any and typing.get_origin(kind) is not list:
                raise self._error()
            item = typing.get_args(kind)[0] if typing.get_args(kind) else Any
            return [one for _, one in self._items("]", item, depth, keyed=False)]
        if token == "{":
            if kind is not Any and typing.get_origin(kind) is not dict:
                raise self._error()
            item = typing.get_args(kind)[1] if typing.get_args(kind) else Any
            return dict(self._items("}", item, depth, keyed=True))
        if typing.get_origin(kind) in (list, dict):
            raise self._error(wants_list=typing.get_origin(kind) is list)
        if may_be_none and token == "null":
            return None
        return _any_scalar(token, self._where, self._keys) if kind is Any else self._scalar(kind, token)

    def _items(self, end: str, kind: Any, depth: int, *, keyed: bool) -> Iterator[tuple[str, Any]]:
        seen: set[str] = set()
        while self._peek() != end:
            key = ""
            if keyed:
                key = self._scalar(str, self._take())
                if self._take() != ":":
                    raise self._error()
                if key in seen:
                    problem = f"has the key {key!r} twice"
                    raise _refused(self._text, problem, self._where, "Leave one out.", "duplicate-key")
                seen.add(key)
            yield key, self._value(kind, depth + 1)
            if self._peek() == ",":
                self._take()
            elif self._peek() != end:
                raise self._error()
        self._take()

    def _scalar(self, kind: Any, token: str) -> Any:
        if token in ("", "[", "]", "{", "}", ",", ":"):
            raise self._error()
        return _scalar(kind, token, self._where, self._keys)

    def _peek(self) -> str:
        return self._tokens[self._next] if self._next < len(self._tokens) else ""

    def _take(self) -> str:
        token = self._peek()
        self._next += 1
        return token

    def _error(self, *, wants_list: bool = False) -> InputError:
        plain = not set(self._text) & set(",:[]{}\"'")
        example = f"{self._where}=[{self._text}]" if wants_list and plain else "[one, two], or {key: value}"
        fix = f"Write {example}, and put quotes around what holds , : [ ] {{ or }}."
        return _refused(self._text, "is not a list or mapping of the right shape", self._where, fix, "not-a-list")


def _tokens(text: str) -> Iterator[str]:
    """Signs, quoted scalars with their quotes, and bare scalars without the blanks around them.

    A colon is a sign after a key alone: a bare value may hold one, as in `s3://bucket`.
    """
    pattern = re.compile(r"""\s*([\[\]{},]|'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^\[\]{},'"][^\[\]{},]*)\s*""")
    position, key_comes, open_signs = 0, False, [""]
    while position < len(text):
        found = pattern.match(text, position)
        if found is None:
            yield ""  # a quote without its other: no value
            return
        token, position = found[1].strip(), found.end()
        if token in ("[", "{"):
            open_signs.append(token)
        elif token in ("]", "}") and len(open_signs) > 1:
            open_signs.pop()
        if key_comes and token not in ("[", "]", "{", "}", ","):
            if token[:1] in _QUOTES:
                colon = re.compile(r"\s*:\s*").match(text, position)
                position = colon.end() if colon else position
                yield from (token, ":") if colon else (token,)
            else:
                key, colon_sign, _ = token.partition(":")
                yield from (key.strip(), ":") if colon_sign else (key.strip(),)
                position = found.start(1) + len(key) + 1 if colon_sign else position
            key_comes = False
            continue
        yield token
        key_comes = open_signs[-1] == "{" and token in ("{", ",")


def _any_scalar(token: str, where: str, keys: Collection[str]) -> Any:
    """Where any type may be: a number, true, false or null as it looks, and text as soon as it has quotes."""
    if token in ("true", "false"):
        return token == "true"
    if token == "null":
        return None
    if _INT.fullmatch(token):
        return int(token)
    if _FLOAT.fullmatch(token):
        return _number(float, token, token, where)
    return _scalar(str, token, where, keys)
