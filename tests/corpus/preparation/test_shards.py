"""Shards: whatever their size, their order, and however often the work is killed, the corpus is the same."""

import fcntl
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

import numpy as np
import pytest
from refusal import refused
from torture import Tally, times

from corpus.manifest import verify
from corpus.preparation.plan import read_plan
from corpus.preparation.prepare import plan_preparation, prepare
from corpus.preparation.results import read_result
from corpus.preparation.shard import prepare_shard
from corpus.preparation.work_folder import WorkFolder
from corpus.read import documents_of
from corpus.settings import Settings
from corpus.splits.rule import SplitRule
from foundation.engines.local import LocalEngine
from foundation.errors import InputError

WriteFasta = Callable[..., Path]
SETTINGS = Settings(split=SplitRule(validation_fraction=0.2))


@pytest.fixture
def genomes(tmp_path: Path, write_fasta: WriteFasta, contigs: dict[str, bytes]) -> list[Path]:
    names = list(contigs)
    groups = (names[:3], names[3:25], names[25:])
    return [write_fasta({n: contigs[n] for n in group}, f"{i}.fa") for i, group in enumerate(groups)]


def documents(corpus: Path) -> dict[str, list[bytes]]:
    splits = [split.name for split in verify(corpus, full=True).splits]
    return {split: [one.ids.tobytes() for one in documents_of(corpus, split)] for split in splits}


def files(corpus: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in corpus.iterdir()}


class Backwards(LocalEngine):
    def run(self, tasks, work, on_done) -> None:  # type: ignore[no-untyped-def]
        super().run(list(reversed(tasks)), work, on_done)


@pytest.mark.parametrize("shard_bytes", [700, 3000, 20_000])
def test_any_size_gives_the_same_documents(tmp_path: Path, genomes: list[Path], shard_bytes: int) -> None:
    whole = prepare(genomes, tmp_path / "whole", SETTINGS)
    cut = prepare(genomes, tmp_path / "cut", SETTINGS, shard_bytes=shard_bytes, engine=Backwards(1))
    assert documents(tmp_path / "cut") == documents(tmp_path / "whole")
    assert cut.sources == whole.sources
    for one, other in zip(cut.splits, whole.splits, strict=True):
        assert len(one.shards) >= len(other.shards)
        assert (one.composition, one.length_histogram, one.gc_histogram, one.tokens) == (
            other.composition,
            other.length_histogram,
            other.gc_histogram,
            other.tokens,
        )
    assert not (tmp_path / ".cut.prepare").exists()


def test_histograms(tmp_path: Path, write_fasta: WriteFasta) -> None:
    records = {"a": b"GGCC" * 4, "b": b"ACGT" * 4, "c": b"N" * 1024, "d": b"acgtG"}
    split = prepare([write_fasta(records)], tmp_path / "out", Settings(split=SplitRule(validation_fraction=0))).splits[
        0
    ]
    assert split.length_histogram == {"9": 1, "16": 2, "40": 1}  # floor(4 log2 of 5, 16, 1024)
    assert split.gc_histogram == {"50": 1, "60": 1, "100": 1}  # of N alone there is none


def test_a_name_twice_in_parts_of_a_file(tmp_path: Path, write_fasta: WriteFasta) -> None:
    genome = write_fasta({f"r{n}": b"ACGT" * 50 for n in range(9)})
    genome.write_bytes(genome.read_bytes() + b">r2 again\nAC\n")
    with refused("record-name-twice", where="genome.fa, record 10 'r2'", names="record 3"):
        prepare([genome], tmp_path / "out", SETTINGS, shard_bytes=500)


