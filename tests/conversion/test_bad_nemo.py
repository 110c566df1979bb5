"""NeMo 2 checkpoints that cannot be converted: each is an error that names what is wrong, and leaves nothing behind."""

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from by_hand import edit_metadata, edit_model_yaml, megatron_tensors, write_torch_dist
from refusal import refused

from conversion.convert import convert
from conversion.formats import open_checkpoint
from foundation.errors import InputError

QKV = "module.decoder.layers.self_attention.linear_qkv.weight"
NORM = "module.decoder.final_layernorm.weight"


def refuse(nemo: Path, out: Path, kind: str, where: str, *named: str, fix: str = "") -> None:
    """Converting `nemo` is refused so, naming all values of `named`, and `out` and all around it is as before."""
    with refused(kind, where=where, fix=fix) as caught:
        convert(nemo, out, to="hf")
    assert [value for value in named if value not in caught.value.problem] == []
    assert list(out.parent.iterdir()) == []


@pytest.mark.parametrize("name", [QKV, NORM, "module.embedding.word_embeddings.weight"])
def test_a_missing_tensor(name: str, nemo: Path, out: Path) -> None:
    edit_metadata(nemo, lambda content: content.state_dict_metadata.pop(name))
    if name == QKV:
        name = name.replace("layers.", "layers.0.")
    refuse(nemo, out, "missing-tensor", ".metadata", repr(name))


@pytest.mark.parametrize("name", ["module.decoder.layers.mlp.linear_fc1.bias", "module.lora.weight", "ema.weight"])
def test_an_unknown_tensor(name: str, nemo: Path, out: Path) -> None:
    def add(content: Any) -> None:
        content.state_dict_metadata[name] = content.state_dict_metadata[NORM]
        for index, info in list(content.storage_data.items()):
            if index.fqn == NORM:
                content.storage_data[type(index)(name, index.offset)] = info

    edit_metadata(nemo, add)
    refuse(nemo, out, "unknown-tensor", "__0_0.distcp", repr(name))


def test_a_wrong_shape(nemo: Path, out: Path) -> None:
    edit_model_yaml(nemo, ffn_hidden_size=64)
    name = "'module.decoder.layers.mlp.linear_fc1.weight'"
    fix = "the configuration of the same model"
    refuse(nemo, out, "tensor-shape", "__0_0.distcp", name, "[2, 96, 32]", "[2, 128, 32]", fix=fix)


def test_a_layer_too_many_and_one_too_few(nemo: Path, out: Path) -> None:
    for layers in (1, 3):
        edit_model_yaml(nemo, num_layers=layers)
        refuse(nemo, out, "tensor-shape", "__0_0.distcp", "[2,", f"[{layers},")


def test_a_vocabulary_that_may_or_may_not_be_padded(nemo: Path, out: Path) -> None:
    """512 rows, and no number of tokens beside them: the rest may be padding, or another vocabulary."""
    tensors = megatron_tensors(open_checkpoint(nemo))
    for name in ("module.embedding.word_embeddings.weight", "module.output_layer.weight"):
        tensors[name] = torch.cat([tensors[name], torch.zeros(256, 32)])
    shutil.rmtree(nemo / "weights")
    write_torch_dist(nemo, tensors)
    edit_model_yaml(nemo, vocab_size=None)
    refuse(nemo, out, "config-value", "model.yaml", "vocab_size is 512", fix="256 tokens")


def test_embeddings_of_different_lengths(nemo: Path, out: Path) -> None:
    tensors = megatron_tensors(open_checkpoint(nemo))
    tensors["module.output_layer.weight"] = torch.cat([tensors["module.output_layer.weight"], torch.zeros(256, 32)])
    shutil.rmtree(nemo / "weights")
    write_torch_dist(nemo, tensors)
    refuse(nemo, out, "tensor-shape", "__0_0.distcp", "'module.output_layer.weight'", "[512, 32]", "[256, 32]")


@pytest.mark.parametrize(
    ("fields", "kind", "named"),
    [
        ({"vocab_size": 512}, "config-value", "vocab_size is 512"),
        ({"_target_": "nemo.collections.llm.gpt.model.llama.Llama4Config"}, "model-class", "Llama4Config"),
        ({"_target_": "os.system"}, "model-class", "os.system"),
        ({"activation_func": {"_target_": "torch.nn.functional.gelu", "_call_": False}}, "activation", "gelu"),
        ({"add_qkv_bias": True}, "config-value", "add_qkv_bias"),
        ({"num_moe_experts": 8}, "config-value", "num_moe_experts"),
        ({"rotary_percent": 0.5}, "config-value", "rotary_percent"),
        ({"num_query_groups": 3}, "config-value", "num_key_value_heads"),
    ],
)
def test_another_model(fields: dict[str, Any], kind: str, named: str, nemo: Path, out: Path) -> None:
    edit_model_yaml(nemo, **fields)
    refuse(nemo, out, kind, "model.yaml", named)


def test_a_model_yaml_that_would_build_something(nemo: Path, out: Path, tmp_path: Path) -> None:
    trace = tmp_path / "ran"
    (nemo / "context" / "model.yaml").write_text(f"config: !!python/object/apply:os.mkdir ['{trace}']\n")
    refuse(nemo, out, "yaml-tag", "model.yaml", "os.mkdir")
    assert not trace.exists()


