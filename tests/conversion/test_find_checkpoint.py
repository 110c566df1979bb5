"""Which checkpoint of a run is taken: the newest whole one."""

import json
import shutil
from pathlib import Path

import pytest
from refusal import refused

from conversion.convert import convert
from conversion.locate import find_checkpoint
from conversion.manifest import CheckpointManifest, write_manifest
from conversion.origin import Origin, origin_of
from conversion.record import read_record


def make_run(folder: Path, *names: str, unfinished: tuple[str, ...] = ()) -> Path:
    for name in names:
        (folder / "checkpoints" / name / "weights").mkdir(parents=True)
    for name in unfinished:
        (folder / "checkpoints" / f"{name}-unfinished").touch()
    return folder


def test_the_newest_by_number_and_not_by_name(tmp_path: Path) -> None:
    run = make_run(tmp_path, "step=9", "step=10", "step=100")
    for source in (run, run / "checkpoints", run / "checkpoints" / "last"):
        assert find_checkpoint(source).path == run / "checkpoints" / "step=100"


def test_last_may_be_newer_or_a_link(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a", "step=10", "step=12-last")
    assert find_checkpoint(run).path.name == "step=12-last"
    run = make_run(tmp_path / "b", "step=10", "step=12")
    (run / "checkpoints" / "step=12-last").symlink_to("step=12")
    assert find_checkpoint(run).path.name == "step=12"
    assert find_checkpoint(run / "checkpoints" / "step=12-last").path.name == "step=12-last"


def test_a_real_last_directory_is_taken_as_it_is(tmp_path: Path) -> None:
    run = make_run(tmp_path, "step=10", "last")
    assert find_checkpoint(run / "checkpoints" / "last").path.name == "last"


def test_unfinished_ones_are_passed_over_with_a_note(tmp_path: Path) -> None:
    run = make_run(tmp_path, "step=5", "step=10", "step=12-last", unfinished=("step=10", "step=12-last"))
    located = find_checkpoint(run)
    assert located.path.name == "step=5"
    assert [path.name for path in located.skipped] == ["step=12-last", "step=10"]


def test_one_without_a_manifest_is_passed_over_for_an_older_one_that_has_it(tmp_path: Path) -> None:
    """A copy that was broken off leaves no mark."""
    run = make_run(tmp_path, "step=4", "step=8", "step=12", "step=16.unknown")
    assert find_checkpoint(run).path.name == "step=12"
    (run / "checkpoints" / "step=8" / "manifest.json").touch()
    (run / "checkpoints" / "step=12-last").symlink_to("step=12")
    located = find_checkpoint(run)
    assert located.path.name == "step=8"
    assert [path.name for path in located.skipped] == ["step=12", "step=12-last"]
    assert find_checkpoint(run / "checkpoints" / "step=12").path.name == "step=12"


def test_a_link_to_an_unfinished_one_is_unfinished(tmp_path: Path) -> None:
    run = make_run(tmp_path, "step=5", "step=10", unfinished=("step=10",))
    (run / "checkpoints" / "step=10-last").symlink_to("step=10")
    assert find_checkpoint(run).path.name == "step=5"


def test_an_unfinished_one_that_was_named_is_refused(tmp_path: Path) -> None:
    run = make_run(tmp_path, "step=5", unfinished=("step=5",))
    with refused("checkpoint-unfinished", where="step=5"):
        find_checkpoint(run / "checkpoints" / "step=5")
    with refused("no-checkpoint", where="checkpoints", names="1 unfinished"):
        find_checkpoint(run)


def test_names_that_nemo_makes_by_default(tmp_path: Path) -> None:
    run = make_run(tmp_path, "model--val_loss=0.91-step=99-consumed_samples=800.0", "model--val_loss=0.9-step=199-last")
    assert find_checkpoint(run).path.name == "model--val_loss=0.9-step=199-last"


def test_an_empty_run_and_no_run(tmp_path: Path) -> None:
    with refused("no-checkpoint", where=tmp_path):
        find_checkpoint(tmp_path)
    with refused("no-such-directory", where="nowhere"):
        find_checkpoint(tmp_path / "nowhere")
    with refused("no-such-directory", where="nowhere/checkpoints"):
        find_checkpoint(tmp_path / "nowhere" / "checkpoints" / "last")


def test_a_run_is_converted(small_nemo: Path, tmp_path: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(tmp_path / "run", "step=15", "step=20", unfinished=("step=20",))
    shutil.copytree(small_nemo, run / "checkpoints" / "step=10")
    (run / "checkpoints" / "step=10" / "manifest.json").touch()
    conversion = convert(run / "checkpoints" / "last", out, to="hf")
    told = capsys.readouterr().err
    assert len(conversion.tensors) == 21
    assert (conversion.source, conversion.checkpoint) == (
        str(run / "checkpoints" / "last"), str(run / "checkpoints" / "step=10"),
    )  # fmt: skip
    assert read_record(out) == conversion
    content = json.loads((out / "conversion.json").read_text())
    del content["checkpoint"]  # as in records of older versions
    (out / "conversion.json").write_text(json.dumps(content))
    record = read_record(out)
    assert record is not None
    assert record.checkpoint is None
    assert "step=20 is incomplete" in told
    assert "step=15 has no manifest; taking" in told


def test_the_run_and_step_of_weights_travel_with_them(small_nemo: Path, tmp_path: Path) -> None:
    """Through every conversion; what a stranger wrote there instead tells nothing, and stops nothing."""
    checkpoint = Path(shutil.copytree(small_nemo, tmp_path / "step=10"))
    known = Origin(run="0123456789abcdef", step=10)
    write_manifest(checkpoint, CheckpointManifest(step=10, files={}, run="0123456789abcdef"))
    assert origin_of(checkpoint) == known
    convert(checkpoint, tmp_path / "hf", to="hf")
    convert(tmp_path / "hf", tmp_path / "nemo", to="nemo")
    convert(tmp_path / "nemo", tmp_path / "again", to="hf")
    for directory in ("hf", "nemo", "again"):
        assert origin_of(tmp_path / directory) == known
        assert read_record(tmp_path / directory) is not None
    for record in ("{", "[]", '{"run": ["x"], "step": true}', '{"run": "<b>", "step": "9"}', '{"step": -1e999}'):
        (tmp_path / "again" / "conversion.json").write_text(record)
        assert origin_of(tmp_path / "again") == Origin()
    assert origin_of(tmp_path / "iter_0000200") == Origin(step=200)
