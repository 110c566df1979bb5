"""RoPE in every spelling of a `config.json`: refused, or the frequencies of one reference wherever it is read."""

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from by_hand import save_llama
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from configs.llama import from_megatron_fields, hf_config, megatron_fields, parse_architecture, read_architecture
from configs.rope import RopeScaling, frequencies
from conversion.convert import convert
from conversion.formats import open_checkpoint
from conversion.huggingface.live_model import llama_config, rotary_embedding
from conversion.logits import compare_logits
from evaluation.likelihood.model import load_model
from foundation.errors import InputError

SCALING: dict[str, Any] = {
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}
KEYS = ("rope_theta", "rope_scaling", "rope_parameters")
LLAMA3 = {"rope_type": "llama3", **SCALING}

scalings = st.none() | st.builds(
    RopeScaling,
    factor=st.floats(1.0, 64.0),
    low_freq_factor=st.floats(0.25, 2.0),
    high_freq_factor=st.floats(2.5, 8.0),
    original_max_position_embeddings=st.integers(8, 1 << 17),
)
thetas = st.sampled_from([10_000.0, 500_000.0, 1_000_000, 2.5e7]) | st.floats(1.0, 1e8)


@st.composite
def spelt(draw: st.DrawFn, theta: float, scaling: RopeScaling | None) -> dict[str, Any]:
    """The keys of one way to write down `theta` and `scaling`, each of several places saying it, or not."""
    kinds: dict[str, Any] = draw(st.sampled_from(_kinds("llama3" if scaling else "default")))
    neutral = draw(st.sampled_from([{}, {"attention_factor": None}, {"partial_rotary_factor": 1.0}]))
    written = {**kinds, **(vars(scaling) if scaling else {}), **neutral}
    places = draw(st.sampled_from(["4", "5", "both"] if scaling else ["4", "5", "both", "neither"]))
    values: dict[str, Any] = {}
    if places in ("4", "both"):
        values["rope_scaling"] = written if scaling or draw(st.booleans()) else None
    if places in ("5", "both"):
        values["rope_parameters"] = written
    spots = draw(st.sets(st.sampled_from(["top", *values]), min_size=1))
    for spot in spots:
        if spot == "top" or not isinstance(values[spot], dict):
            values["rope_theta"] = theta
        else:
            values[spot] = {**values[spot], "rope_theta": theta}
    return values


def _kinds(kind: str) -> list[dict[str, str]]:
    named = [{"rope_type": kind}, {"type": kind}, {"rope_type": kind, "type": kind}]
    return [*named, {}] if kind == "default" else named


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_llama(tmp_path_factory.mktemp("rope") / "model", head_dim=8)


def written(model: Path, directory: Path, **values: Any) -> Path:
    """A copy of `model` whose config has these keys, and no others, about RoPE."""
    if not directory.exists():
        shutil.copytree(model, directory)
    config = json.loads((model / "config.json").read_text())
    kept = {key: value for key, value in config.items() if key not in KEYS}
    (directory / "config.json").write_text(json.dumps({**kept, **values}))
    return directory


def assert_turns(found: torch.Tensor, theta: float, scaling: RopeScaling | None, head_dim: int = 8) -> None:
    wanted = torch.tensor(frequencies(theta, head_dim, scaling))
    torch.testing.assert_close(found.float(), wanted, rtol=2e-6, atol=0)


