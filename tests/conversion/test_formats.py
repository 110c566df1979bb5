"""Any pair of formats: the same bits, and everything that the logits depend on comes along."""

import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from by_hand import SCALING, edit_json, hf_tensors, megatron_tensors, same_bits, save_llama, write_torch_dist
from refusal import refused
from safetensors.torch import load_file

from configs.rope import RopeScaling
from conversion.convert import convert
from conversion.formats import NAMES, open_checkpoint, recognise
from conversion.inspection import summarise

CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "bfloat16, scaled RoPE": {"dtype": "bfloat16", "rope_scaling": SCALING, "rope_theta": 10_000.0},
    "float16, tied, BOS": {"dtype": "float16", "tie_word_embeddings": True, "bos_token_id": 2},
}


@pytest.mark.parametrize("case", CASES)
def test_every_pair_gives_the_same_bits_and_the_same_architecture(case: str, tmp_path: Path) -> None:
    source = save_llama(tmp_path / "source", head_dim=8, **CASES[case])
    expected = open_checkpoint(source)
    for name in NAMES:
        convert(source, tmp_path / name, to=name)
    for a, b in itertools.product(NAMES, NAMES):
        convert(tmp_path / a, tmp_path / f"{a}-{b}", to=b)
        assert recognise(tmp_path / f"{a}-{b}").name == b
        assert open_checkpoint(tmp_path / f"{a}-{b}").architecture == expected.architecture
        convert(tmp_path / f"{a}-{b}", tmp_path / f"{a}-{b}-hf", to="hf")
        assert same_bits(hf_tensors(tmp_path / f"{a}-{b}-hf"), hf_tensors(source))
    assert expected.architecture.rope_scaling == (RopeScaling(factor=8.0) if "rope_scaling" in CASES[case] else None)


def test_nvllama_has_its_own_names_and_is_fused_as_megatron(square_hf: Path, tmp_path: Path) -> None:
    """Names and shapes as in bionemo-recipes, models/llama3/modeling_llama_te.py."""
    convert(square_hf, tmp_path / "te", to="te")
    convert(square_hf, tmp_path / "nemo", to="nemo")
    tensors = load_file(tmp_path / "te" / "model.safetensors")
    megatron = megatron_tensors(open_checkpoint(tmp_path / "nemo"), prefix="")
    pairs = {
        "self_attention.layernorm_qkv.layer_norm_weight": "self_attention.linear_qkv.layer_norm_weight",
        "self_attention.layernorm_qkv.weight": "self_attention.linear_qkv.weight",
        "self_attention.proj.weight": "self_attention.linear_proj.weight",
        "layernorm_mlp.layer_norm_weight": "mlp.linear_fc1.layer_norm_weight",
        "layernorm_mlp.fc1_weight": "mlp.linear_fc1.weight",
        "layernorm_mlp.fc2_weight": "mlp.linear_fc2.weight",
    }
    for layer, (te, name) in itertools.product(range(2), pairs.items()):
        assert torch.equal(tensors.pop(f"model.layers.{layer}.{te}"), megatron[f"decoder.layers.{layer}.{name}"])
    assert tensors.keys() == {"model.embed_tokens.weight", "model.norm.weight", "lm_head.weight"}
    config = json.loads((tmp_path / "te" / "config.json").read_text())
    assert config["architectures"] == ["NVLlamaForCausalLM"]
    assert "auto_map" not in config


