"""What `dataset.corpus` may say."""

from pathlib import Path
from typing import Any

import pytest

from corpus import synthetic
from foundation.errors import InputError
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
    ("corpus", "problem"),
    [
        ([], r"dataset\.corpus: is \[\]"),
        (7, r"dataset\.corpus: is 7"),
        (["a", "b"], r"dataset\.corpus\[0\]: is 'a'"),
        ([{"corpus": "a"}], r"\[0\]: weight is None"),
        ([{"corpus": "a", "weight": 1}, {"corpus": "b", "wieght": 1}], r"\[1\]: unknown key 'wieght'.*'weight'"),
        ([{"corpus": "a", "weight": 0}], r"\[0\]: weight is 0"),
        ([{"corpus": "a", "weight": True}], r"\[0\]: weight is True"),
        ([{"corpus": "a", "weight": 1}] * 2, "names a twice"),
    ],
)
def test_bad_sources(corpus: Any, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        parse_sources(corpus)
