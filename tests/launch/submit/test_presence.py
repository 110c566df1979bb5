"""What `launch --dry-run` says of corpus, weights, run directory and container; what a submission refuses."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from corpora import prepare
from refusal import refused

from foundation.errors import InputError
from launch.submit.launch import make_script
from launch.submit.presence import Requirement, report, requirements

COMMAND = [Path(sys.executable).with_name("genomic-llama"), "launch"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    letters = random.Random(1)
    text = "".join(f">c{number}\n{''.join(letters.choices('ACGT', k=900))}\n" for number in range(40))
    (folder / "genome.fa").write_text(text)
    prepare([folder / "genome.fa"], folder / "corpus")
    return folder / "corpus"


def look(
    *overrides: str, target: str = "slurm", directory: Path, recipe: str = "llama3_8b_genomic"
) -> dict[str, Requirement]:
    job, site, _ = make_script(recipe, overrides, target=target, directory=directory)
    return {one.what.partition("=")[0]: one for one in requirements(job, site)}


def test_a_corpus_is_there_or_is_not(corpus: Path, tmp_path: Path) -> None:
    assert look(f"dataset.corpus={corpus}", directory=tmp_path)["dataset.corpus"].here is True
    absent = look("dataset.corpus=/nowhere", directory=tmp_path)["dataset.corpus"]
    assert (absent.here, absent.detail) == (False, "no directory /nowhere")
    other = look(f"dataset.corpus={tmp_path}", directory=tmp_path)["dataset.corpus"]
    assert (other.here, "not a prepared corpus" in other.detail) == (False, True)
    relative = look("dataset.corpus=corpus", directory=corpus.parent)["dataset.corpus"]
    assert relative.here is True
    assert "dataset.corpus" not in look(directory=tmp_path, recipe="llama3_tiny_genomic", target="local")


def test_megatron_bridges_environment_is_there_or_is_not(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ["engine=bridge", f"dataset.corpus={corpus}"]
    python = tmp_path / "python"
    monkeypatch.setattr("launch.submit.presence.engine_python", lambda config: str(python))
    with refused("no-megatron-bridge", where=str(python), fix="make bridge"):
        make_script("llama3_tiny_genomic", given, target="local", directory=tmp_path, submitted=True)
    python.touch()
    make_script("llama3_tiny_genomic", given, target="local", directory=tmp_path, submitted=True)


def test_every_corpus_of_a_blend_is_looked_for(corpus: Path, tmp_path: Path) -> None:
    blend = f"dataset.corpus=[{{corpus: {corpus}, weight: 1}}, {{corpus: /nowhere, weight: 1}}]"
    job, site, _ = make_script("llama3_8b_genomic", [blend], target="slurm", directory=tmp_path)
    assert [one.here for one in requirements(job, site) if one.what.startswith("dataset.corpus")] == [True, False]


def test_weights_and_run_directory(tmp_path: Path) -> None:
    given = (f"init_from={tmp_path}/none", f"run_dir={tmp_path}/a/b")
    found = look(*given, directory=tmp_path, recipe="llama3_8b_genomic_lora")
    assert found["init_from"].here is False
    assert (found["run_dir"].here, found["run_dir"].detail) == (True, f"it will be made in {tmp_path}")
    (tmp_path / "file").write_text("x")
    assert look(f"run_dir={tmp_path}/file/run", directory=tmp_path)["run_dir"].here is False


def test_paths_of_a_container_are_looked_for_on_the_host(corpus: Path, tmp_path: Path) -> None:
    given = (f"launch.container_mounts=[{corpus.parent}:/data]", "dataset.corpus=/data/corpus", "run_dir=/data/run")
    found = look(*given, f"launch.container_image={tmp_path}/image.sqsh", directory=tmp_path)
    assert found["dataset.corpus"].here is True
    assert found["run_dir"].detail == f"it will be made in {corpus.parent}"
    assert found["launch.container_image"].here is False
    (tmp_path / "image.sqsh").write_text("x")
    assert look(*given, f"launch.container_image={tmp_path}/image.sqsh", directory=tmp_path)[
        "launch.container_image"
    ].here
    registry = look(*given, "launch.container_image=nvcr.io#nvidia/pytorch:25.11-py3", directory=tmp_path)
    assert registry["launch.container_image"].here is None


def test_what_cannot_be_seen_is_said(tmp_path: Path) -> None:
    place = ("launch.image=x/y:1", "launch.claim=work", "run_dir=/workspace/run", "dataset.corpus=/workspace/corpus")
    job, site, _ = make_script("llama3_8b_genomic", place, target="kubernetes", directory=tmp_path)
    lines = list(report(requirements(job, site)))
    assert [line.partition(":")[0] for line in lines] == ["not checked", "not checked"]
    assert "claims" in lines[0]
    assert "registry" in lines[1]


def test_a_dry_run_prints_it_beside_the_script(tmp_path: Path) -> None:
    dry = subprocess.run(
        [*COMMAND, "llama3_8b_genomic", "--slurm", "--dry-run", "dataset.corpus=/nowhere"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert dry.stdout.startswith("#!/usr/bin/env bash\n")
    assert "not found here: dataset.corpus=/nowhere: no directory /nowhere\n" in dry.stderr


@pytest.mark.parametrize("target", ["slurm", "local"])
def test_a_submission_without_its_corpus_is_refused(target: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        make_script("llama3_8b_genomic", ["dataset.corpus=/nowhere"], target=target, directory=tmp_path, submitted=True)
    assert (error.value.kind, error.value.where) == ("corpus-not-here", "dataset.corpus=/nowhere")


def test_labelled_sequences_that_are_elsewhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A script is written without them, which is said; where they are here, they are read and checked."""
    name, table = "llama3_8b_genomic_classify", tmp_path / "table.csv"
    words = [f"init_from={tmp_path}", f"head.train={table}", "head.validation=/nowhere.csv"]
    found = look(*words, directory=tmp_path, recipe=name)
    assert (found["head.train"].here, found["head.validation"].here) == (False, False)
    assert f"head.train={table}, head.validation=/nowhere.csv: not on this machine" in capsys.readouterr().err
    with refused("table-not-here", where=f"head.train={table}", fix="--dry-run"):
        make_script(name, words, target="slurm", directory=tmp_path, submitted=True)
    with refused("off-mounts"):
        make_script(name, words, target="kubernetes", directory=tmp_path)
    table.write_text("sequence,label\nACGT,a\nACGG,a\n")
    with refused("one-class", where="table.csv"):
        make_script(name, words[:2], target="slurm", directory=tmp_path)


def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    tmp_path.chmod(0o500)
    assert look(f"run_dir={tmp_path}/run", directory=tmp_path)["run_dir"].here is False