def test_no_context(nemo: Path, out: Path) -> None:
    shutil.rmtree(nemo / "context")
    refuse(nemo, out, "no-config", "model.yaml")


def test_io_json_is_never_read(nemo: Path, out: Path) -> None:
    (nemo / "context" / "io.json").write_text("no JSON")
    convert(nemo, out, to="hf")
    assert (out / "model.safetensors").is_file()


def test_different_dtypes(nemo: Path, out: Path) -> None:
    def change(content: Any) -> None:
        content.state_dict_metadata[NORM].properties.dtype = torch.bfloat16

    edit_metadata(nemo, change)
    refuse(nemo, out, "mixed-dtypes", "nemo", repr(NORM), "bfloat16", "float32")


def test_metadata_that_disagrees_with_the_shard(nemo: Path, out: Path) -> None:
    def change(content: Any) -> None:
        for stored in content.state_dict_metadata.values():
            if hasattr(stored, "properties"):
                stored.properties.dtype = torch.bfloat16

    edit_metadata(nemo, change)
    refuse(nemo, out, "chunk-disagrees", "__0_0.distcp", "float32", "bfloat16")


def test_a_truncated_shard(nemo: Path, out: Path) -> None:
    shard = nemo / "weights" / "__0_0.distcp"
    shard.write_bytes(shard.read_bytes()[:-20_000])
    refuse(nemo, out, "file-truncated", "__0_0.distcp")


def test_a_damaged_shard(nemo: Path, out: Path) -> None:
    shard = nemo / "weights" / "__0_0.distcp"
    shard.write_bytes(bytes(shard.stat().st_size))
    refuse(nemo, out, "chunk-unreadable", "__0_0.distcp")


def test_a_missing_shard(nemo: Path, out: Path) -> None:
    (nemo / "weights" / "__0_0.distcp").unlink()
    refuse(nemo, out, "missing-shard", "__0_0.distcp")


@pytest.mark.parametrize("keep", [0, 1, 100, -1])
def test_a_truncated_metadata(keep: int, nemo: Path, out: Path) -> None:
    path = nemo / "weights" / ".metadata"
    path.write_bytes(path.read_bytes()[:keep])
    refuse(nemo, out, "metadata-damaged", ".metadata")


@pytest.mark.parametrize("content", [None, 7, {"a": 1}, [], "text"])
def test_a_metadata_of_something_else(content: object, nemo: Path, out: Path) -> None:
    (nemo / "weights" / ".metadata").write_bytes(pickle.dumps(content))
    refuse(nemo, out, "metadata-damaged", ".metadata")


def test_a_metadata_with_every_byte_wrong_once_is_an_input_error_or_the_same_tensors(
    nemo: Path, tmp_path: Path
) -> None:
    """One bit flipped at a time; some flips go unnoticed, since not all of it is looked at."""
    path = nemo / "weights" / ".metadata"
    whole = path.read_bytes()
    expected = tensors(nemo)
    count = 0
    for position in range(0, len(whole), 29):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0x21]) + whole[position + 1 :])
        try:
            found = tensors(nemo)
        except InputError:
            count += 1
        else:
            assert found == expected, position
    assert count > len(whole) // 29 // 2


def tensors(checkpoint: Path) -> dict[str, bytes]:
    """The tensors of a checkpoint by name, as bytes."""
    opened = open_checkpoint(checkpoint)
    parts = {weight.megatron: opened.parts(weight) for weight in opened.weights}
    return {name: b"".join(row.tobytes() for rows in each for row in rows) for name, each in parts.items()}


def chunks_of(name: str, edit: Callable[[list[Any]], None]) -> Callable[[Any], None]:
    return lambda content: edit(content.state_dict_metadata[name].chunks)


def test_a_gap_between_chunks(nemo: Path, out: Path) -> None:
    edit_metadata(nemo, chunks_of(QKV, lambda chunks: chunks.pop()))
    refuse(nemo, out, "chunks-incomplete", ".metadata", repr(QKV))


def test_chunks_twice(nemo: Path, out: Path) -> None:
    edit_metadata(nemo, chunks_of(QKV, lambda chunks: chunks.append(chunks[0])))
    refuse(nemo, out, "chunks-incomplete", ".metadata", repr(QKV))


def test_a_chunk_outside_of_its_tensor(nemo: Path, out: Path) -> None:
    def move(chunks: list[Any]) -> None:
        chunks[0].offsets = torch.Size([2, 0, 0])

    edit_metadata(nemo, chunks_of(QKV, move))
    refuse(nemo, out, "chunk-outside", ".metadata", repr(QKV))


def test_a_chunk_in_no_file(nemo: Path, out: Path) -> None:
    def forget(content: Any) -> None:
        for index in [index for index in content.storage_data if index.fqn == NORM]:
            del content.storage_data[index]

    edit_metadata(nemo, forget)
    refuse(nemo, out, "chunk-in-no-file", ".metadata", repr(NORM))


def test_no_checkpoint_at_all(tmp_path: Path, out: Path) -> None:
    (tmp_path / "weights").mkdir()
    refuse(tmp_path, out, "no-metadata", "weights")
    refuse(tmp_path / "nowhere", out, "no-such-directory", "nowhere")
