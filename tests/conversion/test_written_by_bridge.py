"""What Megatron-Bridge 0.6.2 itself wrote is read: `written_by_bridge/`, by tests/bridge/write_checkpoints.py."""

import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from by_hand import hf_tensors
from formula_weights import SCALING, SMALL, weights
from refusal import refused
from safetensors.torch import load_file
from torch.distributed.checkpoint import FileSystemReader, load

from conversion.convert import convert
from conversion.formats import open_checkpoint
from conversion.inspection import verify_checkpoint
from conversion.manifest import CheckpointManifest, read_manifest, seal_files, write_manifest
from conversion.megatron.bridge_writer import optimizer_for_bridge
from conversion.megatron.training_state import read_training
from training.checkpointing.same_layout import OptimizerLayout, check_same_layout

WRITTEN = Path(__file__).parent / "written_by_bridge"

pytestmark = pytest.mark.fast


@pytest.mark.parametrize(
    ("name", "dtype", "scaling"), [("plain", "float32", None), ("tensor_parallel", "bfloat16", SCALING)]
)
def test_its_weights_and_its_configuration(name: str, dtype: str, scaling: Any, tmp_path: Path) -> None:
    verify_checkpoint(WRITTEN / name)
    convert(WRITTEN / name, tmp_path / "hf", to="hf")
    found = hf_tensors(tmp_path / "hf")
    assert len(found) == 3 + 9
    for tensor, values in found.items():
        wanted = torch.from_numpy(weights(tensor, tuple(values.shape))).to(getattr(torch, dtype))
        assert torch.equal(values, wanted), tensor
    config = json.loads((tmp_path / "hf" / "config.json").read_text())
    assert {key: config[key] for key in SMALL} == SMALL
    assert (config["rope_scaling"], config["torch_dtype"]) == (scaling, dtype)


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    return Path(shutil.copytree(WRITTEN / "trained", tmp_path / "trained"))


def test_its_optimizer_moves(trained: Path, tmp_path: Path) -> None:
    """Its state is in buffers of the distributed optimizer, in objects beside them, and in the common state."""
    assert not list(trained.rglob("common.pt"))
    convert(trained, tmp_path / "nemo", to="nemo", optimizer=True)
    convert(tmp_path / "nemo", tmp_path / "bridge", to="bridge", optimizer=True)
    theirs, nemo, bridge = (
        read_training(open_checkpoint(path)) for path in (trained, tmp_path / "nemo", tmp_path / "bridge")
    )
    assert theirs.schedule["num_steps"] == theirs.consumed == 4  # samples
    for training in (theirs, nemo, bridge):
        assert training.step == 2
        assert training.content["distrib_optim_sharding_type"] == "dp_reshardable"
        assert training.objects == theirs.objects
        assert training.bytes == 3 * 4 * 24_256
    (state,) = theirs.objects["optimizer.distributed.dp_group_idx_0.optimizer/shard_0_1"]
    assert [(group["wd_mult"], group["max_lr"], group["min_lr"], group["step"]) for group in state["param_groups"]] == [
        (1.0, 1e-3, 1e-4, 2),
        (0.0, 1e-3, 1e-4, 2),
    ]
    buffers = torch.load(object_of(tmp_path / "bridge", "per_bucket_numel"), weights_only=True)
    assert buffers == [[{(torch.bfloat16, torch.float32): [24_320]}]]


def test_its_run_resumes_in_nemo(trained: Path, tmp_path: Path) -> None:
    """With the manifest of a sealed checkpoint comes what the run must have, and its place in the data."""
    (iteration,) = trained.glob("iter_*")
    files = seal_files(iteration, [path.name for path in iteration.iterdir() if path.is_file()])
    write_manifest(iteration, CheckpointManifest(step=2, files=files, trained_with={"seed": 7}, run="id"))
    convert(trained, tmp_path / "step=2", to="nemo", optimizer=True)
    manifest = read_manifest(tmp_path / "step=2")
    assert manifest is not None
    assert (manifest.step, manifest.trained_with, manifest.run) == (2, {"seed": 7}, "id")
    assert "weights/common.pt" in manifest.files
    verify_checkpoint(tmp_path / "step=2")
    state = torch.load(tmp_path / "step=2" / "weights" / "common.pt", weights_only=True)
    assert (state["global_step"], state["GenomicDataModule"]) == (2, {"consumed_samples": 4, "seed": 7})
    assert state["lr_schedulers"] == [{"last_epoch": 2, "_step_count": 3}]


def test_its_state_in_buffers_keeps_its_layout(trained: Path) -> None:
    (iteration,) = trained.glob("iter_*")
    write_manifest(iteration, CheckpointManifest(step=2, files={}))
    check_same_layout(trained, OptimizerLayout(tensor=1, pipeline=1, distributed=True))
    with refused("optimizer-layout", where=iteration.name, names="tensor 2", fix="parallelism.tensor=1"):
        check_same_layout(trained, OptimizerLayout(tensor=2, pipeline=1, distributed=True))


def object_of(checkpoint: Path, name: str) -> io.BytesIO:
    """The bytes of an object of the distributed optimizer, by torch's own reader of what lies where."""
    (iteration,) = checkpoint.glob("iter_*")
    metadata = FileSystemReader(iteration).read_metadata()
    (place,) = [place for index, place in metadata.storage_data.items() if index.fqn.endswith(f".{name}/shard_0_1")]
    content = (iteration / place.relative_path).read_bytes()
    return io.BytesIO(content[place.offset : place.offset + place.length])


