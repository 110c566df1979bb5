"""A start that cannot go on from what is in its run directory is refused early, on every rank, and in words."""

import json
import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from corpora import prepare
from damage import flip
from nemo_process import nemo, statuses_over
from parallel_cases import VALUES
from refusal import refused
from resume_cases import SYNCHRONOUS, arguments, hold_and_fork

from configs.llama import read_architecture
from configs.locate import CONFIGS
from conversion.listing import list_checkpoints
from conversion.manifest import read_manifest
from corpus.synthetic import write_synthetic_genome
from launch.preflight.examine import examine
from training.checkpointing.lock import hold, holder
from training.checkpointing.same_run import trained_with
from training.data.order import LABELLED, LABELLED_FROM, check_same


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Path:
    """A run of six steps, with checkpoints of the third and the last."""
    return Path(shutil.copytree(whole, tmp_path / "run", symlinks=True))


@pytest.fixture(scope="module")
def other_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("other")
    write_synthetic_genome(folder / "genome.fa", contigs=12, contig_length=3_000, seed=1)
    prepare([folder / "genome.fa"], folder / "corpus", validation_fraction=0.25)
    return folder / "corpus"


@pytest.fixture(scope="module")
def other_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with another RoPE: of the same shapes, so that its weights would load."""
    source = CONFIGS / "llama3_tiny_genomic_config" / "config.json"
    values = json.loads(source.read_text())
    folder = tmp_path_factory.mktemp("model")
    (folder / "config.json").write_text(json.dumps({**values, "rope_theta": 1234.0}))
    return folder


def held(run: Path) -> tuple[Any, int]:
    """A process that holds a run, and the id of one that it forked."""
    ready, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("forkserver").Process(target=hold_and_fork, args=(run, there))
    process.start()
    return process, ready.recv()


def refusal_of(*overrides: str) -> str:
    """What `recipes.train` says, which has to end before anything heavy is imported."""
    heavy = "sorted({'torch', 'nemo', 'megatron'} & sys.modules.keys())"
    code = f"import sys; from recipes.train import main; print(main(sys.argv[1:]), {heavy})"
    command = [sys.executable, "-c", code, "--config-name", "train_tiny", "trainer.max_steps=9", *VALUES, *overrides]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.stdout.strip() == "1 []", result.stderr
    return result.stderr


def test_what_was_trained_with_lies_in_the_manifest(run: Path) -> None:
    manifest = read_manifest(run / "checkpoints" / "step=3")
    assert manifest is not None
    assert (manifest.trained_with["seed"], manifest.trained_with["hidden_size"]) == (1234, 256)
    assert manifest.trained_with["lora_dim"] == 0
    assert "lora_alpha" not in manifest.trained_with


def test_another_seed_corpus_or_model_is_refused_before_nemo_is_imported(
    run: Path, corpus: Path, other_corpus: Path, other_model: Path
) -> None:
    here, newest = f"run_dir={run}", run / "checkpoints" / "step=6"
    same = (here, f"dataset.corpus={corpus}")
    said = refusal_of(*same, "seed=7", "dataset.mode=window")
    assert f"error: {newest}: mode is 'window', but the checkpoint was trained with 'concat'; seed is 7, but" in said
    assert "trained with 1234. Restore it, or start a new run" in said
    said = refusal_of(here, f"dataset.corpus={other_corpus}")
    assert f"dataset.corpus differs: the train split of {other_corpus} is not what the checkpoint was" in said
    said = refusal_of(here, f"dataset.corpus=[{{corpus: {corpus}, weight: 1}}, {{corpus: {other_corpus}, weight: 1}}]")
    assert "dataset.corpus names 2 corpora, but the checkpoint was trained with 1; weights is [1.0, 1.0]" in said
    said = refusal_of(*same, f"model_tag={other_model}")
    assert "rope_theta is 1234.0, but the checkpoint was trained with 500000.0" in said
    (newest / "manifest.json").write_text("{")  # then the one before it is asked
    assert f"{run}/checkpoints/step=3: seed is 7" in refusal_of(*same, "seed=7")
    for path in run.glob("checkpoints/step=?/manifest.json"):
        path.unlink()
    assert "has no manifest.json, so it may be incomplete" in refusal_of(*same)


def test_nemos_front_door_refuses_before_the_model_is_built(
    uninterrupted: dict[str, Path], corpus: Path, tmp_path: Path
) -> None:
    run, log = tmp_path / "run", tmp_path / "log"
    shutil.copytree(uninterrupted[SYNCHRONOUS] / "checkpoints" / "step=3", run / "checkpoints" / "step=3")
    assert nemo(*arguments(run, corpus, 4, asynchronous=SYNCHRONOUS), "data.seed=7", log=log) != 0
    assert "seed is 7, but the checkpoint was trained with 1234" in log.read_text()
    built = "number of parameters on"
    assert built not in log.read_text()
    assert built in uninterrupted[SYNCHRONOUS].with_suffix(".log").read_text()
    assert {path.name for path in (run / "checkpoints").iterdir()} == {"step=3"}


def test_all_ranks_end_with_the_error_of_the_first(run: Path, corpus: Path, tmp_path: Path) -> None:
    """It is refused by the run's lock before the ranks have met."""
    process, forked = held(run)
    before = {path: path.stat().st_mtime_ns for path in (run / "checkpoints").rglob("*")}
    values = (f"run_dir={run}", f"dataset.corpus={corpus}", "hardware.devices=2", "trainer.max_steps=9", *VALUES)
    began = time.monotonic()
    try:
        statuses = statuses_over(2, "--config-name", "train_tiny", *values, log=tmp_path / "log")
    finally:
        process.kill()
        os.kill(forked, signal.SIGKILL)
    assert statuses == [1, 1]
    assert time.monotonic() - began < 120  # seconds; the timeout of a process group is 1,800
    who = f"pid {process.pid} on {socket.gethostname()}"
    for rank in range(2):
        said = (tmp_path / f"log.{rank}").read_text()
        assert said.count(f"error: {run}: another process trains here ({who}). Wait for it, end it") == 1, said
        assert "Traceback" not in said
    assert before == {path: path.stat().st_mtime_ns for path in (run / "checkpoints").rglob("*")}


