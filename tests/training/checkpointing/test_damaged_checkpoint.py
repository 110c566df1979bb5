"""Bit flips and truncation in every file of a training checkpoint are found: by `verify`, and before a run trains."""

import json
import multiprocessing
import os
import re
import shutil
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import nemo_process
import pytest
from damage import damaged, damages, flip
from nemo_process import nemo
from refusal import refused
from resume_cases import SYNCHRONOUS, arguments, hold_and_fork, train
from torture import Tally, times
from typer.testing import CliRunner

from conversion.inspection import verify_checkpoint
from conversion.manifest import CheckpointFile, CheckpointManifest, read_manifest
from foundation.errors import InputError
from genomic_llama.cli.main import app
from training.checkpointing.lock import hold
from training.checkpointing.seal import share


@pytest.fixture
def run(uninterrupted: dict[str, Path], tmp_path: Path) -> Path:
    """A run that ended after three steps, with a checkpoint of each."""
    for step in (1, 2, 3):
        name = f"checkpoints/step={step}"
        shutil.copytree(uninterrupted[SYNCHRONOUS] / name, tmp_path / "run" / name)
    (tmp_path / "run" / "checkpoints" / "step=3-last").symlink_to("step=3")
    return tmp_path / "run"


def test_verify_finds_damage_in_every_file(run: Path, tally: Callable[[str], Tally]) -> None:
    counted = tally("damage in a training checkpoint is found by `checkpoint verify`")
    checkpoint = run / "checkpoints" / "step=3"
    result = CliRunner().invoke(app, ["checkpoint", "verify", str(checkpoint)])
    assert "of step 3" in result.output
    manifest = verify_checkpoint(checkpoint)
    assert isinstance(manifest, CheckpointManifest)
    every = {path.relative_to(checkpoint).as_posix() for path in checkpoint.rglob("*") if path.is_file()}
    assert every == {*manifest.files, "manifest.json"}
    for name in sorted(every):
        path = checkpoint / name
        for damage in damages(path.stat().st_size, times(1, 25)):
            with damaged(path, *damage), pytest.raises(InputError):
                verify_checkpoint(checkpoint)
            counted.count(f"{damage[0]} in {_kind(name)}")
        whole = path.read_bytes()
        path.unlink()
        if name != "manifest.json":
            with pytest.raises(InputError):
                verify_checkpoint(checkpoint)
        path.write_bytes(whole)
    assert verify_checkpoint(checkpoint) == manifest


def test_a_run_goes_on_from_the_newest_undamaged_checkpoint(run: Path, corpus: Path) -> None:
    """The newest has a flipped bit, the one before a damaged manifest: the third is taken, and the two are kept.

    So is a copy that somebody made, though two checkpoints are all that the run keeps.
    """
    checkpoints = run / "checkpoints"
    shutil.copytree(checkpoints / "step=1", checkpoints / "step=1-best")
    flip(next((checkpoints / "step=3" / "weights").glob("*.distcp")), 5000, 3)
    (checkpoints / "step=2" / "manifest.json").write_text("{")
    said = train(run, corpus, 4)
    for step in (3, 2):
        assert f"{checkpoints}/step={step} is damaged and set aside as step={step}.damaged: " in said
    assert f"resuming from {checkpoints}/step=1, the newest undamaged one" in said
    assert {"step=1-best", "step=2.damaged", "step=3.damaged", "step=3", "step=4", "step=4-last"} == {
        path.name for path in checkpoints.iterdir()
    }
    listed = json.loads(CliRunner().invoke(app, ["checkpoint", "info", str(run), "--json"]).stdout)
    assert Path(listed["path"]).name == "step=4"
    assert [(one["name"], one["state"]) for one in listed["checkpoints"]] == [
        ("step=4", "whole"),
        ("step=3", "whole"),
        ("step=3.damaged", "set aside as damaged"),
        ("step=2.damaged", "set aside as damaged"),
        ("step=1-best", "whole"),
    ]
    table = CliRunner().invoke(app, ["checkpoint", "info", str(checkpoints)]).stdout
    assert re.search(r"step=4 .* 4 .* whole", table)
    assert "step=4" in table.rpartition("path:")[2]  # what is known of the one that is taken


def test_a_run_with_nothing_undamaged_is_refused_and_left_as_it_is(run: Path, corpus: Path, tmp_path: Path) -> None:
    for path in run.glob("checkpoints/step=?/weights/common.pt"):
        flip(path, 300, 0)
    before = sorted(run.rglob("checkpoints/**/*"))
    log = tmp_path / "log"
    assert nemo(*arguments(run, corpus, 4, asynchronous=SYNCHRONOUS), log=log) != 0
    each = "; ".join(f"in step={step} weights/common.pt was changed: its checksum" for step in (3, 2, 1))
    assert f"every checkpoint is damaged: {each}" in log.read_text().replace(" is not the manifest's", "")
    assert sorted(run.rglob("checkpoints/**/*")) == before


def test_a_checkpoint_under_the_name_of_a_later_step(run: Path, corpus: Path) -> None:
    """It would be kept as the newest for ever, and what the run saves be removed at once."""
    checkpoints = run / "checkpoints"
    (checkpoints / "step=2").rename(checkpoints / "step=90")
    with refused("step-misnamed", where="step=90", fix="step=2"):
        verify_checkpoint(checkpoints / "step=90")
    said = train(run, corpus, 4)
    assert "step=90 is damaged and set aside as step=90.damaged: it is of step 2, by its manifest" in said
    assert f"resuming from {checkpoints}/step=3, the newest undamaged one" in said
    assert (checkpoints / "step=4" / "manifest.json").is_file()


