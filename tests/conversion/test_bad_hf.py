"""Hugging Face directories that cannot be converted: each is an error that names what is wrong, and leaves nothing."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from by_hand import edit_json, hf_tensors
from refusal import refused
from safetensors.torch import save_file

from conversion.convert import convert
from conversion.formats import open_checkpoint
from conversion.huggingface import safetensors_writer
from foundation.errors import InputError
from tokenizer.huggingface import write_tokenizer

INDEX = "model.safetensors.index.json"
Q = "model.layers.1.self_attn.q_proj.weight"


def refuse(hf: Path, out: Path, kind: str, where: str, *named: str, fix: str = "") -> None:
    """Converting `hf` is refused so, naming all values of `named`, and `out` and all around it is as before."""
    with refused(kind, where=where, fix=fix) as caught:
        convert(hf, out, to="nemo")
    assert [value for value in named if value not in caught.value.problem] == []
    assert list(out.parent.iterdir()) == []


def change_tensors(hf: Path, **changes: Any) -> None:
    """Replace, add or (None) remove tensors; `__` in a name stands for a dot."""
    tensors = hf_tensors(hf) | {name.replace("__", "."): value for name, value in changes.items()}
    kept = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    save_file(kept, hf / "model.safetensors", metadata={"format": "pt"})


def test_a_missing_tensor(hf: Path, out: Path) -> None:
    change_tensors(hf, **{Q: None})
    refuse(hf, out, "missing-tensor", "model.safetensors", repr(Q))


def test_an_unknown_tensor(hf: Path, out: Path) -> None:
    change_tensors(hf, **{"model.layers.1.self_attn.q_proj.bias": torch.zeros(64)})
    refuse(hf, out, "unknown-tensor", "model.safetensors", "'model.layers.1.self_attn.q_proj.bias'")


def test_a_third_layer_that_config_json_does_not_know(hf: Path, out: Path) -> None:
    change_tensors(hf, **{Q.replace("1", "2"): torch.zeros(64, 32)})
    refuse(hf, out, "unknown-tensor", "model.safetensors", "'model.layers.2.self_attn.q_proj.weight'")


def test_an_output_layer_beside_tied_embeddings(hf: Path, out: Path) -> None:
    edit_json(hf / "config.json", tie_word_embeddings=True)
    refuse(hf, out, "tied-head-differs", "", "'lm_head.weight'")


def test_a_wrong_shape(hf: Path, out: Path) -> None:
    change_tensors(hf, **{Q: torch.zeros(32, 64)})
    refuse(hf, out, "tensor-shape", "model.safetensors", repr(Q), "[32, 64]", "[64, 32]")


def test_a_wrong_vocabulary(hf: Path, out: Path) -> None:
    change_tensors(hf, model__embed_tokens__weight=torch.zeros(512, 32))
    refuse(hf, out, "tensor-shape", "model.safetensors", "embed_tokens", "[512, 32]", fix="256 tokens")
    edit_json(hf / "config.json", vocab_size=512)
    refuse(hf, out, "config-value", "config.json", "vocab_size is 512")


@pytest.mark.parametrize(
    "scaling",
    [
        {"rope_scaling": {"rope_type": "linear", "factor": 8.0}},
        {"rope_parameters": {"rope_theta": 500000.0, "rope_type": "llama3", "factor": 8.0}},
    ],
)
def test_another_rope_scaling(scaling: dict[str, Any], hf: Path, out: Path) -> None:
    edit_json(hf / "config.json", **scaling)
    refuse(hf, out, "rope-unsupported", "config.json", next(iter(scaling)))


def test_two_dtypes(hf: Path, out: Path) -> None:
    change_tensors(hf, **{Q: torch.zeros(64, 32, dtype=torch.bfloat16)})
    refuse(hf, out, "mixed-dtypes", "hf", repr(Q), "bfloat16")


def test_an_unsupported_dtype(hf: Path, out: Path) -> None:
    change_tensors(hf, **{name: tensor.to(torch.float8_e4m3fn) for name, tensor in hf_tensors(hf).items()})
    refuse(hf, out, "tensor-dtype", "model.safetensors", "F8_E4M3", fix="float32, bfloat16 or float16")


def test_the_inverse_frequencies_of_old_exports_are_left_out(hf: Path, out: Path) -> None:
    change_tensors(hf, **{"model.layers.0.self_attn.rotary_emb.inv_freq": torch.zeros(8)})
    assert len(convert(hf, out, to="nemo").tensors) == 21


@pytest.mark.parametrize("kept", [0, 4, 100, 5000, -1])
def test_a_truncated_file(kept: int, hf: Path, out: Path) -> None:
    path = hf / "model.safetensors"
    path.write_bytes(path.read_bytes()[:kept])
    refuse(hf, out, "safetensors-damaged", "model.safetensors")


def test_pickled_weights_are_never_opened(hf: Path, out: Path) -> None:
    (hf / "model.safetensors").rename(hf / "pytorch_model.bin")
    refuse(hf, out, "pickled-weights", "pytorch_model.bin", fix="safetensors")


def test_no_weights_and_no_config(hf: Path, out: Path, tmp_path: Path) -> None:
    (hf / "model.safetensors").unlink()
    refuse(hf, out, "no-weights", "hf", "model.safetensors")
    refuse(tmp_path / "nowhere", out, "no-such-directory", "nowhere")
    (hf / "config.json").unlink()
    refuse(hf, out, "no-checkpoint", "hf", fix="config.json")


def test_a_tokenizer_of_another_vocabulary(hf: Path, out: Path) -> None:
    write_tokenizer(hf, model_max_length=64)
    content = json.loads((hf / "tokenizer.json").read_text())
    vocabulary = content["model"]["vocab"]
    vocabulary["A"], vocabulary["C"] = vocabulary["C"], vocabulary["A"]
    (hf / "tokenizer.json").write_text(json.dumps(content))
    refuse(hf, out, "tokenizer-vocabulary", "tokenizer.json", fix="id 65 is 'C'")


@pytest.fixture
def sharded(small_nemo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(safetensors_writer, "SHARD_BYTES", 20_000)
    convert(small_nemo, tmp_path / "sharded", to="hf")
    return tmp_path / "sharded"


def test_a_missing_shard(sharded: Path, out: Path) -> None:
    shard = sorted(sharded.glob("*.safetensors"))[2]
    shard.unlink()
    refuse(sharded, out, "missing-shard", shard.name)


def test_an_index_that_disagrees_with_its_files(sharded: Path, out: Path) -> None:
    index = json.loads((sharded / INDEX).read_text())
    first, last = (index["weight_map"][name] for name in ("model.embed_tokens.weight", "lm_head.weight"))
    edit_json(sharded / INDEX, weight_map=index["weight_map"] | {"lm_head.weight": first})
    refuse(sharded, out, "index-disagrees", first, "'lm_head.weight'")
    edit_json(sharded / INDEX, weight_map={k: v for k, v in index["weight_map"].items() if v != last} | {Q: last})
    refuse(sharded, out, "index-disagrees", ".safetensors")


@pytest.mark.parametrize("name", ["../hf/model.safetensors", "/etc/passwd", "weights.bin", 7])
def test_an_index_that_leads_elsewhere(name: object, sharded: Path, out: Path) -> None:
    index = json.loads((sharded / INDEX).read_text())
    edit_json(sharded / INDEX, weight_map=index["weight_map"] | {Q: name})
    refuse(sharded, out, "index-outside", INDEX, repr(name))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", "not-json"),
        ("not JSON", "not-json"),
        ("[]", "index-damaged"),
        ("{}", "index-damaged"),
        ('{"weight_map": []}', "index-damaged"),
    ],
)
def test_a_damaged_index(text: str, kind: str, sharded: Path, out: Path) -> None:
    (sharded / INDEX).write_text(text)
    refuse(sharded, out, kind, INDEX)


def test_files_are_closed_after_an_error(hf: Path) -> None:
    change_tensors(hf, **{Q: None})
    with pytest.raises(InputError):
        open_checkpoint(hf)
    (hf / "model.safetensors").write_bytes(b"")
