"""`key=value` as every command takes it: what a text stands for in a setting of each type, and what is refused."""

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.compose import compose_config
from configs.overrides import read_text
from configs.schema import TrainConfig
from configs.settings import get_setting, rows
from foundation.errors import InputError

TAKEN = {
    "run_dir=runs/a#b": "runs/a#b",
    "run_dir=runs/a,b": "runs/a,b",
    "run_dir=runs/my run": "runs/my run",
    "run_dir=runs/a'b": "runs/a'b",
    "run_dir=李明": "李明",
    "run_dir=2024-01-01": "2024-01-01",
    "run_dir=007": "007",
    "run_dir=12:30": "12:30",
    "run_dir=1e3": "1e3",
    "run_dir=yes": "yes",
    "run_dir=null": "null",
    "run_dir=[a]": "[a]",
    "run_dir=runs/x==y": "runs/x==y",
    "run_dir='a b'": "a b",
    "run_dir='it\\'s'": "it's",
    "run_dir=runs/${name}": "runs/llama3_tiny_genomic",
    "run_dir=runs/${seed}": "runs/1234",
    "run_dir=runs/$HOME": "runs/$HOME",
    "trainer.max_steps=20": 20,
    "trainer.max_steps=1_000": 1000,
    "trainer.max_steps=+20": 20,
    "trainer.max_steps='20'": 20,
    "optimizer.lr=1e-3": 1e-3,
    "optimizer.lr=1": 1.0,
    "optimizer.lr=.001": 1e-3,
    "dataset.reverse_complement=true": True,
    "dataset.reverse_complement=False": False,
    "dataset.stride=null": None,
    "init_from=null": None,
    "init_from=runs/a/checkpoints/step=6-last": "runs/a/checkpoints/step=6-last",
    "precision.compute=32": "32",
    "logging.wandb=a: b": "a: b",
    "guards.skip_steps=[]": [],
    "guards.skip_steps=[3]": ["3"],
    "guards.skip_steps=[3-5,7]": ["3-5", "7"],
    "guards.skip_steps=['3-5', 7]": ["3-5", "7"],
    "dataset.corpus=/x/y z": "/x/y z",
    "dataset.corpus='a,b'": "a,b",
    "dataset.corpus=[{corpus:a,weight:1}]": [{"corpus": "a", "weight": 1}],
    "dataset.corpus=[{corpus: a, weight: 0.7}, {corpus: 's, t', weight: 1e-1}]": [
        {"corpus": "a", "weight": 0.7},
        {"corpus": "s, t", "weight": 0.1},
    ],
}

REFUSED = {
    "trainer.max_steps=0x10": "not-a-number",
    "trainer.max_steps=0o17": "not-a-number",
    "trainer.max_steps=012": "not-a-number",
    "trainer.max_steps=1e3": "not-a-number",
    "trainer.max_steps=20.0": "not-a-number",
    "trainer.max_steps=many": "not-a-number",
    "trainer.max_steps=1:30": "not-a-number",
    "trainer.max_steps=null": "not-a-number",
    "trainer.max_steps=\uff11\uff12": "not-a-number",
    "optimizer.lr=nan": "not-a-number",
    "optimizer.lr=inf": "not-a-number",
    "optimizer.lr=1e400": "not-a-number",
    "optimizer.lr=010": "not-a-number",
    "dataset.reverse_complement=yes": "not-true-or-false",
    "dataset.reverse_complement=1": "not-true-or-false",
    "dataset.stride=None": "not-a-number",
    "run_dir=": "no-value",
    "run_dir=''": "no-value",
    "run_dir='a'b'": "unpaired-quotes",
    "run_dir=a\nb": "unprintable",
    "run_dir=\x1b[2J": "unprintable",
    "run_dir=${oc.env:HOME}": "reads-elsewhere",
    "run_dir=${x}": "reads-elsewhere",
    "run_dir=a${x}": "reads-elsewhere",
    "run_dir=${run_dir}": "reads-elsewhere",
    "run_dir=${name": "reads-elsewhere",
    "name=${run_dir}": "unresolved-reference",
    "guards.skip_steps=3": "not-a-list",
    "guards.skip_steps={a: 1}": "not-a-list",
    "guards.skip_steps=[[3]]": "not-a-list",
    "guards.skip_steps=[3": "not-a-list",
    "guards.skip_steps=[3}": "not-a-list",
    "guards.skip_steps=[3, 'a]": "not-a-list",
    "dataset.corpus=a,b": "not-a-list",
    "dataset.corpus=[{corpus: a, corpus: b}]": "duplicate-key",
    "dataset.corpus=" + "[" * 100_000: "not-a-list",
    "+key=1": "not-an-override",
    "+trainer.max_steps=1": "not-an-override",
    "~trainer.max_steps": "not-an-override",
    "trainer.max_steps": "not-an-override",
    "optimizer@x=short": "not-an-override",
    "trainer.max_step=3": "unknown-key",
    "trainer.max_steps.x=3": "unknown-key",
    "optimiser.lr=3": "unknown-key",
    "hydra.run.dir=x": "unknown-key",
    "trainer=3": "not-a-setting",
    "hardware=h1000": "unknown-option",
    "hardware=../x": "unknown-option",
}