def test_nemos_groups_become_those_that_it_looks_for(tmp_path: Path) -> None:
    """NeMo has no least learning rate in a group, and the factors of weight decay and rate under other names."""
    theirs = {"pre_wd_mult": 0.0, "pre_lr_mult": 1.0, "max_lr": 2e-3, "min_lr": None, "is_expert_parallel": False}
    schedule = {"max_lr": 2e-3, "min_lr": 2e-4}
    state = optimizer_for_bridge({"optimizer": {"param_groups": [theirs]}}, schedule)
    assert state["optimizer"]["param_groups"] == [
        {**theirs, "min_lr": 2e-4, "wd_mult": 0.0, "lr_mult": 1.0, "default_config": True}
    ]


def test_a_model_of_a_builder_has_its_fields_in_two_places(tmp_path: Path) -> None:
    shutil.copytree(WRITTEN / "plain", tmp_path / "built")
    shutil.copy(WRITTEN / "builder" / "run_config.yaml", tmp_path / "built" / "iter_0000000")
    built = open_checkpoint(tmp_path / "built").architecture
    plain = open_checkpoint(WRITTEN / "plain").architecture
    assert built.rope_scaling is not None
    assert built.rope_scaling.factor == 8.0
    assert (built.hidden_size, built.head_dim, built.rope_theta) == (
        plain.hidden_size,
        plain.head_dim,
        plain.rope_theta,
    )


def test_its_adapters(tmp_path: Path) -> None:
    """LoRA of rank 4 beside linear_qkv and linear_fc1 of the model `plain`."""
    convert(WRITTEN / "adapters", tmp_path / "peft", to="peft")
    config = json.loads((tmp_path / "peft" / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"]) == (4, 8.0)
    modules = ["q_proj", "k_proj", "v_proj", "gate_proj", "up_proj"]
    assert sorted(config["target_modules"]) == sorted(modules)
    (iteration,) = (WRITTEN / "adapters").glob("iter_*")
    stored = {
        name: torch.empty(entry.size)
        for name, entry in FileSystemReader(iteration).read_metadata().state_dict_metadata.items()
        if hasattr(entry, "size") and name.startswith("decoder") and ".adapter." in name
    }
    load(stored, storage_reader=FileSystemReader(iteration), no_dist=True)
    fused = {name.split(".")[-4] + "." + name.split(".")[-2]: tensor[0] for name, tensor in stored.items()}
    found = load_file(tmp_path / "peft" / "adapter_model.safetensors")
    named = {name.removeprefix("base_model.model.model.layers.0."): tensor for name, tensor in found.items()}
    gate = named["mlp.gate_proj.lora_B.weight"]
    assert torch.equal(named["mlp.gate_proj.lora_A.weight"], fused["linear_fc1.linear_in"])
    assert torch.equal(torch.cat([gate, named["mlp.up_proj.lora_B.weight"]]), fused["linear_fc1.linear_out"])
    convert(WRITTEN / "adapters", tmp_path / "hf", to="hf", base=WRITTEN / "plain")
    convert(WRITTEN / "plain", tmp_path / "base", to="hf")
    merged, base = hf_tensors(tmp_path / "hf"), hf_tensors(tmp_path / "base")
    name = "model.layers.0.mlp.gate_proj.weight"
    torch.testing.assert_close(merged[name], base[name] + 2 * gate @ fused["linear_fc1.linear_in"])
    assert not torch.equal(merged[name], base[name])
    assert torch.equal(merged["model.norm.weight"], base["model.norm.weight"])


@pytest.mark.parametrize(
    ("section", "changes", "kind", "names"),
    [
        ("peft", {"_target_": "megatron.bridge.peft.dora.DoRA"}, "adapter-class", "DoRA"),
        ("peft", {"dim": 0}, "adapter-rank", "0"),
        ("checkpoint", {"ckpt_format": "fsdp_dtensor"}, "bridge-checkpoint-format", "fsdp_dtensor"),
        ("checkpoint", {"pretrained_checkpoint": None}, "no-base-named", "NoneType"),
        ("checkpoint", {"pretrained_checkpoint": "/absent"}, "adapter-base", "/absent"),
    ],
)
def test_other_adapters_of_it(section: str, changes: Any, kind: str, names: str, tmp_path: Path) -> None:
    adapters = Path(shutil.copytree(WRITTEN / "adapters", tmp_path / "adapters"))
    edit_run_config(adapters, section, **changes)
    base = WRITTEN / "plain" if kind not in ("no-base-named", "adapter-base") else None
    with refused(kind, where="run_config.yaml", names=names):
        convert(adapters, tmp_path / "hf", to="hf", base=base)


def test_adapters_have_no_optimizer_to_take_along(tmp_path: Path) -> None:
    with refused("option-not-for-adapters"):
        convert(WRITTEN / "adapters", tmp_path / "peft", to="peft", optimizer=True)


def edit_run_config(checkpoint: Path, section: str, **changes: Any) -> None:
    """Change keys of a section of run_config.yaml."""
    path = next(checkpoint.rglob("run_config.yaml"))
    content = yaml.safe_load(path.read_text())
    content[section] = {**(content.get(section) or {}), **changes}
    path.write_text(yaml.safe_dump(content))


@pytest.mark.parametrize(
    ("section", "changes", "kind", "names"),
    [
        ("checkpoint", {"ckpt_format": "fsdp_dtensor"}, "bridge-checkpoint-format", "fsdp_dtensor"),
        ("model", {"_target_": "megatron.bridge.models.qwen.qwen_provider.Qwen3ModelProvider"}, "model-class", "Qwen3"),
    ],
)
def test_another_checkpoint_of_it(
    section: str, changes: Any, kind: str, names: str, trained: Path, tmp_path: Path
) -> None:
    edit_run_config(trained, section, **changes)
    with refused(kind, where="run_config.yaml", names=names):
        convert(trained, tmp_path / "hf", to="hf")
