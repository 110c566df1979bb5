"""The same command resumes an interrupted suite, with the same result; tasks whose inputs changed run again."""

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from refusal import refused

from evaluation import digest
from evaluation.suite import runner
from evaluation.suite.config import read_suite
from evaluation.suite.output import read_directory
from evaluation.suite.result import Evaluation
from evaluation.suite.runner import evaluate_models

ROOT = Path(__file__).parents[3]


pytestmark = pytest.mark.usefixtures("tiny_model")  # on one thread


@pytest.fixture
def quick(suite_file: Path) -> Path:
    """Two of likelihood, one of variants: what takes no time."""
    genome = suite_file.parent / "genome.fa"
    lines = [line for line in suite_file.read_text().splitlines() if line.startswith(("variants", "batch_size"))]
    tasks = f"[{{name: genome, source: {genome}, fitted_on: {genome}}}, {{name: near, source: {genome}, stride: 3}}]"
    suite_file.write_text("\n".join([f"likelihood: {tasks}", *lines]) + "\n")
    return suite_file


@pytest.fixture
def models(tiny_directory: Path, tmp_path: Path) -> list[Path]:
    """Two checkpoints of a run."""
    found = [tmp_path / "run" / f"step={step}" for step in (100, 200)]
    for model in found:
        shutil.copytree(tiny_directory, model)
    return found


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Model and task of each that is run, from now on."""
    real, seen = runner.run_task, list[tuple[str, str]]()

    def watched(model: Any, directory: Path, task: Any, **options: Any) -> Any:
        seen.append((directory.name, task.name))
        return real(model, directory, task, **options)

    monkeypatch.setattr(runner, "run_task", watched)
    return seen


def _evaluate(models: list[Path], suite: Path, out: Path, dtype: str = "float32") -> None:
    evaluate_models(models, read_suite(suite), suite, out, dtype)


def _numbers(out: Path) -> list[Evaluation]:
    """All but times."""
    return [
        dataclasses.replace(one, tasks=tuple(dataclasses.replace(task, created="", seconds=0.0) for task in one.tasks))
        for one in read_directory(out)
    ]


ALL = [(model, task) for model in ("step=100", "step=200") for task in ("genome", "near", "made up")]


@pytest.mark.parametrize("stopped", [0, 2, 4])
def test_an_interrupted_suite_goes_on(
    models: list[Path], quick: Path, tmp_path: Path, ran: list[Any], monkeypatch: pytest.MonkeyPatch, stopped: int
) -> None:
    whole, out, watched = tmp_path / "whole", tmp_path / "out", runner.run_task
    _evaluate(models, quick, whole)
    assert ran == ALL
    ran.clear()

    def interrupted(*arguments: Any, **options: Any) -> Any:
        found = watched(*arguments, **options)
        if len(ran) > stopped:
            raise KeyboardInterrupt
        return found

    monkeypatch.setattr(runner, "run_task", interrupted)
    with pytest.raises(KeyboardInterrupt):
        _evaluate(models, quick, out)
    assert len(list(out.glob("*.json"))) == stopped // 3  # a model's file when all its tasks are done
    monkeypatch.setattr(runner, "run_task", watched)
    ran.clear()
    _evaluate(models, quick, out)
    assert ran == ALL[stopped:]
    assert _numbers(out) == _numbers(whole)
    assert sorted(path.name for path in out.iterdir()) == ["run-step=100.json", "run-step=200.json"]
    ran.clear()
    before = [one.created for one in read_directory(out)]
    _evaluate(models, quick, out)
    assert not ran
    assert [one.created for one in read_directory(out)] == before


def test_what_has_changed_is_run_anew(models: list[Path], quick: Path, tmp_path: Path, ran: list[Any]) -> None:
    out = tmp_path / "out"

    def again(*expected: tuple[str, str], dtype: str = "float32") -> None:
        ran.clear()
        _evaluate(models, quick, out, dtype)
        assert ran == list(expected)

    again(*ALL)
    quick.write_text(quick.read_text().replace("batch_size: 4", "batch_size: 3"))
    again()  # does not change a result
    quick.write_text(quick.read_text().replace("stride: 3", "stride: 4"))
    again(("step=100", "near"), ("step=200", "near"))
    genome = tmp_path / "genome.fa"
    genome.write_text(genome.read_text() + "A\n")
    again(*ALL)
    weights = models[1] / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-2] ^= 1  # of the last weight's exponent
    weights.write_bytes(content)
    again(*ALL[3:])
    again(*ALL, dtype="bfloat16")
    quick.write_text(quick.read_text().replace("strand: forward", "strand: forward, grid: 1"))
    again(("step=100", "made up"), ("step=200", "made up"), dtype="bfloat16")
    quick.write_text(quick.read_text().partition("variants")[0])
    again(dtype="bfloat16")
    assert [len(one.tasks) for one in read_directory(out)] == [2, 2]


def test_a_task_that_was_dropped_is_kept_and_taken_up_again(
    models: list[Path], quick: Path, tmp_path: Path, ran: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    out, whole = tmp_path / "out", quick.read_text()
    _evaluate(models[:1], quick, out)
    before = _numbers(out)
    quick.write_text(whole.partition("variants")[0])
    _evaluate(models[:1], quick, out)
    (fewer,) = read_directory(out)
    assert [task.name for task in fewer.others] == ["made up"]
    assert "step=100: 1 result of other suites or settings kept in" in capsys.readouterr().err
    quick.write_text(whole)
    ran.clear()
    _evaluate(models[:1], quick, out)
    assert not ran
    assert _numbers(out) == before


def test_models_on_the_same_task_share_its_protocol_and_say_what_was_left_out(
    models: list[Path], quick: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with open(tmp_path / "v.vcf", "a") as file:
        file.write("c\t1\t.\tG\tA\t.\t.\tL=0\nz\t1\t.\tG\tA\t.\t.\tL=0\nc\t2\t.\tC\t<DEL>\t.\t.\tL=0\n")
    _evaluate(models[:1], quick, tmp_path / "out")
    assert "variants 'made up': 1 not scored: REF is not what the FASTA file has there" in capsys.readouterr().err
    _evaluate(models[:1], quick, tmp_path / "out")
    told = capsys.readouterr().err
    assert "1 not scored: the contig is not in the FASTA file" in told
    assert "1 not scored: an allele that is not a sequence" in told
    quick.write_text(quick.read_text().replace("stride: 3", "stride: 4"))
    weights = models[1] / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-2] ^= 1  # of the last weight's exponent
    weights.write_bytes(content)
    _evaluate(models[1:], quick, tmp_path / "out")
    first, second = (one.tasks for one in read_directory(tmp_path / "out"))
    assert second[2].unscored == {"no_contig": 1, "ref_mismatch": 1, "unsupported": 1}
    assert [a.fingerprint == b.fingerprint for a, b in zip(first, second, strict=True)] == [False] * 3
    assert [a.protocol == b.protocol for a, b in zip(first, second, strict=True)] == [True, False, True]


def test_two_models_of_one_name_are_told_apart(models: list[Path], quick: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "run" / "step=100"
    shutil.copytree(models[0], other)
    config = other / "config.json"
    config.write_text(config.read_text().replace('"rms_norm_eps": 1e-06', '"rms_norm_eps": 1e-05'))
    with refused("model-name-twice", where=other, names="run/step=100"):
        _evaluate([models[0], other], quick, tmp_path / "out")
    with refused("model-name-twice", where=models[0]):
        _evaluate([models[0], models[0]], quick, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    _evaluate(models[:1], quick, tmp_path / "out")
    with refused("results-of-another-model", where="step=100.json"):
        _evaluate([other], quick, tmp_path / "out")


def test_a_model_is_the_same_wherever_its_path_begins(
    models: list[Path], quick: Path, tmp_path: Path, ran: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    _evaluate(models[:1], quick, tmp_path / "out")
    weights = models[0] / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-2] ^= 1  # of the last weight's exponent
    weights.write_bytes(content)
    monkeypatch.chdir(tmp_path / "run")
    ran.clear()
    _evaluate([Path("step=100")], quick, tmp_path / "out")
    assert ran == ALL[:3]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["run-step=100.json"]


def test_a_suite_reads_each_file_for_its_checksum_once(
    models: list[Path], quick: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, sha256 = list[Path](), digest.sha256

    def watched(path: Path) -> str:
        read.append(path)
        return sha256(path)

    monkeypatch.setattr(digest, "sha256", watched)
    _evaluate(models, quick, tmp_path / "out")
    files = [model / name for model in models for name in ("config.json", "model.safetensors")]
    assert sorted(read) == sorted([*files, tmp_path / "genome.fa", tmp_path / "v.vcf"])


def test_it_says_what_it_does_and_how_long_it_will_take(
    models: list[Path], quick: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _evaluate(models, quick, tmp_path / "out")
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("run-step")]
    assert lines[0].endswith("(model 1 of 2): likelihood 'genome' (task 1 of 3); 0 of 6 done")
    assert "(model 2 of 2): likelihood 'near' (task 2 of 3); 4 of 6 done, about " in lines[4]
    assert lines[4].endswith(" s left")
    shutil.rmtree(models[1])
    shutil.copytree(models[0], models[1])
    quick.write_text(quick.read_text().replace("stride: 3", "stride: 4"))
    _evaluate(models, quick, tmp_path / "out")
    assert "4 of 6 results are there already" in capsys.readouterr().err


@pytest.mark.torture
def test_a_killed_suite_goes_on(models: list[Path], quick: Path, tmp_path: Path) -> None:
    """kill -9 once the first task is on disk; the same command ends as one that was never stopped."""
    out = tmp_path / "out"
    command = [
        sys.executable,
        "-m",
        "genomic_llama.cli.main",
        "evaluate",
        str(quick),
        *map(str, models),
        "--out",
        str(out),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while process.poll() is None and not list(out.glob("*.partial")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.returncode == -signal.SIGKILL
    _evaluate(models, quick, out)
    _evaluate(models, quick, tmp_path / "whole")
    assert _numbers(out) == _numbers(tmp_path / "whole")
    assert not list(out.glob("*.partial"))