def test_a_nvllama_as_bionemo_saves_it_is_read(square_hf: Path, tmp_path: Path) -> None:
    """With the keys of its configuration class, code to load beside it, which is not run, and FP8 states."""
    from safetensors.torch import save_file

    convert(square_hf, tmp_path / "te", to="te")
    edit_json(
        tmp_path / "te" / "config.json",
        auto_map={"AutoModelForCausalLM": "modeling_llama_te.NVLlamaForCausalLM"},
        attn_input_format="thd",
        embedding_init_std=1.0,
        layer_precision=None,
    )
    (tmp_path / "te" / "modeling_llama_te.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    tensors = load_file(tmp_path / "te" / "model.safetensors")
    tensors["model.layers.0.self_attention.proj._extra_state"] = torch.zeros(7, dtype=torch.uint8)
    save_file(tensors, tmp_path / "te" / "model.safetensors")
    convert(tmp_path / "te", tmp_path / "hf", to="hf")
    assert same_bits(hf_tensors(tmp_path / "hf"), hf_tensors(square_hf))
    assert not (tmp_path / "ran").exists()


def test_nvllama_has_no_head_size_of_its_own(small_hf: Path, out: Path) -> None:
    with refused("no-head-dim", names="4 heads of 16"):
        convert(small_hf, out, to="te")
    assert list(out.parent.iterdir()) == []


def test_padding_of_the_vocabulary_stays_in_megatron_and_goes_elsewhere(square_hf: Path, tmp_path: Path) -> None:
    """512 rows, as a divisor of 128 and a tensor-parallel size of 4 make of 256 tokens."""
    convert(square_hf, tmp_path / "plain", to="nemo")
    tensors = megatron_tensors(open_checkpoint(tmp_path / "plain"))
    for name in ("module.embedding.word_embeddings.weight", "module.output_layer.weight"):
        tensors[name] = torch.cat([tensors[name], torch.full((256, 32), 7.0)])
    write_torch_dist(tmp_path / "padded", tensors)
    shutil.copytree(tmp_path / "plain" / "context", tmp_path / "padded" / "context")
    assert summarise(tmp_path / "padded").vocabulary == 512
    record = convert(tmp_path / "padded", tmp_path / "bridge", to="bridge")
    assert record.tensors["lm_head.weight[256:]"].shape == (256, 32)
    convert(tmp_path / "bridge", tmp_path / "nemo", to="nemo")
    assert same_bits(megatron_tensors(open_checkpoint(tmp_path / "nemo")), tensors)
    for to in ("hf", "te"):
        convert(tmp_path / "nemo", tmp_path / to, to=to)
        convert(tmp_path / to, tmp_path / f"{to}-hf", to="hf")
        assert same_bits(hf_tensors(tmp_path / f"{to}-hf"), hf_tensors(square_hf))


def test_megatron_bridge_finds_what_its_readers_look_for(tmp_path: Path) -> None:
    """The contract of megatron-bridge 0.2 to 0.6: training/utils/checkpoint_utils.py, training/model_load_save.py,
    training/state.py, and of eden_megatron, utils/checkpoint: files, keys and classes by name."""
    source = save_llama(tmp_path / "source", head_dim=8, dtype="bfloat16", rope_scaling=SCALING)
    convert(source, tmp_path / "out", to="bridge")
    root, iteration = tmp_path / "out", tmp_path / "out" / "iter_0000000"
    assert int((root / "latest_checkpointed_iteration.txt").read_text()) == 0
    names = {
        ".metadata",
        "__0_0.distcp",
        "common.pt",
        "metadata.json",
        "run_config.yaml",
        "train_state.pt",
        "tokenizer",
    }
    assert {path.name for path in iteration.iterdir()} == names
    for path in (root / "latest_train_state.pt", iteration / "train_state.pt"):
        state = torch.load(path, weights_only=True)
        assert {name: (value.item(), value.dtype) for name, value in state.items()} == {
            **dict.fromkeys(("step", "consumed_train_samples", "skipped_train_samples", "consumed_valid_samples"),
                            (0, torch.int64)),
            "floating_point_operations_so_far": (0.0, torch.float64),
            **dict.fromkeys(("do_train", "do_valid", "do_test"), (True, torch.bool)),
        }  # fmt: skip
    config = yaml.safe_load((iteration / "run_config.yaml").read_text())
    model = config["model"]
    assert model["_target_"] == "megatron.bridge.models.gpt_provider.GPTModelProvider"
    assert (model["tensor_model_parallel_size"], model["pipeline_model_parallel_size"]) == (1, 1)
    assert (model["rope_scaling"], model["rope_scaling_factor"], model["rotary_base"]) == (True, 8.0, 500000)
    assert (model["vocab_size"], model["kv_channels"], model["seq_length"]) == (256, 8, 64)
    assert (model["bf16"], model["params_dtype"]) == (True, {"_target_": "torch.bfloat16", "_call_": False})
    assert (config["checkpoint"]["save_rng"], config["checkpoint"]["save_optim"]) == (False, False)
    assert json.loads((iteration / "tokenizer" / "tokenizer.json").read_text())["model"]["type"] == "WordLevel"
    common = torch.load(iteration / "common.pt", weights_only=True)
    assert (common["iteration"], common["content_metadata"]["chained_optim_avoid_prefix"]) == (0, True)


def test_what_eden_megatron_writes_is_read(square_hf: Path, tmp_path: Path) -> None:
    """Its provider, layers one by one, another iteration; an `io.json` or `.pt` of it is not looked at."""
    convert(square_hf, tmp_path / "nemo", to="nemo")
    write_torch_dist(tmp_path / "eden", megatron_tensors(open_checkpoint(tmp_path / "nemo"), prefix=""))
    (tmp_path / "eden" / "weights").rename(tmp_path / "eden" / "iter_0000001")
    convert(square_hf, tmp_path / "ours", to="bridge")
    config = yaml.safe_load((tmp_path / "ours" / "iter_0000000" / "run_config.yaml").read_text())
    config["model"] |= {
        "_target_": "bionemo.eden.models.eden_provider.Eden100MModelProvider",
        "rope_scaling": True,
        "rope_scaling_factor": 8.0,
        "make_vocab_size_divisible_by": 8,
    }
    (tmp_path / "eden" / "iter_0000001" / "run_config.yaml").write_text(yaml.safe_dump(config))
    (tmp_path / "eden" / "latest_checkpointed_iteration.txt").write_text("1\n")
    (tmp_path / "eden" / "latest_train_state.pt").write_bytes(b"never opened")
    convert(tmp_path / "eden", tmp_path / "hf", to="hf")
    assert same_bits(hf_tensors(tmp_path / "hf"), hf_tensors(square_hf))
    assert json.loads((tmp_path / "hf" / "config.json").read_text())["rope_scaling"] == SCALING


@pytest.mark.parametrize(
    ("changes", "kind", "names"),
    [
        ({"rope_scaling": None}, "rope-scaling-flag", "None"),
        ({"rope_scaling": True, "rope_scaling_factor": "8"}, "rope-scaling-factor", "'8'"),
        ({"_target_": "os.system"}, "model-class", "os.system"),
        ({"vocab_size": 512}, "config-value", "vocab_size is 512"),
        ({"activation_func": {"_target_": "torch.nn.functional.gelu"}}, "activation", "gelu"),
        ({"num_layers": 10**9}, "config-size", "1,000,000,000"),
    ],
)
def test_another_bridge_model(
    changes: dict[str, Any], kind: str, names: str, square_hf: Path, tmp_path: Path, out: Path
) -> None:
    convert(square_hf, tmp_path / "bridge", to="bridge")
    path = tmp_path / "bridge" / "iter_0000000" / "run_config.yaml"
    config = yaml.safe_load(path.read_text())
    config["model"] |= changes
    path.write_text(yaml.safe_dump(config))
    with refused(kind, where=path, names=names):
        convert(tmp_path / "bridge", out, to="hf")
    assert list(out.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("tracker", "kind", "where"),
    [
        ("../elsewhere", "tracker-content", "latest_checkpointed_iteration.txt"),
        ("-1", "tracker-content", "latest_checkpointed_iteration.txt"),
        ("x" * 10_000, "tracker-content", "latest_checkpointed_iteration.txt"),
        ("7", "missing-iteration", "iter_0000007"),
        ("release", "missing-iteration", "release"),
    ],
)
def test_a_tracker_that_leads_elsewhere(
    tracker: str, kind: str, where: str, square_hf: Path, tmp_path: Path, out: Path
) -> None:
    convert(square_hf, tmp_path / "bridge", to="bridge")
    (tmp_path / "bridge" / "latest_checkpointed_iteration.txt").write_text(tracker)
    with refused(kind, where=f"bridge/{where}"):
        convert(tmp_path / "bridge", out, to="hf")


def test_a_scaling_that_megatron_bridge_does_not_know(tmp_path: Path, out: Path) -> None:
    source = save_llama(tmp_path / "source", rope_scaling={**SCALING, "high_freq_factor": 5.0})
    with refused("rope-unsupported", names="high_freq_factor=5.0"):
        convert(source, out, to="bridge")
    convert(source, tmp_path / "nemo", to="nemo")
    architecture = open_checkpoint(tmp_path / "nemo").architecture
    assert architecture.rope_scaling == RopeScaling(factor=8.0, high_freq_factor=5.0)


def test_an_unknown_format(square_hf: Path, out: Path) -> None:
    with refused("unknown-format", names="'nemo2'", fix="'nemo'"):
        convert(square_hf, out, to="nemo2")