def test_the_holder_of_a_run_is_asked_for_without_taking_its_lock(tmp_path: Path) -> None:
    assert holder(tmp_path) == ""
    process, forked = held(tmp_path)
    assert holder(tmp_path) == f"pid {process.pid} on {socket.gethostname()}"
    process.kill()
    process.join()
    assert holder(tmp_path) == ""
    os.kill(forked, signal.SIGKILL)
    hold(tmp_path)


def test_the_doctor_tells_beforehand(run: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints = run / "checkpoints"

    def told(*overrides: str) -> list[tuple[str, str]]:
        values = (f"dataset.corpus={corpus}", f"run_dir={run}", "trainer.max_steps=9", *VALUES, *overrides)
        found = [one for one in examine("train_tiny", values) if one.what in ("checkpoints", "resume")]
        return [(one.status, one.found) for one in found if (one.what, one.status) != ("resume", "ok")]

    assert told() == [("ok", "resumes from step=6, the newest of 2 complete ones")]
    assert told("trainer.max_steps=6")[1] == ("warning", "step 6 of 6 is done")
    assert told(f"run_dir={run}2") == [("ok", "none: starts at step 0")]
    (run.parent / "without" / "checkpoints" / "step=3" / "weights").mkdir(parents=True)
    monkeypatch.setattr("corpus.synthetic.CORPUS", f"{run}/none")  # as before the first run of all
    status, found = told(f"run_dir={run.parent}/without", f"dataset.corpus={run}/none")[0]
    assert (status, "step=3: has no manifest.json" in found) == ("will not work", True)
    monkeypatch.undo()
    ((status, found),) = told("seed=7")
    assert (status, "seed is 7, but the checkpoint was trained with 1234" in found) == ("will not work", True)
    flip(checkpoints / "step=6" / "manifest.json", 40, 0)
    shutil.copytree(checkpoints / "step=3", checkpoints / "step=9.unknown")
    assert told()[0] == ("ok", "resumes from step=3, the newest of 1 complete ones")
    assert "step=9.unknown (set aside as unknown: " in told()[1][1]
    assert "step=6 (damaged: manifest.json is damaged (" in told()[1][1]
    shard = next(checkpoints.glob("step=3/weights/*.distcp"))
    shard.write_bytes(shard.read_bytes()[:-1])
    assert told()[0] == ("will not work", "all are damaged, so the run would be refused")
    states = {one.name: (one.step, one.state) for one in list_checkpoints(checkpoints)}
    assert states == {
        "step=9.unknown": (9, "set aside as unknown"),
        "step=6": (6, "damaged"),
        "step=3": (3, "damaged"),
    }


def test_other_labelled_sequences_are_told_by_their_file_and_number() -> None:
    def kept(digest: str, path: str, sequences: int) -> dict[str, Any]:
        return {LABELLED: digest, LABELLED_FROM: {"path": path, "sequences": sequences}}

    before = kept("aa", "old.csv", 1000)
    check_same(before, kept("aa", "moved.csv", 1000), where="step=3")
    with refused("another-run", where="step=3", names="900 sequences of new.csv") as caught:
        check_same(before, kept("bb", "new.csv", 900), where="step=3")
    assert "1,000 sequences of old.csv" in caught.value.problem
    assert "'aa'" not in caught.value.problem
    with refused("another-run", names="1,000 sequences of old.csv, with other bases, labels or order"):
        check_same(before, kept("bb", "old.csv", 1000), where="step=3")
    with refused("another-run", names="trained with others"):  # a checkpoint of before
        check_same({LABELLED: "aa"}, kept("bb", "old.csv", 1000), where="step=3")


def test_adapters_of_another_rank_or_scale_are_another_run() -> None:
    architecture = read_architecture("llama3_tiny_genomic_config")
    before = trained_with({"seed": 1}, architecture, lora_dim=8, lora_alpha=32)
    check_same(before, trained_with({"seed": 1}, architecture, lora_dim=8, lora_alpha=32), where="step=3")
    with refused("another-run", where="step=3", names="lora_alpha is 16"):
        check_same(before, trained_with({"seed": 1}, architecture, lora_dim=4, lora_alpha=16), where="step=3")
    with refused("another-run", where="step=3", names="lora_dim is 0"):
        check_same(before, trained_with({"seed": 1}, architecture, lora_dim=0, lora_alpha=32), where="step=3")
    older = {key: value for key, value in before.items() if not key.startswith("lora")}
    check_same(older, trained_with({"seed": 1}, architecture, lora_dim=4, lora_alpha=16), where="step=3")
