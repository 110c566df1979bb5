"""Weights of another model with the same tensor shapes are refused before NeMo is imported."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fuzz_seeds import write_model
from refusal import refused

from configs.compose import compose_config
from configs.extension import extended_from, run_architecture
from configs.llama import read_architecture
from configs.rope import RopeScaling, hf_scaling
from conversion.convert import convert
from foundation.errors import InputError
from launch.preflight.examine import examine
from training.checkpointing.same_model import check_initial_weights, check_same_model

SCALING = {"rope_type": "llama3", **vars(RopeScaling(factor=8.0))}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    write_model(tmp_path / "hf")
    return tmp_path / "hf"


def change(model: Path, **values: Any) -> None:
    path = model / "config.json"
    config = json.loads(path.read_text())
    config.pop("rope_parameters", None)
    path.write_text(json.dumps({**config, **values}))


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"rope_theta": 10_000.0}, "rope_theta is 10000.0, and 500000.0 in model_tag"),
        ({"rms_norm_eps": 1e-3}, "rms_norm_eps is 0.001, and 1e-05 in model_tag"),
        ({"rope_scaling": SCALING}, "rope_scaling is {'factor': 8.0"),
    ],
)
def test_another_model_is_refused_by_name(model: Path, values: Mapping[str, Any], told: str) -> None:
    architecture = read_architecture(model)
    check_same_model(model, architecture)
    change(model, **values)
    for name in ("hf", "nemo", "bridge"):
        if name != "hf":
            convert(model, model.parent / name, to=name)
        with pytest.raises(InputError) as caught:
            check_same_model(model.parent / name, architecture)
        assert told in caught.value.problem
        assert str(model.parent / name) in str(caught.value)
        assert "model_tag=" in caught.value.fix
    check_same_model(model.parent / "nemo", read_architecture(model))  # as the fix says


def test_as_many_heads_of_another_size_are_refused(model: Path) -> None:
    architecture = read_architecture(model)
    heads, groups, size = architecture.num_attention_heads, architecture.num_key_value_heads, architecture.head_dim
    other = replace(architecture, num_attention_heads=heads * 2, num_key_value_heads=groups * 2, head_dim=size // 2)
    with refused("another-model", where=model, names=f"num_attention_heads is {heads}", fix="model_tag="):
        check_same_model(model, other)


def test_what_says_how_it_is_computed_may_differ(model: Path) -> None:
    architecture = read_architecture(model)
    check_same_model(model, replace(architecture, max_position_embeddings=64, initializer_range=1.0, dtype="float16"))


EXTENDED = ["dataset.sequence_length=64", "rope.factor=2"]


def test_a_longer_context_starts_from_its_base_or_from_itself(model: Path, tmp_path: Path) -> None:
    """And from nothing else: frequencies that neither has, or positions that the base was not trained on."""
    change(model, max_position_embeddings=32)
    words = [f"init_from={model}", f"model_tag={model}", f"run_dir={tmp_path}/run", *EXTENDED]
    config = compose_config("finetune_tiny", words)
    wanted, base = run_architecture(config), extended_from(config)
    assert (wanted.max_position_embeddings, base and base.rope_scaling) == (64, None)
    check_initial_weights(config, wanted)
    with refused("another-model", where=model, names="rope_scaling"):
        check_same_model(model, wanted)
    change(model, max_position_embeddings=64, rope_scaling=hf_scaling(wanted.rope_scaling))
    check_same_model(model, wanted, base=base)
    change(model, max_position_embeddings=64, rope_scaling=None)
    with refused("another-context", where=model, names="64", fix="model_tag="):
        check_same_model(model, wanted, base=base)
    change(model, max_position_embeddings=32, rope_theta=10_000.0)
    with refused("another-model", where=model, names="10000"):
        check_same_model(model, wanted, base=base)


def test_only_where_the_run_starts_from_them(tmp_path: Path) -> None:
    config = compose_config("finetune_tiny", [f"init_from={tmp_path}/none", f"run_dir={tmp_path}"])
    architecture = read_architecture(config.model_tag)
    with refused("no-such-directory", where="none"):
        check_initial_weights(config, architecture)
    (tmp_path / "checkpoints" / "step=3").mkdir(parents=True)
    (tmp_path / "checkpoints" / "step=3" / "manifest.json").write_text("{}")
    check_initial_weights(config, architecture)


def test_training_and_the_doctor_refuse_them_early(model: Path, tmp_path: Path) -> None:
    code = "import sys; from recipes.train import main; print(main(sys.argv[1:]), 'nemo' in sys.modules)"
    values = [f"run_dir={tmp_path}/run", f"init_from={model}"]
    command = [sys.executable, "-c", code, "--config-name", "finetune_tiny", *values]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.stdout.strip() == "1 False", result.stderr
    assert f"error: {model}: is of another model: " in result.stderr
    assert f"To train that model, give model_tag={model}." in result.stderr
    ((status, found),) = [
        (one.status, one.found) for one in examine("finetune_tiny", values) if one.what == "initial weights"
    ]
    assert status == "will not work"
    assert "is of another model" in found
