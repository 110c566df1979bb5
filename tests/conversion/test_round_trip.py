"""Hugging Face -> NeMo 2 -> Hugging Face gives the same bits, from every form in which NeMo 2 stores tensors."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import xxhash
from by_hand import Pieces, edit_json, hf_tensors, megatron_tensors, same_bits, save_llama, write_torch_dist

from conversion.convert import convert
from conversion.formats import open_checkpoint
from conversion.huggingface import safetensors_writer
from conversion.record import check_files, read_record


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize(
    "changes",
    [{}, {"tie_word_embeddings": True}, {"num_key_value_heads": 4}, {"num_key_value_heads": 1}],
    ids=["gqa", "tied", "mha", "mqa"],
)
def test_the_same_bits_come_back(dtype: str, changes: dict[str, object], tmp_path: Path) -> None:
    source = save_llama(tmp_path / "source", dtype=dtype, **changes)
    convert(source, tmp_path / "nemo", to="nemo")
    conversion = convert(tmp_path / "nemo", tmp_path / "back", to="hf")
    assert same_bits(hf_tensors(tmp_path / "back"), hf_tensors(source))
    assert conversion.architecture["dtype"] == dtype
    assert open_checkpoint(source).architecture == open_checkpoint(tmp_path / "back").architecture


def test_nan_infinity_and_negative_zero_come_back(hf: Path, out: Path, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    tensors = hf_tensors(hf)
    tensors["model.norm.weight"][:4] = torch.tensor([float("nan"), float("inf"), -0.0, 1e-45])
    save_file(tensors, hf / "model.safetensors", metadata={"format": "pt"})
    convert(hf, tmp_path / "nemo2", to="nemo")
    convert(tmp_path / "nemo2", out, to="hf")
    assert same_bits(hf_tensors(out), tensors)


@pytest.mark.parametrize("form", ["stacked", "layer by layer", "tensor parallel", "one chunk for all layers"])
def test_every_form_of_storage_reads_alike(form: str, small_hf: Path, small_nemo: Path, tmp_path: Path) -> None:
    reader = open_checkpoint(small_nemo)
    single = megatron_tensors(reader)
    tensors: dict[str, torch.Tensor] = {}
    for weight in reader.weights:
        if weight.layer is None or form == "layer by layer":
            tensors["module." + weight.megatron] = single["module." + weight.megatron]
        else:
            layers = [other.megatron for other in reader.weights if other.stacked == weight.stacked]
            tensors["module." + weight.stacked] = torch.stack([single["module." + name] for name in layers])
    cut = {"stacked": one_chunk_a_layer, "tensor parallel": two_ranks}.get(form, one_chunk)
    write_torch_dist(tmp_path / "by_hand", tensors, cut=cut)
    shutil.copytree(small_nemo / "context", tmp_path / "by_hand" / "context")
    convert(tmp_path / "by_hand", tmp_path / "back", to="hf")
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


def test_shards_and_their_index_are_what_transformers_reads(
    small_hf: Path, small_nemo: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import AutoModelForCausalLM

    monkeypatch.setattr(safetensors_writer, "SHARD_BYTES", 20_000)
    convert(small_nemo, out, to="hf")
    files = sorted(path.name for path in out.glob("*.safetensors"))
    assert len(files) > 3
    assert files[0] == f"model-00001-of-{len(files):05d}.safetensors"
    assert all(path.stat().st_size < 40_000 for path in out.glob("*.safetensors"))
    index = json.loads((out / "model.safetensors.index.json").read_text())
    assert set(index["weight_map"].values()) == set(files)
    assert same_bits(hf_tensors(out), hf_tensors(small_hf))
    loaded = AutoModelForCausalLM.from_pretrained(out)
    assert same_bits(dict(loaded.named_parameters()), hf_tensors(small_hf))
    assert open_checkpoint(out).architecture.num_hidden_layers == 2


def test_the_export_is_a_whole_model_for_transformers(small_hf: Path, small_nemo: Path, out: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    convert(small_nemo, out, to="hf")
    tokens = AutoTokenizer.from_pretrained(out)("ACGTNacgt", return_tensors="pt")["input_ids"]
    assert tokens.tolist() == [list(b"ACGTNacgt")]
    models = [AutoModelForCausalLM.from_pretrained(path) for path in (small_hf, out)]
    logits = [model(tokens).logits for model in models]
    assert torch.equal(*logits)
    settings = models[1].generation_config
    assert (settings.bos_token_id, settings.eos_token_id, settings.pad_token_id) == (None, 0, 1)


def test_a_cast_is_made_when_it_is_asked_for(small_hf: Path, small_nemo: Path, out: Path) -> None:
    conversion = convert(small_nemo, out, dtype="bfloat16", to="hf")
    expected = {name: tensor.to(torch.bfloat16) for name, tensor in hf_tensors(small_hf).items()}
    assert same_bits(hf_tensors(out), expected)
    assert conversion.bytes == 2 * conversion.parameters
    assert json.loads((out / "config.json").read_text())["dtype"] == "bfloat16"


def test_the_record_has_a_checksum_for_each_tensor_and_they_are_the_same_in_every_format(
    square_hf: Path, tmp_path: Path
) -> None:
    records = {to: convert(square_hf, tmp_path / to, to=to) for to in ("nemo", "te", "bridge", "hf")}
    expected = {
        name: (tuple(tensor.shape), "float32", xxhash.xxh3_128_hexdigest(tensor.numpy().tobytes()))
        for name, tensor in hf_tensors(square_hf).items()
    }
    for to, record in records.items():
        found = {name: (t.shape, t.dtype, t.checksum) for name, t in record.tensors.items()}
        assert found == expected, to
        assert read_record(tmp_path / to) == record
        assert (record.format, record.source, record.source_format) == (to, str(square_hf), "hf")
        assert list(check_files(tmp_path / to, record)) == []


def test_equal_conversions_give_equal_files(square_hf: Path, tmp_path: Path) -> None:
    for to in ("nemo", "te", "bridge", "hf"):
        for place in ("a", "b"):
            convert(square_hf, tmp_path / place / to, to=to)
        files = [path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*") if path.is_file()]
        assert all((tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes() for file in files)


def test_the_stored_dtype_counts_and_not_the_one_in_config_json(hf: Path, out: Path) -> None:
    edit_json(hf / "config.json", dtype="bfloat16")
    assert convert(hf, out, to="nemo").architecture["dtype"] == "float32"


def test_conversion_needs_neither_torch_nor_nemo_nor_transformers(square_hf: Path, out: Path) -> None:
    code = f"""
import sys
from conversion.convert import convert
heavy = lambda: {{"numpy", "torch", "safetensors", "yaml", "nemo", "megatron", "transformers"}} & sys.modules.keys()
assert not heavy(), heavy()
for source, to in (({str(square_hf)!r}, "te"), ("te", "bridge"), ("bridge", "nemo")):
    convert(source, to, to=to)
assert heavy() == {{"numpy", "yaml"}}, heavy()
"""
    out.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=out, env=environment)