def test_the_reference_against_numbers_by_hand() -> None:
    """Four pairs of theta 10,000: 1, 0.1, 0.01 and 0.001; 1,000 positions are 159, 15.9, 1.59 and 0.159 turns."""
    assert frequencies(1e4, 8, None) == pytest.approx([1, 0.1, 0.01, 0.001])
    scaling = RopeScaling(factor=8.0, original_max_position_embeddings=1000)
    kept = (10 / (2 * math.pi) - 1) / 3
    assert frequencies(1e4, 8, scaling) == pytest.approx(
        [1, 0.1, kept * 0.01 + (1 - kept) * 0.01 / 8, 0.001 / 8], rel=1e-12
    )


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), theta=thetas, scaling=scalings)
def test_every_spelling_is_one_thing_to_every_reader(data: Any, theta: float, scaling: RopeScaling | None) -> None:
    values = data.draw(spelt(theta, scaling))
    config = {**hf_config(read_architecture("llama3_tiny_genomic_config")), "head_dim": 8, "hidden_size": 32}
    config |= {"num_attention_heads": 4, "num_key_value_heads": 2}
    kept = {key: value for key, value in config.items() if key not in KEYS}
    architecture = parse_architecture({**kept, **values}, where="test")
    assert (architecture.rope_theta, architecture.rope_scaling) == (theta, scaling)
    assert_turns(rotary_embedding(architecture).inv_freq, theta, scaling)  # score, embed, variants, generate, probe
    assert parse_architecture(hf_config(architecture), where="test") == architecture  # what convert writes
    fields = megatron_fields(architecture)  # what training builds
    assert from_megatron_fields(fields, dtype=architecture.dtype, where="test") == architecture
    assert llama_config(architecture).rope_theta == theta


