"""GGUF: llama.cpp computes the model that was converted, and a file that is damaged or of others is refused.

llama.cpp itself was run on such files once (docs/serving.md). Here its arithmetic is written out: RoPE turns
neighbours, by angles that `rope_freqs` divides.
"""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from by_hand import SCALING, hf_tensors, same_bits, save_llama
from refusal import refused
from torch.nn.functional import linear, rms_norm, scaled_dot_product_attention, silu
from transformers import AutoModelForCausalLM

from conversion.convert import convert
from conversion.files.mapped_file import MappedFile
from conversion.formats import open_checkpoint
from conversion.gguf.container import read_header
from conversion.gguf.q8_0 import dequantise, on_grid, quantise
from conversion.inspection import summarise, verify_checkpoint

CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "scaled RoPE": {"rope_scaling": SCALING, "rope_theta": 10_000.0},
    "tied, BOS": {"tie_word_embeddings": True, "bos_token_id": 2},
}


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Values, and float32 tensors, of a file whose weights are float32 or Q8_0."""
    values, stored = read_header(MappedFile(path))
    data, tensors = path.read_bytes(), {}
    for name, one in stored.items():
        if one.type == "q8_0":
            rows, columns = one.shape
            block = np.frombuffer(data, np.uint8, rows * columns // 32 * 34, one.start).reshape(-1, 34)
            scale = block[:, :2].copy().view("<f2").astype(np.float32)
            tensors[name] = torch.from_numpy((block[:, 2:].view(np.int8) * scale).reshape(one.shape))
        else:
            assert one.type == "float32"
            count = int(np.prod(one.shape))
            tensors[name] = torch.from_numpy(np.frombuffer(data, "<f4", count, one.start).reshape(one.shape).copy())
    return values, tensors


def _llama_cpp(values: dict[str, Any], tensors: dict[str, Any], tokens: Any) -> Any:
    """Logits [length, 256] as llama.cpp computes them of a file of the architecture `llama`."""
    heads, groups = values["llama.attention.head_count"], values["llama.attention.head_count_kv"]
    width, epsilon = values["llama.rope.dimension_count"], values["llama.attention.layer_norm_rms_epsilon"]
    turns = values["llama.rope.freq_base"] ** (-torch.arange(0, width, 2) / width)
    angles = torch.outer(torch.arange(len(tokens)), turns / tensors.get("rope_freqs.weight", 1.0))

    def rotate(states: Any) -> Any:
        even, odd = states[..., 0::2], states[..., 1::2]
        turned = (even * angles.cos() - odd * angles.sin(), even * angles.sin() + odd * angles.cos())
        return torch.stack(turned, dim=-1).flatten(-2)

    def norm(hidden: Any, name: str) -> Any:
        return rms_norm(hidden, hidden.shape[-1:], tensors[name], epsilon)

    hidden = tensors["token_embd.weight"][tokens]
    for layer in range(values["llama.block_count"]):
        at = f"blk.{layer}."
        read = norm(hidden, f"{at}attn_norm.weight")
        query, key, value = (
            linear(read, tensors[f"{at}attn_{one}.weight"]).view(len(tokens), count, width).transpose(0, 1)
            for one, count in (("q", heads), ("k", groups), ("v", groups))
        )
        mixed = scaled_dot_product_attention(
            rotate(query)[None], rotate(key)[None], value[None], is_causal=True, enable_gqa=True
        )
        hidden = hidden + linear(mixed[0].transpose(0, 1).flatten(1), tensors[f"{at}attn_output.weight"])
        read = norm(hidden, f"{at}ffn_norm.weight")
        inner = silu(linear(read, tensors[f"{at}ffn_gate.weight"])) * linear(read, tensors[f"{at}ffn_up.weight"])
        hidden = hidden + linear(inner, tensors[f"{at}ffn_down.weight"])
    head = tensors.get("output.weight", tensors["token_embd.weight"])
    return linear(norm(hidden, "output_norm.weight"), head)


@pytest.mark.parametrize("case", CASES)
def test_the_arithmetic_of_llama_cpp_gives_the_logits_of_transformers(case: str, tmp_path: Path) -> None:
    source = save_llama(tmp_path / "source", **CASES[case])
    convert(source, tmp_path / "out", to="gguf")
    values, tensors = _read(tmp_path / "out" / "model.gguf")
    tokens = torch.tensor([65, 67, 71, 84] * 8)
    with torch.inference_mode():
        expected = AutoModelForCausalLM.from_pretrained(source)(tokens[None]).logits[0]
        found = _llama_cpp(values, tensors, tokens)
    torch.testing.assert_close(found, expected, atol=1e-5 * float(expected.abs().max()), rtol=0)
    assert ("rope_freqs.weight" in tensors) == ("rope_scaling" in CASES[case])
    assert values["tokenizer.ggml.add_bos_token"] == ("bos_token_id" in CASES[case])


def test_a_token_is_its_byte() -> None:
    from conversion.gguf.metadata import _tokenizer

    values = _tokenizer(False)
    tokens, types = values["tokenizer.ggml.tokens"], values["tokenizer.ggml.token_type"]
    assert isinstance(tokens, list)
    assert isinstance(types, list)
    assert tokens[:5] == ["<EOS>", "<PAD>", "<BOS>", "<SEP>", "<UNK>"]
    assert (tokens[65], tokens[255], tokens[32]) == ("<0x41>", "<0xFF>", "\u2581")
    assert [types[id] for id in (0, 4, 32, 65)] == [3, 2, 1, 6]
    assert len(set(tokens)) == 256


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_there_and_back_are_the_same_bits(dtype: str, tmp_path: Path) -> None:
    source = save_llama(tmp_path / "source", dtype=dtype, rope_scaling=SCALING)
    convert(source, tmp_path / "gguf", to="gguf")
    convert(tmp_path / "gguf", tmp_path / "back", to="hf")
    assert same_bits(hf_tensors(tmp_path / "back"), hf_tensors(source))
    _, stored = read_header(MappedFile(tmp_path / "gguf" / "model.gguf"))
    assert {one.type for one in stored.values()} == {dtype, "float32"}
    assert all((one.type == "float32") == (len(one.shape) == 1) for one in stored.values()) or dtype == "float32"
    assert summarise(tmp_path / "gguf").dtype == dtype
    assert verify_checkpoint(tmp_path / "gguf") is not None


def test_q8_0_rounds_matrices_once(tmp_path: Path) -> None:
    source = save_llama(tmp_path / "source", intermediate_size=64)
    convert(source, tmp_path / "q", to="gguf", dtype="q8_0")
    values, tensors = _read(tmp_path / "q" / "model.gguf")
    assert values["general.file_type"] == 7
    before = hf_tensors(source)
    found = tensors["blk.0.ffn_up.weight"].numpy()
    wanted = before["model.layers.0.mlp.up_proj.weight"].float().numpy()
    step = np.abs(wanted.reshape(-1, 32)).max(axis=1, keepdims=True) / 127
    assert (np.abs(found - wanted).reshape(-1, 32) <= step * 0.57).all()  # half a step, and the rounding of its scale
    assert (found != wanted).any()
    assert torch.equal(tensors["blk.0.attn_norm.weight"], before["model.layers.0.input_layernorm.weight"].float())
    convert(tmp_path / "q", tmp_path / "back", to="hf")  # what was rounded stays so
    convert(tmp_path / "back", tmp_path / "again", to="gguf", dtype="q8_0")
    assert (tmp_path / "again" / "model.gguf").read_bytes() == (tmp_path / "q" / "model.gguf").read_bytes()
    assert summarise(tmp_path / "q").dtype == "q8_0"
    with refused("dtype", fix="gguf"):
        convert(source, tmp_path / "no", to="hf", dtype="q8_0")
    narrow = save_llama(tmp_path / "narrow", intermediate_size=48)
    with refused("q8_0-shape", names="48"):
        convert(narrow, tmp_path / "no", to="gguf", dtype="q8_0")
    assert not (tmp_path / "no").exists()


def test_the_grid_of_q8_0() -> None:
    numbers = np.random.default_rng(0).normal(size=(40, 64)).astype(np.float32)
    numbers[0] = 0
    numbers[1] *= 1e-9
    once = on_grid(numbers.view("<u4"), "w").view("<f4")
    assert np.array_equal(on_grid(once.view("<u4"), "w").view("<f4"), once)
    assert np.array_equal(dequantise(quantise(once, "w")), once)
    ramp = np.arange(-127, 129, 8, dtype=np.float32)[None] / 2  # the scale is 1/2, and halves go away from zero
    ramp[0, 0], ramp[0, 1] = -63.5, 0.25
    assert quantise(ramp, "w")[0, 2:4].view(np.int8).tolist() == [-127, 1]
    for value in (np.nan, np.inf, 1e9):
        numbers[3, 5] = value
        with refused("dtype-overflow", names="'w'"):
            quantise(numbers, "w")


def test_what_is_damaged_or_of_others_is_refused(tmp_path: Path) -> None:
    convert(save_llama(tmp_path / "source", dtype="bfloat16"), tmp_path / "out", to="gguf")
    path = tmp_path / "out" / "model.gguf"
    whole = path.read_bytes()

    def damaged(content: bytes, kind: str) -> None:
        path.write_bytes(content)
        with refused(kind, where="model.gguf"):
            open_checkpoint(tmp_path / "out")

    for length in (0, 3, 20, 200, 5000, len(whole) - 32):
        damaged(whole[:length], "gguf-damaged")
    damaged(b"GGML" + whole[4:], "gguf-damaged")
    damaged(whole[:4] + struct.pack("<I", 2) + whole[8:], "gguf-damaged")
    damaged(whole[:8] + struct.pack("<Q", 1 << 60) + whole[16:], "gguf-damaged")
    damaged(whole + bytes(32), "gguf-damaged")
    damaged(whole.replace(b"genomic_llama.config", b"genomic_other.config"), "gguf-of-others")
    damaged(whole.replace(b"<0x41>", b"<0x99>", 1), "gguf-metadata")
    damaged(whole.replace(b"blk.0.attn_q.weight", b"blk.0.attn_z.weight"), "missing-tensor")
    place = whole.index(b"token_embd.weight") + 17 + 4 + 16
    damaged(whole[:place] + struct.pack("<I", 12) + whole[place + 4 :], "gguf-type")
    changed = bytearray(whole)
    changed[-40] ^= 1
    path.write_bytes(bytes(changed))
    with refused("tensor-differs"):
        verify_checkpoint(tmp_path / "out")
