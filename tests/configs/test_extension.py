"""A longer context: which positions and frequencies a run has, and which settings contradict each other."""

from dataclasses import replace

import pytest
from refusal import refused

from configs.compose import compose_config, group_options
from configs.extension import extended, extended_from, run_architecture
from configs.llama import read_architecture
from configs.rope import RopeScaling, frequencies
from configs.schema import RopeConfig

BASE = read_architecture("llama3_8b_genomic_config")


@pytest.mark.parametrize(
    ("option", "length", "factor"), [("32k", 32_768, 4.0), ("64k", 65_536, 8.0), ("128k", 131_072, 16.0)]
)
def test_each_context_stretches_slow_frequencies_as_far_as_its_samples(option: str, length: int, factor: float) -> None:
    config = compose_config("train_8b_opengenome2", [f"context={option}"])
    made = run_architecture(config)
    assert extended_from(config) == BASE
    assert made.max_position_embeddings == length == config.dataset.sequence_length
    assert made.rope_scaling == RopeScaling(factor=factor, original_max_position_embeddings=8192)
    assert config.dataset.global_batch_size * length == 384 * 8192
    before, after = (frequencies(one.rope_theta, 128, one.rope_scaling) for one in (BASE, made))
    assert after[0] == before[0]
    assert after[-1] * length == pytest.approx(before[-1] * 8192)
    assert replace(made, rope_scaling=None, max_position_embeddings=8192) == BASE


def test_without_a_context_it_is_that_of_the_model() -> None:
    assert set(group_options("context")) == {"8k", "32k", "64k", "128k"}
    for words in ([], ["context=8k"], ["dataset.sequence_length=4096"]):
        config = compose_config("train_8b_opengenome2", words)
        assert (run_architecture(config), extended_from(config)) == (BASE, None)


def test_another_base_alone() -> None:
    made = extended(BASE, RopeConfig(theta=8e6), 65_536, where="x")
    assert made == replace(BASE, rope_theta=8e6, max_position_embeddings=65_536)


def test_what_is_extended_already_stays_and_can_be_extended_again() -> None:
    long = extended(BASE, RopeConfig(factor=4), 32_768, where="x")
    assert extended(long, RopeConfig(factor=4), 32_768, where="x") == long
    longer = extended(long, RopeConfig(factor=16), 131_072, where="x")
    assert longer == extended(BASE, RopeConfig(factor=16), 131_072, where="x")  # counted from 8,192, not from 32,768


@pytest.mark.parametrize("factor", [8, 32])
def test_the_factors_of_llama_3_can_be_given(factor: float) -> None:
    """3.1 8B and 3.2 1B: 131,072 from 8,192 positions."""
    made = extended(BASE, RopeConfig(factor=factor), 131_072, where="x")
    assert made.rope_scaling == RopeScaling(factor=factor)


@pytest.mark.parametrize(
    ("rope", "length", "kind", "fix"),
    [
        (RopeConfig(factor=4), None, "context-not-longer", "above 8192"),
        (RopeConfig(factor=4), 8192, "context-not-longer", "above 8192"),
        (RopeConfig(theta=1e6), 4096, "context-not-longer", "above 8192"),
        (RopeConfig(theta=10_000), 32_768, "theta-below-base", "larger"),
        (RopeConfig(theta=1e13), 32_768, "config-value", "1e+12"),
        (RopeConfig(factor=1.9), 32_768, "scaling-factor", "Give 4; from 2 to 8"),
        (RopeConfig(factor=8.1), 32_768, "scaling-factor", "Give 4; from 2 to 8"),
        (RopeConfig(factor=0.75), 12_288, "scaling-factor", "Give 1.5; from 1 to 3"),
        (RopeConfig(factor=-4), 32_768, "scaling-factor", "Give 4"),
        (RopeConfig(factor=float("nan")), 32_768, "scaling-factor", "Give 4"),
    ],
)
def test_contradictions_are_refused(rope: RopeConfig, length: int | None, kind: str, fix: str) -> None:
    with refused(kind, where="model", fix=fix):
        extended(BASE, rope, length, where="model")


def test_a_scaling_is_not_taken_back() -> None:
    long = extended(BASE, RopeConfig(factor=32), 131_072, where="x")
    with refused("scaling-factor", fix="from 32 to 64"):
        extended(long, RopeConfig(factor=16), 262_144, where="x")