SPELLINGS: dict[str, dict[str, Any]] = {
    "transformers 4": {"rope_theta": 500000.0, "rope_scaling": LLAMA3},
    "type": {"rope_theta": 500000.0, "rope_scaling": {"type": "llama3", **SCALING}},
    "transformers 5": {"rope_parameters": {"rope_theta": 500000.0, **LLAMA3}},
    "theta at the top": {"rope_theta": 500000, "rope_parameters": LLAMA3},
    "theta twice": {"rope_theta": 500000.0, "rope_parameters": {"rope_theta": 500000.0, **LLAMA3}},
    "both": {"rope_scaling": LLAMA3, "rope_parameters": {"rope_theta": 500000.0, **LLAMA3}},
    "neutral keys": {"rope_theta": 500000.0, "rope_scaling": {**LLAMA3, "attention_factor": None}},
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_scoring_and_converting_read_alike(spelling: str, model: Path, tmp_path: Path) -> None:
    """A config of transformers 5 with the `rope_theta` that was once asked for was scored without its scaling."""
    source = written(model, tmp_path / "model", **SPELLINGS[spelling])
    scaling = RopeScaling(**SCALING)
    assert_turns(load_model(source, device="cpu").model.rotary_emb.inv_freq, 500000.0, scaling)
    convert(source, tmp_path / "te", to="te")
    convert(tmp_path / "te", tmp_path / "hf", to="hf")
    for one in ("te", "hf"):
        assert open_checkpoint(tmp_path / one).architecture.rope_scaling == scaling
        assert_turns(load_model(tmp_path / one, device="cpu").model.rotary_emb.inv_freq, 500000.0, scaling)
    assert compare_logits(open_checkpoint(source), open_checkpoint(tmp_path / "te"), cast=False) < 1e-3


def test_the_scaling_changes_the_logits(model: Path, tmp_path: Path) -> None:
    """And a model of NVLlama's layout has the logits of the plain one, in every dtype that it may be loaded in."""
    tokens = torch.randint(65, 90, (1, 60), generator=torch.Generator().manual_seed(1))

    def logits(directory: Path, dtype: str = "float32") -> torch.Tensor:
        with torch.no_grad():
            found: torch.Tensor = load_model(directory, dtype, device="cpu")(tokens, use_cache=False).logits
        return found

    plain = written(model, tmp_path / "plain", rope_theta=500000.0)
    scaled = written(model, tmp_path / "scaled", **SPELLINGS["transformers 5"])
    assert (logits(plain) - logits(scaled)).abs().max() > 0.1
    convert(scaled, tmp_path / "te", to="te")
    for dtype in ("float32", "bfloat16"):
        assert torch.equal(logits(scaled, dtype), logits(tmp_path / "te", dtype))


THETA = {"rope_theta": 500000.0}
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "two types": ({**THETA, "rope_scaling": {"type": "linear", **LLAMA3}}, "rope-contradiction"),
    "a type that is null": ({**THETA, "rope_scaling": {"type": "llama3", **LLAMA3, "rope_type": None}},
                            "rope-contradiction"),
    "two scalings": ({"rope_scaling": None, "rope_parameters": {**THETA, **LLAMA3}}, "rope-contradiction"),
    "scaled or not": ({"rope_scaling": LLAMA3, "rope_parameters": {**THETA, "rope_type": "default"}},
                      "rope-contradiction"),
    "two factors": ({"rope_scaling": {**LLAMA3, "factor": 4.0}, "rope_parameters": {**THETA, **LLAMA3}},
                    "rope-contradiction"),
    "two thetas": ({"rope_theta": 1e4, "rope_parameters": THETA}, "rope-contradiction"),
    "a theta in the scaling": ({**THETA, "rope_scaling": {**LLAMA3, "rope_theta": 1e4}}, "rope-contradiction"),
    "true for a theta": ({"rope_theta": 1.0, "rope_parameters": {"rope_theta": True}}, "config-value"),
    "no theta": ({"rope_parameters": LLAMA3}, "config-missing-key"),
    "nothing": ({}, "config-missing-key"),
    "theta of nothing": ({"rope_theta": 1e-300}, "config-value"),
    "linear": ({**THETA, "rope_scaling": {"type": "linear", "factor": 2.0}}, "rope-unsupported"),
    "dynamic": ({**THETA, "rope_scaling": {"rope_type": "dynamic", "factor": 2.0}}, "rope-unsupported"),
    "yarn": ({"rope_parameters": {**THETA, "rope_type": "yarn", "factor": 2.0}}, "rope-unsupported"),
    "a scaling without a type": ({**THETA, "rope_scaling": SCALING}, "rope-unsupported"),
    "a part of the scaling": ({**THETA, "rope_scaling": {"rope_type": "llama3", "factor": 8.0}}, "rope-unsupported"),
    "a part that is null": ({**THETA, "rope_scaling": {**LLAMA3, "low_freq_factor": None}}, "rope-unsupported"),
    "a key of another scaling": ({**THETA, "rope_scaling": {**LLAMA3, "beta_fast": 32}}, "rope-unsupported"),
    "attention scaled": ({**THETA, "rope_scaling": {**LLAMA3, "attention_factor": 0.5}}, "rope-unsupported"),
    "half of a head": ({"rope_parameters": {**THETA, "partial_rotary_factor": 0.5}}, "rope-unsupported"),
    "factors the wrong way round": ({**THETA, "rope_scaling": {**LLAMA3, "low_freq_factor": 4.0}}, "rope-unsupported"),
    "a RoPE for each kind of layer": ({**THETA, "rope_parameters": {"full_attention": THETA}}, "rope-unsupported"),
    "a list": ({**THETA, "rope_scaling": [8.0]}, "rope-unsupported"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_readers_would_take_for_different_things_is_refused_by_all(case: str, model: Path, tmp_path: Path) -> None:
    values, kind = REFUSED[case]
    source = written(model, tmp_path / "model", **values)
    for read in (load_model, open_checkpoint, read_architecture):
        with pytest.raises(InputError) as caught:
            read(source)  # type: ignore[operator]
        assert (caught.value.kind, caught.value.where) == (kind, source / "config.json")


def test_a_key_that_is_there_twice(model: Path, tmp_path: Path) -> None:
    source = written(model, tmp_path / "model", **THETA)
    text = (source / "config.json").read_text()
    (source / "config.json").write_text('{"rope_theta": 10000.0, ' + text.lstrip("{"))
    with pytest.raises(InputError) as caught:
        load_model(source)
    assert "'rope_theta' is there twice" in caught.value.problem