def test_a_run_whose_checkpoints_have_gone_is_told_so(run: Path, corpus: Path) -> None:
    """The disk of the checkpoints is missing: the run starts at step 0, like one that was killed early, and says so."""
    train(run, corpus, 4)
    (run / "checkpoints").rename(run / "elsewhere")
    assert f"{run}/checkpoints is empty, and the run log ends at step 4: the run starts from step 0" in train(
        run, corpus, 1
    )


def test_damage_in_our_copy_of_the_weights_to_start_from(run: Path, corpus: Path, tmp_path: Path) -> None:
    """A second run from the same checkpoint finds the copy of the first, with a flipped bit in a shard."""
    given = (f"init_from={run}/checkpoints/step=2", f"dataset.corpus={corpus}", "trainer.max_steps=1")
    log = tmp_path / "log"

    def start(name: str) -> str:
        values = (*given, f"run_dir={tmp_path}/runs/{name}", "dataset.sequence_length=64")
        assert nemo_process.train("--config-name", "finetune_tiny", *values, log=log) == 0, log.read_text()[-3000:]
        return log.read_text()

    start("first")
    (copy,) = (tmp_path / "runs" / "initial_weights").iterdir()
    shard = max(copy.rglob("*.distcp"), key=lambda path: path.stat().st_size)
    whole = shard.read_bytes()
    flip(shard, len(whole) // 2, 6)
    assert f"{copy} is damaged and is made again" in start("second")
    assert shard.read_bytes() == whole


def test_a_newer_one_without_a_manifest_is_set_aside(run: Path, corpus: Path) -> None:
    """As a copy of a run leaves it that was broken off: no manifest, and no mark either."""
    checkpoints = run / "checkpoints"
    (checkpoints / "step=3" / "manifest.json").unlink()
    (checkpoints / "step=2-last").symlink_to("step=2")
    said = train(run, corpus, 4)
    assert f"{checkpoints}/step=3 has no manifest.json, so it may be incomplete" in said
    assert "set aside as step=3.unknown" in said
    assert f"resuming from {checkpoints}/step=2, verified" in said
    assert {"step=3.unknown", "step=3", "step=4", "step=4-last"} == {path.name for path in checkpoints.iterdir()}


def test_a_run_has_one_process(run: Path, corpus: Path, tmp_path: Path) -> None:
    """Refused before anything is touched; free as soon as the other was killed."""
    before = sorted(run.rglob("checkpoints/**/*"))
    log = tmp_path / "log"
    ready, there = multiprocessing.Pipe()
    holder = multiprocessing.get_context("forkserver").Process(target=hold_and_fork, args=(run, there))
    holder.start()
    there.close()
    forked = ready.recv()
    try:
        assert nemo(*arguments(run, corpus, 4, asynchronous=SYNCHRONOUS), log=log) != 0
        assert f"another process trains here (pid {holder.pid} on {socket.gethostname()})" in log.read_text()
        assert sorted(run.rglob("checkpoints/**/*")) == before
        holder.kill()
        holder.join()
        hold(run)
    finally:
        os.kill(forked, signal.SIGKILL)
        holder.kill()


def test_weights_to_start_from_that_are_not_used(run: Path, corpus: Path, tmp_path: Path) -> None:
    given = (f"init_from={run}/checkpoints/step=2", f"run_dir={run}", f"dataset.corpus={corpus}")
    log = tmp_path / "log"
    nemo_process.train(
        "--config-name", "finetune_tiny", "dataset.sequence_length=64", "trainer.max_steps=3", *given, log=log
    )
    assert f"init_from={run}/checkpoints/step=2 is not used: the run resumes from step 3\n" in log.read_text()


def test_damaged_weights_to_start_from_are_refused(run: Path, corpus: Path, tmp_path: Path) -> None:
    flip(next(run.glob("checkpoints/step=2/weights/*.distcp")), 9000, 1)
    given = (f"init_from={run}/checkpoints/step=2", f"run_dir={tmp_path}/other", f"dataset.corpus={corpus}")
    log = tmp_path / "log"
    assert nemo_process.train("--config-name", "finetune_tiny", "dataset.sequence_length=64", *given, log=log) == 1
    assert f"error: {run}/checkpoints/step=2: weights/__0_" in log.read_text()
    assert "was changed: its checksum is not the manifest's. Copy the checkpoint again" in log.read_text()


def test_ranks_share_the_files_out(run: Path) -> None:
    """Every file is checked by one rank; none has much more than its share."""
    manifest = read_manifest(run / "checkpoints" / "step=3")
    assert manifest is not None
    large = {f"weights/__{rank}_{part}.distcp": 1000 + rank for rank in range(64) for part in range(2)}
    rows = {name: CheckpointFile(bytes=size, xxh3_128="") for name, size in large.items()}
    for files, ranks in ((manifest.files, 3), (rows, 16)):
        whole = CheckpointManifest(step=1, files=files)
        shares = [share(whole, rank, ranks) for rank in range(ranks)]
        assert sorted(name for one in shares for name in one) == sorted(files)
    assert max(sum(file.bytes for file in one.values()) for one in shares) < 1.1 * whole.bytes / 16


def _kind(name: str) -> str:
    if name.endswith(".distcp"):
        return "shards"
    return "context" if name.startswith("context/") else name.removeprefix("weights/")
