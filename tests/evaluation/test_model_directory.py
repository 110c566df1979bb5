"""A model directory is data: what is no model of DNA, or would bring code, is refused by name."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from evaluation.likelihood import attention
from evaluation.likelihood.model import load_model
from foundation.errors import InputError


@pytest.fixture
def directory(tiny_directory: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_directory, tmp_path / "model"))


def _change(directory: Path, **values: Any) -> None:
    config = json.loads((directory / "config.json").read_text())
    (directory / "config.json").write_text(json.dumps({**config, **values}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"auto_map": {"AutoModelForCausalLM": "evil.Model"}}, "auto_map"),
        ({"quantization_config": {}}, "quantization_config"),
        ({"vocab_size": 512}, "vocab_size is 512"),
        ({"rope_scaling": {"rope_type": "llama3", "factor": 8.0}}, "rope_scaling"),
        ({"hiden_size": 3}, "unknown key 'hiden_size'.*Did you mean 'hidden_size'"),
        ({"num_hidden_layers": 3}, "missing keys"),
        ({"num_hidden_layers": 1}, "unexpected keys"),
        ({"intermediate_size": 48}, "mismatched|cannot be loaded"),
        ({"model_type": "no-such-model"}, "model_type is 'no-such-model'"),
    ],
)
def test_a_wrong_config_is_named(directory: Path, change: dict[str, Any], message: str) -> None:
    _change(directory, **change)
    with pytest.raises(InputError, match=message):
        load_model(directory)


def test_truncated_weights_are_named(directory: Path) -> None:
    weights = directory / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(InputError, match=f"{directory}: cannot be loaded"):
        load_model(directory)


def test_rope_parameters_without_theta_are_refused(directory: Path) -> None:
    config = json.loads((directory / "config.json").read_text())
    config["rope_parameters"] = {"rope_type": "default", "rope_theta": config.pop("rope_theta")}
    (directory / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="rope_theta"):
        load_model(directory)


@pytest.mark.parametrize("key", ["attn_implementation", "_attn_implementation", "_attn_implementation_internal"])
def test_a_kernel_that_the_config_asks_for_is_not_fetched(directory: Path, key: str) -> None:
    _change(directory, **{key: "stranger/kernel"})
    with pytest.raises(InputError, match=f"`{key}` is 'stranger/kernel'"):
        load_model(directory)
    _change(directory, **{key: "eager"})
    assert load_model(directory, device="cpu").config._attn_implementation == attention.NAME


def test_what_is_not_there_is_named(directory: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such directory"):
        load_model(tmp_path / "nothing")
    with pytest.raises(InputError, match="unknown dtype 'bf16'"):
        load_model(directory, "bf16")
    (directory / "model.safetensors").rename(directory / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"no \.safetensors"):
        load_model(directory)
    (directory / "config.json").write_text("{")
    with pytest.raises(InputError, match="no JSON"):
        load_model(directory)
    (directory / "config.json").unlink()
    with pytest.raises(InputError, match="cannot be read"):
        load_model(directory)


def test_another_tokenizer_is_refused(directory: Path) -> None:
    (directory / "tokenizer.json").write_text(json.dumps({"model": {"type": "WordLevel", "vocab": {"A": 0}}}))
    with pytest.raises(InputError, match="1 tokens, 256 were expected"):
        load_model(directory)
