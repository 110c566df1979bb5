"""kill -9 of a training run, again and again: no finished checkpoint is lost, and the end is the same."""

import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from checkpoint_contents import differences
from resume_cases import ASYNCHRONOUS, STEPS, SYNCHRONOUS, kill, start, train
from torture import Tally, times

from conversion.locate import newest_first
from conversion.manifest import check_against_manifest, read_manifest


def test_killed_at_any_moment(
    uninterrupted: dict[str, Path], corpus: Path, tmp_path: Path, tally: Callable[[str], Tally]
) -> None:
    counted = tally("kill -9 of training: resumes from the newest whole checkpoint, to the same end")
    whole = uninterrupted[SYNCHRONOUS]
    random_ = random.Random(3)
    run = tmp_path / "run"
    newest = 0
    wanted = times(5, 60)
    while counted.cases < wanted:
        asynchronous = random_.choice((SYNCHRONOUS, ASYNCHRONOUS))
        when = ("in a save", "in a save", "at a random moment")[counted.cases % 3]
        process = start(run, corpus, STEPS, asynchronous=asynchronous)
        wait(process, run, when, random_)
        ended = process.exitcode is not None
        kill(process, random_.random() * 0.2)
        said = run.with_suffix(".log").read_text()
        if newest and "resuming from" in said:
            assert f"resuming from {run}/checkpoints/step={newest}, verified" in said
        newest = check(run, newest)
        if ended:
            assert process.exitcode == 0, said[-3000:]
            compare(run, whole)
            newest = 0
        else:
            counted.count(f"{when}, {'asynchronous' if asynchronous == ASYNCHRONOUS else 'synchronous'}")
    train(run, corpus, STEPS)
    compare(run, whole)


def test_a_kill_after_the_last_save_leaves_nothing(
    uninterrupted: dict[str, Path], corpus: Path, tmp_path: Path
) -> None:
    """No step is left to train; the checkpoints that were kept too long go, and the link follows."""
    whole, run = uninterrupted[SYNCHRONOUS], tmp_path / "run"
    shutil.copytree(whole, run, symlinks=True)
    (run / "checkpoints" / f"step={STEPS}-last").unlink()
    (run / "checkpoints" / f"step={STEPS - 1}-last").symlink_to(f"step={STEPS - 1}")
    train(run, corpus, STEPS)
    compare(run, whole)


def wait(process: Any, run: Path, when: str, random_: random.Random) -> None:
    """Until it is to be killed, or has ended."""
    before = set(run.glob("checkpoints/*-unfinished"))
    deadline = time.monotonic() + 200
    while process.is_alive():
        assert time.monotonic() < deadline, run.with_suffix(".log").read_text()[-3000:]
        if when != "in a save" or {*run.glob("checkpoints/*-unfinished")} - before:
            break
        time.sleep(0.002)
    process.join(random_.random() * (0.3 if when == "in a save" else 8))


def check(run: Path, newest: int) -> int:
    """Every checkpoint with a manifest is whole, and no newer one was lost. The step of the newest."""
    folder = run / "checkpoints"
    steps = [0]
    for path in newest_first(folder):
        manifest = read_manifest(path)
        if manifest is not None:
            assert list(check_against_manifest(path, manifest.files)) == []
            steps.append(manifest.step)
    for link in folder.glob("*-last"):
        assert not link.exists() or read_manifest(link) is not None
    assert max(steps) >= newest
    return max(steps)


def compare(run: Path, whole: Path) -> None:
    """The same end, and nothing left of the kills."""
    last = f"checkpoints/step={STEPS}"
    assert differences(run / last, whole / last) == []
    names = sorted(path.name for path in (run / "checkpoints").iterdir())
    assert names == [f"step={STEPS - 1}", f"step={STEPS}", f"step={STEPS}-last"]
    shutil.rmtree(run)
