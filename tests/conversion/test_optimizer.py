"""Optimizer state between NeMo 2 and Megatron-Bridge: the same bits, and a run resumes from it as from the original."""

import json
from pathlib import Path

import pytest
import torch
from corpora import prepare
from nemo_cases import train_from
from nemo_process import run_in_process, train
from refusal import refused
from torch.distributed.checkpoint import FileSystemReader, load

from conversion.convert import convert, strip
from conversion.inspection import summarise
from conversion.locate import find_checkpoint
from corpus.synthetic import write_synthetic_genome


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """run/ of three steps, bridge/ and nemo/ made of it with the optimizer."""
    folder = tmp_path_factory.mktemp("optimizer")
    write_synthetic_genome(folder / "genome.fa", contigs=12, contig_length=1_000)
    prepare([folder / "genome.fa"], folder / "corpus", validation_fraction=0.25)
    small = ("dataset.sequence_length=64", "dataset.micro_batch_size=2", "dataset.global_batch_size=4")
    overrides = (f"dataset.corpus={folder}/corpus", f"run_dir={folder}/run", "trainer.max_steps=3", *small)
    assert train("--config-name", "train_tiny", *overrides, log=folder / "log") == 0, (folder / "log").read_text()[
        -3000:
    ]
    convert(folder / "run", folder / "bridge", to="bridge", optimizer=True)
    convert(folder / "bridge", folder / "nemo", to="nemo", optimizer=True)
    return folder


def tensors(weights: Path) -> dict[str, torch.Tensor]:
    """All tensors of a torch_dist directory, as torch reads them."""
    reader = FileSystemReader(weights)
    listed = reader.read_metadata().state_dict_metadata
    state = {
        name: torch.empty(stored.size, dtype=stored.properties.dtype)
        for name, stored in listed.items()
        if hasattr(stored, "size")
    }
    load(state, storage_reader=reader, no_dist=True)
    return state


def test_torch_reads_the_same_tensors_everywhere(folder: Path) -> None:
    original = tensors(find_checkpoint(folder / "run").path / "weights")
    assert sum(name.startswith("optimizer.state.exp_avg_sq.module.") for name in original) == 9
    returned, bridge = tensors(folder / "nemo" / "weights"), tensors(folder / "bridge" / "iter_0000003")
    assert original.keys() == returned.keys()
    assert {name.replace("module.", "") for name in original} == bridge.keys()
    for name, tensor in original.items():
        assert torch.equal(tensor, returned[name])
        assert torch.equal(tensor, bridge[name.replace("module.", "")])


def test_megatron_bridge_finds_step_groups_and_schedule(folder: Path) -> None:
    common = torch.load(folder / "bridge" / "iter_0000003" / "common.pt", weights_only=True)
    assert common["iteration"] == 3
    assert [group["step"] for group in common["optimizer"]["param_groups"]] == [3, 3]
    assert [group["weight_decay"] for group in common["optimizer"]["param_groups"]] == [0.0, 0.1]
    assert common["opt_param_scheduler"]["num_steps"] == 12  # samples
    state = torch.load(folder / "bridge" / "latest_train_state.pt", weights_only=True)
    assert state["step"] == 3
    assert (folder / "bridge" / "latest_checkpointed_iteration.txt").read_text().strip() == "3"


def test_a_run_goes_on_from_it_as_from_the_original(folder: Path) -> None:
    losses = {}
    original = find_checkpoint(folder / "run").path
    for name, checkpoint, optimizer in (("a", original, True), ("b", folder / "nemo", True), ("c", original, False)):
        log = folder / f"log_{name}"
        status = run_in_process(train_from, checkpoint, optimizer, folder / name, folder / "corpus", log=log)
        assert status == 0, log.read_text()[-3000:]
        lines = (folder / name / "metrics.jsonl").read_text().splitlines()
        losses[name] = [json.loads(line)["loss"] for line in lines if '"loss"' in line]
    assert losses["a"] == losses["b"]
    assert losses["a"][0] == losses["c"][0]
    assert losses["a"][1] != losses["c"][1]  # another first step without the moments


def test_it_is_dropped_unless_asked_for_and_can_be_stripped(folder: Path, tmp_path: Path) -> None:
    assert summarise(folder / "nemo").optimizer_tensors == 18
    convert(folder / "nemo", tmp_path / "plain", to="bridge")
    assert summarise(tmp_path / "plain").optimizer_tensors == 0
    strip(folder / "run", tmp_path / "stripped")
    assert summarise(tmp_path / "stripped").optimizer_tensors == 0
    assert summarise(tmp_path / "stripped").tensors == 39
    with refused("no-optimizer-state", where="stripped"):
        strip(tmp_path / "stripped", tmp_path / "again")
    with refused("no-optimizer-state", where="stripped"):
        convert(tmp_path / "stripped", tmp_path / "again", to="nemo", optimizer=True)
    with refused("format-without-optimizer", fix="Megatron-Bridge, NeMo 2"):
        convert(folder / "nemo", tmp_path / "again", to="hf", optimizer=True)
    assert not (tmp_path / "again").exists()
