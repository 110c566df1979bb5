"""Models as other tools write them, a little apart from the rule: taken where nothing is lost, refused where it is."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from by_hand import edit_json, hf_tensors, megatron_tensors, same_bits, save_llama, write_torch_dist
from safetensors.torch import save_file

from conversion.convert import convert
from conversion.formats import open_checkpoint
from conversion.huggingface.model_directory import ADAPTER_FILES
from conversion.inspection import summarise, verify_checkpoint
from conversion.record import read_record
from evaluation.likelihood.model import load_model
from foundation.errors import InputError

UP = "model.layers.1.mlp.up_proj.weight"


def save(hf: Path, tensors: dict[str, torch.Tensor], **metadata: str) -> Path:
    save_file(tensors, hf / "model.safetensors", metadata={"format": "pt", **metadata})
    return hf


def kind_of(call: Any, *arguments: Any, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        call(*arguments, **options)
    return caught.value.kind


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """bfloat16, with norms in float32."""
    source = save_llama(tmp_path / "mixed", head_dim=8, dtype="bfloat16")
    torch.manual_seed(1)
    tensors = {
        name: torch.randn(tensor.shape) if "norm" in name else tensor for name, tensor in hf_tensors(source).items()
    }
    return save(source, tensors)


def test_norms_in_float32_beside_bfloat16_are_kept_or_rounded_as_asked(mixed: Path, tmp_path: Path) -> None:
    tensors = hf_tensors(mixed)
    assert kind_of(convert, mixed, tmp_path / "out", to="hf") == "mixed-dtypes"
    assert not (tmp_path / "out").exists()
    for dtype in ("float32", "bfloat16"):
        wanted = {name: tensor.to(getattr(torch, dtype)) for name, tensor in tensors.items()}
        for name in ("nemo", "te", "hf"):
            convert(mixed, tmp_path / dtype / name, to=name, dtype=dtype)
        convert(tmp_path / dtype / "nemo", tmp_path / dtype / "back", to="hf")
        assert same_bits(hf_tensors(tmp_path / dtype / "back"), wanted)
        assert same_bits(hf_tensors(tmp_path / dtype / "hf"), wanted)
        loaded = load_model(mixed, dtype, device="cpu")
        assert {name: value.dtype for name, value in loaded.named_parameters()} == {
            name: getattr(torch, dtype) for name in wanted
        }
        assert same_bits(dict(loaded.state_dict()), wanted)


def test_what_is_said_of_mixed_dtypes(mixed: Path) -> None:
    summary = summarise(mixed)
    assert sorted(summary.dtype.split(", ")) == ["bfloat16", "float32"]
    assert summary.weight_bytes == sum(tensor.nbytes for tensor in hf_tensors(mixed).values())
    assert verify_checkpoint(mixed) is None


def test_mixed_dtypes_in_a_megatron_checkpoint(square_hf: Path, tmp_path: Path) -> None:
    import shutil

    convert(square_hf, tmp_path / "nemo", to="nemo")
    tensors = megatron_tensors(open_checkpoint(tmp_path / "nemo"))
    mixed = {name: one if "norm" in name else one.bfloat16() for name, one in tensors.items()}
    write_torch_dist(tmp_path / "mixed", mixed)
    shutil.copytree(tmp_path / "nemo" / "context", tmp_path / "mixed" / "context")
    assert kind_of(convert, tmp_path / "mixed", tmp_path / "hf", to="hf") == "mixed-dtypes"
    convert(tmp_path / "mixed", tmp_path / "hf", to="hf", dtype="float32")
    wanted = {name: one if "norm" in name else one.bfloat16().float() for name, one in hf_tensors(square_hf).items()}
    assert same_bits(hf_tensors(tmp_path / "hf"), wanted)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float8_e4m3fn, torch.float8_e5m2, torch.int8])
def test_norms_of_a_dtype_that_no_model_has(dtype: torch.dtype, hf: Path) -> None:
    save(hf, {name: one.to(dtype) if "norm" in name else one for name, one in hf_tensors(hf).items()})
    assert kind_of(load_model, hf) == kind_of(open_checkpoint, hf) == "tensor-dtype"


@pytest.mark.parametrize("form", ["hf", "te", "nemo"])
def test_an_output_layer_that_repeats_tied_embeddings(form: str, tmp_path: Path) -> None:
    """Megatron-Bridge writes it."""
    import shutil

    plain = save_llama(tmp_path / "plain", head_dim=8, tie_word_embeddings=True)
    convert(plain, tmp_path / form, to=form)
    if form == "nemo":
        tensors = megatron_tensors(open_checkpoint(tmp_path / form))
        embeddings = tensors["module.embedding.word_embeddings.weight"]
        for name, head in (("same", embeddings), ("other", embeddings + 1)):
            write_torch_dist(tmp_path / name, {**tensors, "module.output_layer.weight": head})
            shutil.copytree(tmp_path / form / "context", tmp_path / name / "context")
    else:
        tensors = hf_tensors(tmp_path / form)
        embeddings = tensors["model.embed_tokens.weight"]
        for name, head in (("same", embeddings.clone()), ("other", embeddings + 1)):
            shutil.copytree(tmp_path / form, tmp_path / name)
            save(tmp_path / name, {**tensors, "lm_head.weight": head})
    convert(tmp_path / "same", tmp_path / "back", to="hf")
    assert same_bits(hf_tensors(tmp_path / "back"), hf_tensors(plain))
    assert kind_of(open_checkpoint, tmp_path / "other") == "tied-head-differs"
    if form != "nemo":
        loaded = load_model(tmp_path / "same", device="cpu")
        assert loaded.lm_head.weight is loaded.model.embed_tokens.weight
        assert kind_of(load_model, tmp_path / "other") == "tied-head-differs"


def test_an_output_layer_of_another_shape_beside_tied_embeddings(hf: Path) -> None:
    edit_json(hf / "config.json", tie_word_embeddings=True)
    save(hf, {**hf_tensors(hf), "lm_head.weight": torch.zeros(3)})
    assert kind_of(open_checkpoint, hf) == "tied-head-differs"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_weights_that_are_not_finite(
    value: float, dtype: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = save_llama(tmp_path / "hf", dtype=dtype)
    tensors = hf_tensors(source)
    tensors[UP][3, :2] = value
    save(source, tensors)
    convert(source, tmp_path / "nemo", to="nemo")
    record = read_record(tmp_path / "nemo")
    assert record is not None
    assert record.not_finite == {UP: 2}
    assert [repr(UP) in one.message and str(source) in one.message for one in caplog.records] == [True]
    caplog.clear()
    assert verify_checkpoint(source) is None
    assert [repr(UP) in one.message for one in caplog.records] == [True]
    with pytest.raises(InputError) as caught:
        load_model(source, device="cpu")
    assert (caught.value.kind, repr(UP) in caught.value.problem) == ("weights-not-finite", True)


def test_finite_weights_are_not_warned_of(hf: Path, out: Path, caplog: pytest.LogCaptureFixture) -> None:
    tensors = hf_tensors(hf)
    tensors[UP][0, :2] = torch.tensor([torch.finfo(torch.float32).max, -torch.finfo(torch.float32).max])
    assert convert(save(hf, tensors), out, to="hf").not_finite == {}
    assert caplog.records == []
    assert kind_of(load_model, hf, "float16", device="cpu") == "weights-not-finite"  # too large for it
    load_model(hf, "float32", device="cpu")


@pytest.mark.parametrize("name", ADAPTER_FILES)
def test_an_adapter_in_the_directory_is_neither_followed_nor_overlooked(name: str, hf: Path, out: Path) -> None:
    (hf / name).write_text(json.dumps({"base_model_name_or_path": "http://localhost:1/base", "peft_type": "LORA"}))
    for call, *more in ((load_model,), (summarise,), (open_checkpoint,), (convert, out)):
        options = {"to": "nemo"} if more else {}
        with pytest.raises(InputError) as caught:
            call(hf, *more, **options)  # type: ignore[operator]
        assert (caught.value.kind, caught.value.where) == ("peft-adapter", hf / name)
    (hf / "config.json").unlink()
    assert kind_of(load_model, hf) == kind_of(summarise, hf) == "peft-adapter"


@pytest.mark.parametrize("framework", ["tf", "flax", "jax"])
def test_weights_of_another_framework(framework: str, hf: Path) -> None:
    save(hf, hf_tensors(hf), format=framework)
    assert kind_of(load_model, hf) == kind_of(open_checkpoint, hf) == "safetensors-damaged"


def test_weights_without_a_framework_or_of_mlx(hf: Path) -> None:
    save_file(hf_tensors(hf), hf / "model.safetensors")
    load_model(hf, device="cpu")
    save(hf, hf_tensors(hf), format="mlx")
    load_model(hf, device="cpu")


@pytest.mark.parametrize("key", ["num_hidden_layers", "hidden_size", "intermediate_size", "head_dim"])
@pytest.mark.timeout(20)
def test_sizes_that_no_file_could_have(key: str, hf: Path) -> None:
    edit_json(hf / "config.json", **{key: 1_000_000_000})
    assert kind_of(load_model, hf) in ("config-size", "tensor-shape")
    with open(hf / "model.safetensors", "ab") as file:
        file.truncate(1 << 40)  # a file with a hole
    assert kind_of(load_model, hf) == "safetensors-damaged"


def test_a_layer_count_beside_a_large_tensor(hf: Path) -> None:
    """As many bytes as there would have to be, in a tensor that does not belong."""
    header = json.dumps({"a": {"dtype": "U8", "shape": [1 << 40], "data_offsets": [0, 1 << 40]}}).encode()
    with open(hf / "model.safetensors", "wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + (1 << 40))
    edit_json(hf / "config.json", num_hidden_layers=1 << 30)
    assert kind_of(load_model, hf) in ("config-size", "tensor-dtype")


def test_a_context_length_that_no_memory_has(hf: Path, tmp_path: Path) -> None:
    edit_json(hf / "config.json", max_position_embeddings=1 << 40)
    loaded = load_model(hf, device="cpu")
    assert loaded.config.max_position_embeddings == 1 << 40


def adapters(directory: Path, base: object, dtypes: tuple[torch.dtype, torch.dtype]) -> torch.Tensor:
    """A NeMo checkpoint of adapters of rank 2 beside the first layer's projection; the change that they make."""
    torch.manual_seed(5)
    inward, outward = torch.randn(2, 32).to(dtypes[0]), torch.randn(32, 2).to(dtypes[1])
    name = "module.decoder.layers.0.self_attention.linear_proj.adapter.{}.weight"
    write_torch_dist(directory, {name.format("linear_in"): inward, name.format("linear_out"): outward})
    (directory / "weights" / "adapter_metadata.json").write_text(json.dumps({"model_ckpt_path": str(base)}))
    transform = {"_target_": "nemo.collections.llm.peft.lora.LoRA", "dim": 2, "alpha": 8}
    (directory / "context").mkdir()
    model = {"model_transform": transform, "config": {"_target_": "nemo.collections.llm.gpt.model.llama.Llama3Config"}}
    (directory / "context" / "model.yaml").write_text(json.dumps(model))
    return 4.0 * outward.float() @ inward.float()


