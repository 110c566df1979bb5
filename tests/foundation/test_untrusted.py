"""Small files of a stranger: JSON and YAML that would take the memory, the stack, or more than the file."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusal import refused

from foundation.errors import shown
from foundation.untrusted import read_json, read_yaml, read_yaml_text


def laughs(levels: int, width: int = 2) -> str:
    """A YAML of `levels` lines that stands for more than `width ** levels` values."""
    lines = ["a0: &a0 [x, x]"]
    lines += [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * width)}]" for level in range(1, levels)]
    return "\n".join(lines)


MERGES = "a0: &a0 {k: 1}\n" + "".join(f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 9)}]}}\n" for i in range(1, 9))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (laughs(40), "too-many-values"),
        (MERGES, "too-many-values"),
        ("a: " + "[" * 200_000, "nested-too-deep"),  # ends a process that gives it to the C parser
        ("a: " + "{b: " * 5_000, "nested-too-deep"),
        ("&a [*a]", "yaml-alias"),
        ("b: &a 1\na: &a [*a]", "yaml-alias"),
        ("a: *b", "yaml-alias"),
        ("a: !!python/object/apply:os.system ['touch ran']", "yaml-tag"),
        ("a: !!python/name:os.system", "yaml-tag"),
        ("a: " + "9" * 5_000, "not-yaml"),
        ("a: [", "not-yaml"),
        ("{[1]: 2}", "yaml-tag"),
        ("\x00", "not-yaml"),
    ],
)
def test_yaml(text: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.yaml").write_text(text)
    with refused(kind, where=tmp_path / "x.yaml"):
        read_yaml(tmp_path / "x.yaml")
    assert not (tmp_path / "ran").exists()


def test_a_usual_yaml_may_use_aliases(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("a: &a {x: 1, y: [1, 2]}\nb: {<<: *a, x: 3}\nc: *a\n")
    a = {"x": 1, "y": [1, 2]}
    assert read_yaml(tmp_path / "x.yaml") == {"a": a, "b": {**a, "x": 3}, "c": a}


@pytest.mark.parametrize("text", ["${oc.env:HOME}", "x${ oc.env:HOME }", "${oc.decode:1}", "${${a}:b}", "${a.b:c}"])
def test_no_resolver_where_none_is_allowed(text: str, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(f"a: '{text}'\n")
    with refused("reads-beyond-file", where="x.yaml", names=text.removeprefix("x")[:5]):
        read_yaml_text(tmp_path / "x.yaml", interpolations=False)
    (tmp_path / "x.yaml").write_text("a: '${b.c}/${ b.d }'\n")
    assert read_yaml_text(tmp_path / "x.yaml", interpolations=False)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"[" * 200_000, "nested-too-deep"),
        (b"{" + b'"a":{' * 100_000, "nested-too-deep"),
        (b"9" * 5_000, "not-json"),
        (b"{", "not-json"),
        (b"\xff{}", "not-text"),
        (b" " * 2_000, "too-large"),
    ],
)
def test_json(content: bytes, kind: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_bytes(content)
    with refused(kind, where=tmp_path / "x.json"):
        read_json(tmp_path / "x.json", limit=1_000 if kind == "too-large" else 1 << 20)


def test_what_is_no_file(tmp_path: Path) -> None:
    with refused("missing-file", where="none"):
        read_json(tmp_path / "none")
    with refused("cannot-be-read", where=tmp_path):
        read_json(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with refused("not-a-regular-file", where="pipe"):  # and does not wait for somebody to write
        read_json(tmp_path / "pipe")


@given(st.recursive(st.one_of(st.integers(), st.text(), st.none()), lambda inner: st.lists(inner) | st.tuples(inner)))
@settings(max_examples=100)
def test_what_is_shown_is_short(value: object) -> None:
    assert len(shown(value)) < 100_000
    assert eval(shown(value)) == value or "..." in shown(value) or "hundreds of digits" in shown(value)


def test_what_refers_to_itself_many_times_is_shown() -> None:
    value: object = "x" * 1_000
    for _ in range(100):
        value = [value, value]
    assert len(shown(value)) < 100_000
    assert shown(10**5_000) == "a number of hundreds of digits"