def test_goes_on_after_bad_input(tmp_path: Path, genomes: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    prepare(genomes, tmp_path / "expected", SETTINGS, shard_bytes=5000)
    good = genomes[2].read_bytes()
    genomes[2].write_bytes(good + b">protein\nMKL\n")
    with refused("not-nucleotides", where="2.fa, record 6 'protein'", fix="protein"):
        prepare(genomes, tmp_path / "out", SETTINGS, shard_bytes=5000)
    assert "repeat the command to continue" in capsys.readouterr().err
    assert list((tmp_path / ".out.prepare" / "shards").glob("*/result.json"))
    genomes[2].write_bytes(good)
    prepare(genomes, tmp_path / "out", SETTINGS, shard_bytes=5000)
    assert "already finished: " in capsys.readouterr().err
    assert files(tmp_path / "out") == files(tmp_path / "expected")
    assert not (tmp_path / ".out.prepare").exists()


def test_other_settings_use_nothing_of_what_was_kept(tmp_path: Path, genomes: list[Path]) -> None:
    work, _ = plan_preparation(genomes, tmp_path / "out", SETTINGS, shard_bytes=5000)
    prepare_shard(work.path, 0)
    other = Settings(split=SplitRule(validation_fraction=0.2, seed=9))
    prepare(genomes, tmp_path / "out", other, shard_bytes=8000)
    prepare(genomes, tmp_path / "expected", other, shard_bytes=8000)
    assert files(tmp_path / "out") == files(tmp_path / "expected")


def test_a_changed_source_is_read_again(tmp_path: Path, genomes: list[Path]) -> None:
    work, plan = plan_preparation(genomes, tmp_path / "out", SETTINGS, shard_bytes=5000)
    for shard in range(len(plan.shards) - 1):
        prepare_shard(work.path, shard)
    genomes[0].write_bytes(b">new\nACGTACGT\n")
    manifest = prepare(genomes, tmp_path / "out", SETTINGS, shard_bytes=5000)
    assert manifest.sources[0].bases == 8
    assert sum(split.bases for split in manifest.splits) == sum(source.bases for source in manifest.sources)


def test_a_source_that_changes_under_way(tmp_path: Path, genomes: list[Path]) -> None:
    work, _ = plan_preparation(genomes, tmp_path / "out", SETTINGS)
    genomes[1].write_bytes(genomes[1].read_bytes() + b">late\nACGT\n")
    with refused("source-changed", where="1.fa"):
        prepare_shard(work.path, 0)


def test_a_finished_shard_is_left_alone(tmp_path: Path, genomes: list[Path]) -> None:
    """A job that a scheduler starts again must not touch what is done."""
    work, _ = plan_preparation(genomes, tmp_path / "out", SETTINGS)
    prepare_shard(work.path, 0)
    before = {path: path.stat().st_mtime_ns for path in work.shard(0).iterdir()}
    prepare_shard(work.path, 0)
    assert {path: path.stat().st_mtime_ns for path in work.shard(0).iterdir()} == before


@pytest.mark.parametrize("damage", ["missing", "short", "result", "empty"])
def test_a_damaged_shard_is_made_again(tmp_path: Path, genomes: list[Path], damage: str) -> None:
    work, _ = plan_preparation(genomes, tmp_path / "out", SETTINGS)
    prepare_shard(work.path, 0)
    file, result = work.shard(0) / "train-00000.bin", work.shard(0) / "result.json"
    if damage == "missing":
        file.unlink()
    elif damage == "short":
        file.write_bytes(file.read_bytes()[:-1])
    else:
        result.write_text("" if damage == "empty" else result.read_text()[:-9])
    prepare(genomes, tmp_path / "out", SETTINGS)
    prepare(genomes, tmp_path / "expected", SETTINGS)
    assert files(tmp_path / "out") == files(tmp_path / "expected")


def test_killed_after_the_corpus_is_in_place(
    tmp_path: Path, genomes: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing but the working folder is left then, and the same command with --overwrite makes the same corpus."""
    with monkeypatch.context() as patch:
        patch.setattr(WorkFolder, "remove", lambda self: None)
        prepare(genomes, tmp_path / "out", SETTINGS)
    before = files(tmp_path / "out")
    assert (tmp_path / ".out.prepare").exists()
    prepare(genomes, tmp_path / "out", SETTINGS, overwrite=True)
    assert files(tmp_path / "out") == before
    assert not (tmp_path / ".out.prepare").exists()


def test_what_a_killed_worker_left_goes_and_one_at_work_stays(tmp_path: Path, genomes: list[Path]) -> None:
    work, _ = plan_preparation(genomes, tmp_path / "out", SETTINGS)
    left = work.shard(0).parent / ".00000.left"
    left.mkdir()
    with work.new_shard(0) as at_work:
        assert not left.exists()
        prepare_shard(work.path, 0)
        assert at_work.exists()
        (at_work / "x").write_text("late")
    assert read_result(work, read_plan(work.plan), 0) is None  # the late one was not whole
    prepare(genomes, tmp_path / "out", SETTINGS)


def test_relative_sources_are_found_from_elsewhere(
    tmp_path: Path, genomes: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    work, _ = plan_preparation([Path(genome.name) for genome in genomes], Path("out"), SETTINGS)
    monkeypatch.chdir("/")
    prepare_shard(work.path, 0)
    assert read_result(work, read_plan(work.plan), 0) is not None


def test_an_output_behind_a_link(tmp_path: Path, genomes: list[Path]) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    prepare(genomes, tmp_path / "link", SETTINGS)
    prepare(genomes, tmp_path / "link", SETTINGS, overwrite=True)
    assert (tmp_path / "link").is_symlink()
    assert verify(tmp_path / "real", full=True).splits


def test_segments_of_a_record_stay_together(tmp_path: Path, write_fasta: WriteFasta) -> None:
    random = np.random.default_rng(0)
    records = {f"r{n}": random.choice(list(b"ACGT"), 1000).astype(np.uint8).tobytes() for n in range(40)}
    settings = Settings(split=SplitRule(validation_fraction=0.3, by="record"), segment_length=90)
    prepare([write_fasta(records)], tmp_path / "out", settings)
    for sequence in records.values():
        pieces = {sequence[start : start + 90] for start in range(0, 1000, 90)}
        found = [split for split, texts in documents(tmp_path / "out").items() if pieces & set(texts)]
        assert len(found) == 1


def test_no_such_plan_or_shard(tmp_path: Path, genomes: list[Path]) -> None:
    with refused("no-plan"):
        prepare_shard(tmp_path, 0)
    work, _ = plan_preparation(genomes, tmp_path / "out", SETTINGS)
    with pytest.raises(InputError) as refusal:
        prepare_shard(work.path, -1)
    assert refusal.value.kind == "unknown-shard"


def test_a_task_after_the_last_shard_has_nothing_to_do(tmp_path: Path, genomes: list[Path]) -> None:
    work, _ = plan_preparation(genomes, tmp_path / "out", SETTINGS)
    before = sorted(work.path.rglob("*"))
    assert prepare_shard(work.path, 1) == 1
    assert sorted(work.path.rglob("*")) == before


def test_not_twice_at_once(tmp_path: Path, genomes: list[Path]) -> None:
    work, _ = plan_preparation(genomes, tmp_path / "out", SETTINGS)
    with work.locked(), refused("prepared-by-another", where=".out.prepare"):
        prepare(genomes, tmp_path / "out", SETTINGS)
    prepare(genomes, tmp_path / "out", SETTINGS)


def test_an_interrupt_while_the_folder_is_made(
    tmp_path: Path, genomes: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = fcntl.flock
    interrupts = iter([KeyboardInterrupt])

    def interrupted(file: IO[str], operation: int) -> None:
        for error in interrupts:
            raise error
        lock(file, operation)

    monkeypatch.setattr(fcntl, "flock", interrupted)
    with pytest.raises(KeyboardInterrupt):
        prepare(genomes, tmp_path / "out", SETTINGS)
    assert not WorkFolder.of_output(tmp_path / "out").path.exists()


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A genome that takes some tenths of a second."""
    path = tmp_path_factory.mktemp("large") / "large.fa"
    random = np.random.default_rng(0)
    with open(path, "wb") as file:
        for number in range(3000):
            bases = np.frombuffer(b"ACGT", dtype=np.uint8)[random.integers(0, 4, 10_000)].tobytes()
            file.write(b">contig_%d\n%b\n" % (number, bases))
    return path


def test_killed_at_any_moment(tmp_path: Path, large: Path, tally: Callable[[str], Tally]) -> None:
    """kill -9 again and again, until a run comes through: its files are those of a run that was left alone."""
    code = """
import sys
from pathlib import Path
from corpus.preparation.prepare import prepare
from corpus.settings import Settings
from corpus.splits.rule import SplitRule
print("ready", flush=True)
prepare([Path(sys.argv[1])], Path(sys.argv[2]), Settings(split=SplitRule(validation_fraction=0.2)), shard_bytes=1 << 20)
"""
    counted = tally("SIGKILL of a corpus preparation: resumes, and ends the same to the byte")
    out, expected, random = tmp_path / "out", tmp_path / "expected", np.random.default_rng(1)
    prepare([large], expected, SETTINGS, shard_bytes=1 << 20)
    wanted = times(5, 100)
    for _ in range(10 * wanted):
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(large), str(out)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(random.uniform(0.02, 0.5))
        process.kill()
        process.communicate()
        if process.returncode == -signal.SIGKILL:
            counted.count("killed at its end" if out.exists() else "killed")
        if process.returncode == 0 or (counted.cases % 5 == 0 and not out.exists()):
            if not out.exists():
                prepare([large], out, SETTINGS, shard_bytes=1 << 20)
            assert sorted(path.name for path in tmp_path.iterdir()) == ["expected", "out"]
        if out.exists():
            assert files(out) == files(expected)
            shutil.rmtree(out)
        if counted.cases == wanted:
            break
    assert counted.cases == wanted
