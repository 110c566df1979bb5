"""A model directory is data: anything that is not a model of DNA, or contains code, is refused by name."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from conversion.convert import convert
from evaluation.likelihood import attention
from evaluation.likelihood.model import load_model
from foundation.errors import InputError


@pytest.fixture
def directory(tiny_directory: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_directory, tmp_path / "model"))


def _change(directory: Path, **values: Any) -> None:
    config = json.loads((directory / "config.json").read_text())
    (directory / "config.json").write_text(json.dumps({**config, **values}))


def _refused(directory: Path, *arguments: str) -> InputError:
    with pytest.raises(InputError) as caught:
        load_model(directory, *arguments)
    return caught.value


@pytest.mark.parametrize(
    ("change", "kind", "said"),
    [
        ({"auto_map": {"AutoModelForCausalLM": "evil.Model"}}, "config-code", "auto_map"),
        ({"quantization_config": {"quant_method": "fp8"}}, "config-code", "quantization_config"),
        ({"vocab_size": 512}, "config-value", "512"),
        ({"rope_scaling": {"rope_type": "llama3", "factor": 8.0}}, "rope-unsupported", "factor"),
        ({"hiden_size": 3}, "config-unknown-key", "'hiden_size'"),
        ({"num_hidden_layers": 3}, "missing-tensor", "model.layers.2."),
        ({"num_hidden_layers": 1}, "unknown-tensor", "model.layers.1."),
        ({"num_hidden_layers": 1_000_000_000}, "config-size", "1,000,000,000"),
        ({"intermediate_size": 48}, "tensor-shape", "mlp"),
        ({"hidden_size": "32", "head_dim": None}, "config-value", "'32'"),
        ({"model_type": "no-such-model"}, "config-value", "no-such-model"),
        ({"transformers_weights": "../other/model.safetensors"}, "config-unknown-key", "transformers_weights"),
    ],
)
def test_a_wrong_config_is_named(directory: Path, change: dict[str, Any], kind: str, said: str) -> None:
    _change(directory, **change)
    error = _refused(directory)
    assert error.kind == kind
    assert said in error.problem
    assert str(error.where).startswith(str(directory))


def test_truncated_weights_are_named(directory: Path) -> None:
    weights = directory / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    error = _refused(directory)
    assert (error.kind, error.where) == ("safetensors-damaged", weights)


@pytest.mark.parametrize("key", ["attn_implementation", "_attn_implementation", "_attn_implementation_internal"])
def test_a_kernel_that_the_config_asks_for_is_not_fetched(directory: Path, key: str) -> None:
    _change(directory, **{key: "stranger/kernel"})
    error = _refused(directory)
    assert (error.kind, "stranger/kernel" in error.problem) == ("config-value", True)
    for known in ("eager", "flash_attention_2"):
        _change(directory, **{key: known})
        assert load_model(directory, device="cpu").config._attn_implementation == attention.NAME


def test_what_is_not_there_is_named(directory: Path, tmp_path: Path) -> None:
    assert _refused(tmp_path / "nothing").kind == "no-such-directory"
    assert _refused(directory, "bf16").kind == "dtype"
    (directory / "model.safetensors").rename(directory / "pytorch_model.bin")
    assert _refused(directory).kind == "pickled-weights"
    (directory / "pytorch_model.bin").unlink()
    assert _refused(directory).kind == "no-weights"
    (directory / "config.json").write_text("{")
    assert _refused(directory).kind == "not-json"
    (directory / "config.json").unlink()
    assert (_refused(directory).kind, _refused(directory).where) == ("no-config", directory)


@pytest.mark.parametrize("place", ["checkpoint", "run", "checkpoints"])
def test_a_run_is_to_be_converted(directory: Path, tmp_path: Path, place: str) -> None:
    run = tmp_path / "run"
    convert(directory, run / "checkpoints" / "step=3", to="nemo")
    given = {"checkpoint": run / "checkpoints" / "step=3", "run": run, "checkpoints": run / "checkpoints"}[place]
    error = _refused(given)
    assert (error.kind, "NeMo" in error.problem) == ("not-converted", True)
    assert f"genomic-llama convert {given}" in error.fix
    convert(directory, tmp_path / "bridge", to="bridge")
    assert _refused(tmp_path / "bridge").kind == "not-converted"


def test_an_index_of_weights_elsewhere_is_not_followed(directory: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    names = list(load_file(directory / "model.safetensors"))
    (directory / "model.safetensors").rename(tmp_path / "model.safetensors")
    index = {"weight_map": dict.fromkeys(names, "../model.safetensors")}
    (directory / "model.safetensors.index.json").write_text(json.dumps(index))
    assert _refused(directory).kind == "index-outside"


def test_transformers_gets_no_directory(directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever lies beside the weights; and the weights are what transformers itself reads."""
    import torch
    from transformers import AutoModelForCausalLM, PretrainedConfig, PreTrainedModel

    theirs = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32)
    for name in ("modeling_llama.py", "generation_config.json", "README.md", "model.gguf"):
        (directory / name).write_text("{ not JSON")

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("transformers was given a directory")

    monkeypatch.setattr(PreTrainedModel, "from_pretrained", refuse)
    monkeypatch.setattr(PretrainedConfig, "from_pretrained", refuse)
    monkeypatch.setattr(PretrainedConfig, "get_config_dict", refuse)
    ours = load_model(directory, device="cpu")
    tokens = torch.randint(65, 90, (2, 20), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(ours(tokens, use_cache=False).logits, theirs(tokens, use_cache=False).logits)


def test_weights_are_views_of_the_file(directory: Path) -> None:
    """A model of 8B is loaded without a copy of it."""
    import torch

    maps = Path("/proc/self/maps").read_text
    loaded = load_model(directory, device="cpu")
    weights = str((directory / "model.safetensors").resolve())
    spans = [line.split()[0].split("-") for line in maps().splitlines() if line.endswith(weights)]
    ranges = [(int(start, 16), int(end, 16)) for start, end in spans]
    assert all(any(a <= one.data_ptr() < b for a, b in ranges) for one in loaded.parameters())
    cast = load_model(directory, "bfloat16", device="cpu")
    assert {one.dtype for one in cast.parameters()} == {torch.bfloat16}


def test_another_tokenizer_is_refused(directory: Path) -> None:
    (directory / "tokenizer.json").write_text(json.dumps({"model": {"type": "WordLevel", "vocab": {"A": 0}}}))
    assert _refused(directory).where == directory / "tokenizer.json"