@pytest.mark.parametrize("word", TAKEN)
def test_what_is_taken(word: str) -> None:
    config = compose_config("train_tiny", [word])
    assert get_setting(config, word.partition("=")[0]) == TAKEN[word]
    assert type(get_setting(config, word.partition("=")[0])) is type(TAKEN[word])


@pytest.mark.parametrize("word", REFUSED)
def test_what_is_refused(word: str) -> None:
    with pytest.raises(InputError) as error:
        compose_config("train_tiny", [word])
    assert error.value.kind == REFUSED[word]
    if error.value.kind not in ("not-an-override", "unresolved-reference"):
        assert error.value.where == word.partition("=")[0]


def test_the_home_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    assert compose_config("train_tiny", ["run_dir=~/x"]).run_dir == "/home/ada/x"
    assert compose_config("train_tiny", ["run_dir=~x"]).run_dir == "~x"


@pytest.mark.parametrize(
    ("word", "nearest"),
    [("trainer.max_step=3", "max_steps"), ("optimiser.lr=3", "optimizer"), ("hardware=h1000", "h100")],
)
def test_the_nearest_name_is_given(word: str, nearest: str) -> None:
    with pytest.raises(InputError) as error:
        compose_config("train_tiny", [word])
    assert repr(nearest) in error.value.fix


@given(st.text(max_size=40), st.sampled_from(list(rows(TrainConfig))))
def test_any_text_is_a_value_of_its_type_or_refused(text: str, row: Any) -> None:
    refusal = None
    try:
        value = read_text(row.type, text, row.key)
    except InputError as error:
        refusal = error
    if refusal is not None:
        assert (bool(refusal.kind), refusal.where) == (True, row.key)
    else:
        assert row.type not in (int, float, bool, str) or type(value) is row.type


JSON = st.recursive(
    st.text(string.ascii_letters + " ,:[]{}'\"\\é", min_size=1, max_size=8) | st.integers() | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(" ,:'ab", min_size=1, max_size=4), inner),
    max_leaves=12,
).filter(lambda value: isinstance(value, (list, dict)))


@given(JSON)
def test_what_is_written_down_is_read_back(value: Any) -> None:
    assert read_text(Any, written(value), "x") == value


def written(value: Any) -> str:
    """A value in the grammar of `configs.overrides`, every text in quotes."""
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace("'", "\\'")
        return f"'{escaped}'"
    if isinstance(value, list):
        return f"[{', '.join(map(written, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{written(key)}: {written(one)}" for key, one in value.items()) + "}"
    words = {"True": "true", "False": "false", "None": "null"}
    return words.get(str(value), str(value))
