"""Batches hold as many tokens as they may, sequence is read as it is needed, and values do not depend on either."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from evaluation.embedding.embedding import embed_regions
from evaluation.likelihood.batches import GPU_TOKENS, Batching, bytes_per_token, plan_batches, tokens_in
from evaluation.likelihood.likelihood import Reading, base_log_probabilities, plan_reading
from evaluation.likelihood.regions import Region
from evaluation.sharding import job
from tokenizer.sequence import Ids, encode


def test_a_batch_is_full_of_tokens_or_has_so_many_rows() -> None:
    lengths = [9, 5, 5, 4, 2, 2, 1, 1, 1]
    split = Batching(tokens=10).split(lengths, lambda length: length)
    assert [list(one) for one in split] == [[9], [5, 5], [4, 2], [2, 1, 1, 1]]
    assert [len(one) for one in Batching(tokens=10, rows=4).split(lengths, lambda length: length)] == [4, 4, 1]
    assert [list(one) for one in Batching(tokens=3).split([50, 40], lambda length: length)] == [[50], [40]]


def test_what_is_sorted_together_is_sixteen_batches() -> None:
    many = iter(range(10_000))
    assert len(Batching(tokens=30).ahead(many, lambda _: 10)) == 48
    assert len(Batching(tokens=30, rows=5).ahead(many, lambda _: 10)) == 80
    assert len(Batching(tokens=30).ahead(many, lambda _: 1000)) == 1
    assert next(many) == 48 + 80 + 1
    assert Batching(tokens=30).ahead(iter([]), lambda _: 10) == []


def test_a_gpu_takes_what_its_memory_holds(tiny_model: Any) -> None:
    assert tokens_in(80 * 2**30 // 8, 266_000) == GPU_TOKENS
    assert tokens_in(3_000_000, 1000) == 2048
    assert tokens_in(1000, 266_000) == 512
    assert bytes_per_token(tiny_model) == (2 * 2 * 16 + 6 * 32 + 3 * 64) * 4 + 3 * 4 * 256
    assert plan_batches(tiny_model, rows=3).rows == 3


def _sequences(count: int, taken: list[int]) -> Iterator[Ids]:
    random = np.random.default_rng(1)
    for number in range(count):
        taken.append(number)
        yield random.choice(np.frombuffer(b"ACGT", np.uint8), size=random.integers(1, 60))


@pytest.fixture
def reading(tiny_model: Any) -> Reading:
    """Batches of 64 tokens: 1,024 are looked at together."""
    return dataclasses.replace(plan_reading(tiny_model), batches=Batching(tokens=64))


def test_scoring_holds_a_unit_whatever_there_is(
    tiny_model: Any, reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "UNIT_TOKENS", 16 * 64)
    taken: list[int] = []
    ahead = []
    found = base_log_probabilities(tiny_model, ((ids, 0) for ids in _sequences(200, taken)), reading)
    for done, _ in enumerate(found):
        ahead.append(len(taken) - done)
    assert len(ahead) == 200
    assert max(ahead) <= 16 * 64 / 20  # of sequences of 30 bases, read in 46 tokens, on average


def test_embedding_holds_a_look_ahead_whatever_there_is(tiny_model: Any, reading: Reading) -> None:
    taken: list[int] = []
    regions = (Region(name="r", ids=ids) for ids in _sequences(200, taken))
    ahead = [
        len(taken) - done
        for done, _ in enumerate(embed_regions(tiny_model, regions, reading, layer=-1, pooling="mean"))
    ]
    assert len(ahead) == 200
    assert max(ahead) <= 16 * 64 / 20


@pytest.mark.parametrize("tokens", [1, 50, 100_000])
def test_values_do_not_depend_on_the_tokens_of_a_batch(tiny_model: Any, reading: Reading, tokens: int) -> None:
    other = dataclasses.replace(reading, batches=Batching(tokens=tokens))
    logs, others = (
        [one.logs for one in base_log_probabilities(tiny_model, ((ids, 0) for ids in _sequences(40, [])), how)]
        for how in (reading, other)
    )
    for one, two in zip(logs, others, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-5)


def test_half_precision_is_pooled_in_double(tiny_model: Any) -> None:
    """A sum of 2,000 alike numbers in bfloat16 would stop growing at 256 of them."""
    import copy

    half = copy.deepcopy(tiny_model).bfloat16()
    region = Region(name="r", ids=encode("ACGT" * 500))
    (mean,) = embed_regions(half, [region], plan_reading(half), layer=0, pooling="mean")
    table = half.model.embed_tokens.weight[list(b"ACGT")].float().detach().numpy()
    np.testing.assert_allclose(mean.values, table.mean(axis=0), rtol=1e-6, atol=1e-7)
