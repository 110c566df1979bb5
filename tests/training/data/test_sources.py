"""What `dataset.corpus` may say."""

from pathlib import Path
from typing import Any

import pytest
from refusal import refused

from corpus import synthetic
from training.data.sources import Source, parse_sources, source_names


def test_one_corpus() -> None:
    assert parse_sources("data/a") == (Source(corpus=Path("data/a"), weight=1.0),)
    assert parse_sources("synthetic") == (Source(corpus=Path(synthetic.CORPUS)),)


def test_a_blend() -> None:
    sources = parse_sources([{"corpus": "x/a", "weight": 0.7}, {"corpus": "y/b", "weight": 3}])
    assert sources == (Source(corpus=Path("x/a"), weight=0.7), Source(corpus=Path("y/b"), weight=3.0))
    assert source_names(sources) == ["a", "b"]
    assert source_names(parse_sources([{"corpus": f"{n}/a", "weight": 1} for n in "xy"])) == ["x/a", "y/a"]


@pytest.mark.parametrize(
    ("corpus", "kind", "where", "names"),
    [
        ([], "corpus-setting", "dataset.corpus", "[]"),
        (7, "corpus-setting", "dataset.corpus", "7"),
        (["a", "b"], "corpus-entry", "dataset.corpus[0]", "'a'"),
        ([{"corpus": "a"}], "corpus-entry-value", "dataset.corpus[0]", "weight is None"),
        ([{"corpus": "a", "weight": 1}, {"corpus": "b", "wieght": 1}], "unknown-key", "[1]", "'wieght'"),
        ([{"corpus": "a", "weight": 0}], "corpus-weight", "dataset.corpus[0]", "weight is 0"),
        ([{"corpus": "a", "weight": True}], "corpus-entry-value", "dataset.corpus[0]", "weight is True"),
        ([{"corpus": "a", "weight": 1}] * 2, "corpus-twice", "dataset.corpus", "a"),
    ],
)
def test_bad_sources(corpus: Any, kind: str, where: str, names: str) -> None:
    with refused(kind, where=where, names=names):
        parse_sources(corpus)