@pytest.mark.parametrize("second", [torch.float32, torch.bfloat16], ids=str)
def test_the_base_of_adapters_is_named(second: torch.dtype, square_hf: Path, tmp_path: Path) -> None:
    convert(square_hf, tmp_path / "base", to="nemo")
    change = adapters(tmp_path / "adapters", tmp_path / "base", (torch.float32, second))
    assert summarise(tmp_path / "adapters").adapter_base == str(tmp_path / "base")
    assert summarise(tmp_path / "base").adapter_base is None
    assert convert(tmp_path / "adapters", tmp_path / "hf", to="hf").adapter_base == str(tmp_path / "base")
    name = "model.layers.0.self_attn.o_proj.weight"
    found, before = hf_tensors(tmp_path / "hf"), hf_tensors(square_hf)
    torch.testing.assert_close(found[name], before[name] + change)
    assert same_bits({**found, name: before[name]}, before)
    assert kind_of(load_model, tmp_path / "adapters") == "not-converted"


@pytest.mark.parametrize("base", ["http://localhost:1/base", "owner/name", "nemo://base", ""])
def test_a_base_of_adapters_that_is_not_a_checkpoint_here(base: str, tmp_path: Path) -> None:
    adapters(tmp_path / "adapters", base, (torch.float32, torch.float32))
    assert kind_of(open_checkpoint, tmp_path / "adapters") == "adapter-base"
