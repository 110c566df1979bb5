"""The second engine trains as the first does, and resumes exactly. Runs of some steps on a model of three million."""

import dataclasses
import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from by_hand import hf_tensors
from corpora import prepare
from nemo_process import train
from transformers import LlamaConfig, LlamaForCausalLM

from configs.locate import CONFIGS
from conversion.convert import convert
from conversion.manifest import read_manifest, seal_files, write_manifest
from corpus.synthetic import write_synthetic_genome

Run = Callable[..., None]
SMALL = ("dataset.sequence_length=64", "dataset.micro_batch_size=2", "dataset.global_batch_size=4")
LENGTH = ("optimizer.schedule_steps=20", "optimizer.warmup_steps=2", "trainer.validate_every=10")
FEW = ("trainer.checkpoint_every=10", "trainer.validation_batches=1", "trainer.keep_checkpoints=-1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """corpus/, and start/, a model with which all begin."""
    folder = tmp_path_factory.mktemp("engines")
    write_synthetic_genome(folder / "genome.fa", contigs=12, contig_length=1_000)
    prepare([folder / "genome.fa"], folder / "corpus", validation_fraction=0.25)
    torch.manual_seed(5)
    model = LlamaForCausalLM(LlamaConfig.from_pretrained(CONFIGS / "llama3_tiny_genomic_config"))
    model.save_pretrained(folder / "start")
    return folder


def words(folder: Path, run: str, *more: str) -> list[str]:
    given = (f"dataset.corpus={folder}/corpus", f"run_dir={folder}/{run}", f"init_from={folder}/start")
    return ["--config-name", "train_tiny", *given, *SMALL, *LENGTH, *FEW, *more]


def losses(run: Path, key: str = "loss") -> dict[int, float]:
    """Of each step; of one that was done twice, the later."""
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return {row["step"]: row[key] for row in rows if key in row}


@pytest.fixture(scope="module")
def nemo_run(folder: Path) -> Path:
    log = folder / "nemo.log"
    assert train(*words(folder, "nemo", "trainer.max_steps=20"), log=log) == 0, log.read_text()[-3000:]
    return folder / "nemo"


@pytest.fixture(scope="module")
def bridge_run(folder: Path, bridge: Run) -> Path:
    bridge("-m", "recipes.train", *words(folder, "bridge", "engine=bridge", "trainer.max_steps=20"))
    return folder / "bridge"


def test_both_engines_give_the_same_curve(nemo_run: Path, bridge_run: Path, tmp_path: Path) -> None:
    first, second = losses(nemo_run), losses(bridge_run)
    assert first.keys() == second.keys() == set(range(1, 21))
    assert max(abs(first[step] - second[step]) for step in first) < 1e-6
    assert losses(nemo_run, "learning_rate") == losses(bridge_run, "learning_rate")
    for key, within in (("bits_per_base", 2e-6), ("validation_loss", 2e-6), ("grad_norm", 1e-4)):
        theirs = losses(bridge_run, key)
        assert {step: pytest.approx(value, abs=within) for step, value in losses(nemo_run, key).items()} == theirs
    convert(nemo_run, tmp_path / "nemo", to="hf")
    convert(bridge_run / "checkpoints", tmp_path / "bridge", to="hf")
    one, other = hf_tensors(tmp_path / "nemo"), hf_tensors(tmp_path / "bridge")
    assert one.keys() == other.keys()
    assert max(float((one[name] - other[name]).abs().max()) for name in one) < 1e-6


def test_it_resumes_exactly_from_its_newest_whole_checkpoint(folder: Path, bridge_run: Path, bridge: Run) -> None:
    """The checkpoint of step 20 was not written to its end."""
    again = Path(shutil.copytree(bridge_run, folder / "again"))
    (again / "checkpoints" / "iter_0000020" / "manifest.json").unlink()
    text = (again / "metrics.jsonl").read_text().splitlines(keepends=True)
    (again / "metrics.jsonl").write_text("".join(line for line in text if json.loads(line)["step"] <= 10))
    bridge("-m", "recipes.train", *words(folder, "again", "engine=bridge", "trainer.max_steps=20"))
    assert losses(again) == losses(bridge_run)
    assert losses(again, "validation_loss") == losses(bridge_run, "validation_loss")
    assert read_manifest(again / "checkpoints" / "iter_0000020") is not None


def test_a_run_of_nemo_goes_on_in_it_with_its_optimizer(folder: Path, nemo_run: Path, bridge: Run) -> None:
    """From step 10, by `convert --optimizer`."""
    source = nemo_run / "checkpoints" / "step=10"
    convert(source, folder / "converted", to="bridge", optimizer=True)
    shutil.copytree(folder / "converted", folder / "moved" / "checkpoints")
    whole(folder / "moved" / "checkpoints" / "iter_0000010", source)
    bridge("-m", "recipes.train", *words(folder, "moved", "engine=bridge", "trainer.max_steps=20"))
    found, wanted = losses(folder / "moved"), losses(nemo_run)
    assert found.keys() == set(range(11, 21))
    assert max(abs(found[step] - wanted[step]) for step in found) < 1e-6


def whole(checkpoint: Path, source: Path) -> None:
    """Seal a converted checkpoint as what it was converted from."""
    manifest = read_manifest(source)
    assert manifest is not None
    names = [path.relative_to(checkpoint).as_posix() for path in checkpoint.rglob("*") if path.is_file()]
    files = seal_files(checkpoint, names)
    write_manifest(checkpoint, dataclasses.replace(manifest, files=files))


@pytest.mark.parametrize("layout", ["parallelism.tensor=2", "parallelism.distributed_optimizer=true"])
def test_two_ranks_give_the_curve_of_one(layout: str, folder: Path, bridge_run: Path, bridge: Run) -> None:
    """Tensor parallel, and data parallel with the optimizer's state sharded."""
    name = layout.replace("=", "-")
    given = ("engine=bridge", "trainer.max_steps=10", "hardware.devices=2", layout)
    bridge("-m", "recipes.train", *words(folder, name, *given), ranks=2)
    found, wanted = losses(folder / name), losses(bridge_run)
    assert max(abs(found[step] - wanted[step]) for step in range(1, 11)) < 2e-6


def test_asked_to_leave_it_saves_and_exits_with_75(folder: Path, start_bridge: Callable[..., Any]) -> None:
    process = start_bridge("-m", "recipes.train", *words(folder, "asked", "engine=bridge", "trainer.max_steps=2000"))
    for line in process.stderr:
        if line.startswith("step 3/"):
            process.send_signal(signal.SIGUSR1)
            break
    process.communicate(timeout=100)
    assert process.returncode == 75
    (saved,) = (folder / "asked" / "checkpoints").glob("iter_*")
    assert (saved / "manifest.json").is_file()
    stop = json.loads((folder / "asked" / "stops.jsonl").read_text())
    assert (stop["status"], stop["requeue"], stop["step"]) == (75, True, int(saved.name.removeprefix("iter_")))
