"""Hugging Face -> NeMo 2 -> Hugging Face gives the same bits, from every form in which NeMo 2 stores tensors."""

import dataclasses
import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from by_hand import Pieces, edit_json, hf_tensors, same_bits, save_llama, write_torch_dist

from conversion.convert import to_hf, to_nemo
from conversion.hf_checkpoint import HfCheckpoint
from conversion.nemo_checkpoint import NemoCheckpoint


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize(
    "changes",
    [{}, {"tie_word_embeddings": True}, {"num_key_value_heads": 4}, {"num_key_value_heads": 1}],
    ids=["gqa", "tied", "mha", "mqa"],
)
def test_the_same_bits_come_back(dtype: str, changes: dict[str, object], tmp_path: Path) -> None:
    source = save_llama(tmp_path / "source", dtype=dtype, **changes)
    to_nemo(source, tmp_path / "nemo")
    conversion = to_hf(tmp_path / "nemo", tmp_path / "back")
    assert same_bits(hf_tensors(tmp_path / "back"), hf_tensors(source))
    assert conversion.architecture.dtype == dtype
    with HfCheckpoint(source) as before, HfCheckpoint(tmp_path / "back") as after:
        assert before.architecture == after.architecture


def test_nan_infinity_and_negative_zero_come_back(hf: Path, out: Path, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    tensors = hf_tensors(hf)
    tensors["model.norm.weight"][:4] = torch.tensor([float("nan"), float("inf"), -0.0, 1e-45])
    save_file(tensors, hf / "model.safetensors", metadata={"format": "pt"})
    to_nemo(hf, tmp_path / "nemo2")
    to_hf(tmp_path / "nemo2", out)
    assert same_bits(hf_tensors(out), tensors)


@pytest.mark.parametrize("form", ["stacked", "layer by layer", "tensor parallel", "one chunk for all layers"])
def test_every_form_of_storage_reads_alike(form: str, small_hf: Path, small_nemo: Path, tmp_path: Path) -> None:
    reader = NemoCheckpoint(small_nemo)
    tensors: dict[str, torch.Tensor] = {}
    for weight in reader.weights:
        if weight.layer is None or form == "layer by layer":
            tensors["module." + weight.megatron] = reader.read(weight)
        else:
            layers = [reader.read(other) for other in reader.weights if other.stacked == weight.stacked]
            tensors["module." + weight.stacked] = torch.stack(layers)
    cut = {"stacked": one_chunk_a_layer, "tensor parallel": two_ranks}.get(form, one_chunk)
    write_torch_dist(tmp_path / "by_hand", tensors, cut=cut)
    shutil.copytree(small_nemo / "context", tmp_path / "by_hand" / "context")
    to_hf(tmp_path / "by_hand", tmp_path / "back")
    assert same_bits(hf_tensors(tmp_path / "back"), hf_tensors(small_hf))


def one_chunk(_: str, tensor: torch.Tensor) -> Pieces:
    yield (0,) * tensor.ndim, tensor


def one_chunk_a_layer(name: str, tensor: torch.Tensor) -> Pieces:
    if ".layers." not in name:
        yield from one_chunk(name, tensor)
    else:
        for layer in range(len(tensor)):
            yield (layer, *(0,) * (tensor.ndim - 1)), tensor[layer : layer + 1]


def two_ranks(name: str, tensor: torch.Tensor) -> Pieces:
    """Rows, or for row-parallel layers columns, in halves; of linear_fc1 each half of gate and of up."""
    for offsets, piece in one_chunk_a_layer(name, tensor):
        if "norm" in name:
            yield offsets, piece
            continue
        dimension = piece.ndim - (1 if "linear_proj" in name or "linear_fc2" in name else 2)
        start = 0
        for part in piece.chunk(4 if "linear_fc1" in name else 2, dim=dimension):
            yield (*offsets[:dimension], start, *offsets[dimension + 1 :]), part
            start += part.shape[dimension]


def test_shards_and_their_index_are_what_transformers_reads(small_hf: Path, small_nemo: Path, out: Path) -> None:
    from transformers import AutoModelForCausalLM

    to_hf(small_nemo, out, shard_bytes=20_000)
    files = sorted(path.name for path in out.glob("*.safetensors"))
    assert len(files) > 3
    assert files[0] == f"model-00001-of-{len(files):05d}.safetensors"
    assert all(path.stat().st_size < 40_000 for path in out.glob("*.safetensors"))
    index = json.loads((out / "model.safetensors.index.json").read_text())
    assert set(index["weight_map"].values()) == set(files)
    assert same_bits(hf_tensors(out), hf_tensors(small_hf))
    loaded = AutoModelForCausalLM.from_pretrained(out)
    assert same_bits(dict(loaded.named_parameters()), hf_tensors(small_hf))
    with HfCheckpoint(out) as checkpoint:
        assert checkpoint.architecture.num_hidden_layers == 2


def test_the_export_is_a_whole_model_for_transformers(small_hf: Path, small_nemo: Path, out: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    to_hf(small_nemo, out)
    tokens = AutoTokenizer.from_pretrained(out)("ACGTNacgt", return_tensors="pt")["input_ids"]
    assert tokens.tolist() == [list(b"ACGTNacgt")]
    models = [AutoModelForCausalLM.from_pretrained(path) for path in (small_hf, out)]
    logits = [model(tokens).logits for model in models]
    assert torch.equal(*logits)
    settings = models[1].generation_config
    assert (settings.bos_token_id, settings.eos_token_id, settings.pad_token_id) == (None, 0, 1)


def test_a_cast_is_made_when_it_is_asked_for(small_hf: Path, small_nemo: Path, out: Path) -> None:
    conversion = to_hf(small_nemo, out, dtype="bfloat16")
    expected = {name: tensor.to(torch.bfloat16) for name, tensor in hf_tensors(small_hf).items()}
    assert same_bits(hf_tensors(out), expected)
    assert conversion.bytes == 2 * conversion.parameters
    assert json.loads((out / "config.json").read_text())["dtype"] == "bfloat16"


def test_the_record_has_the_checksums_and_equal_conversions_give_equal_files(
    small_nemo: Path, small_hf: Path, tmp_path: Path
) -> None:
    first, second = (to_hf(small_nemo, tmp_path / name) for name in ("a", "b"))
    assert first == second
    assert first.sha256 == {
        "model.safetensors": hashlib.sha256((tmp_path / "a" / "model.safetensors").read_bytes()).hexdigest()
    }
    assert json.loads((tmp_path / "a" / "conversion.json").read_text()) == dataclasses.asdict(first)
    again = to_nemo(small_hf, tmp_path / "nemo2")
    assert again.sha256 == json.loads((small_nemo / "conversion.json").read_text())["sha256"]
    assert list(again.sha256) == ["weights/__0_0.distcp"]


def test_the_stored_dtype_counts_and_not_the_one_in_config_json(hf: Path, out: Path) -> None:
    edit_json(hf / "config.json", dtype="bfloat16")
    assert to_nemo(hf, out).architecture.dtype == "float32"


def test_conversion_needs_neither_nemo_nor_transformers_nor_torch_until_it_runs(small_nemo: Path, out: Path) -> None:
    code = f"""
import sys
from conversion.convert import to_hf, to_nemo
heavy = lambda: {{"torch", "safetensors", "yaml", "nemo", "megatron", "transformers", "lightning"}} & sys.modules.keys()
assert not heavy(), heavy()
to_hf({str(small_nemo)!r}, {str(out)!r})
to_nemo({str(out)!r}, {str(out) + "2"!r})
assert heavy() == {{"torch", "safetensors", "yaml"}}, heavy()
import torch
assert not torch.distributed.is_initialized()
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, cwd=Path(__file__).parents[2])
