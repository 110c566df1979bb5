"""Evaluation of the live weights: the numbers are those of an export of the same step, in every layout."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from parallel_cases import trained
from refusal import refused

from configs.compose import compose_config
from conversion.convert import convert
from evaluation.likelihood.model import load_model
from evaluation.suite.config import RecallTask, Suite, read_suite
from evaluation.suite.recall import measure_recall
from evaluation.suite.tasks import run_task
from launch.preflight.check import check_config
from training.live.rows import Layout, Row, rounds
from training.live.tasks import live_suite, live_tasks

LENGTH = 256
VALUES = (
    f"dataset.sequence_length={LENGTH}",
    "trainer.evaluate_every=2",
    "trainer.checkpoint_every=2",
    "trainer.keep_checkpoints=-1",
)


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recall at two distances, and twelve labelled variants: substitutions, an insertion and a deletion."""
    folder, random = tmp_path_factory.mktemp("suite"), np.random.default_rng(4)
    genome = "".join(random.choice(list("ACGT"), 700))
    (folder / "genome.fa").write_text(f">c\n{genome}\n")
    lines = ["##fileformat=VCFv4.2", "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"]
    for number in range(12):
        at = 20 + 55 * number
        ref = genome[at : at + 2] if number == 3 else genome[at]
        alt = f"{ref}TT" if number == 5 else "ACGT"[("ACGT".index(ref[0]) + 1 + number % 3) % 4]
        if number == 3:
            alt = ref[0]
        lines.append(f"c\t{at + 1}\t.\t{ref}\t{alt}\t.\t.\tL={number % 2}")
    (folder / "v.vcf").write_text("\n".join(lines) + "\n")
    (folder / "suite.yaml").write_text(f"""
recall: [{{distances: [64, 130], samples: 3}}]
variants: [{{name: made up, genome: {folder}/genome.fa, vcf: {folder}/v.vcf, label: L, window: 120}}]
""")
    return folder / "suite.yaml"


def lines_of(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def of_export(checkpoint: Path, suite: Path, folder: Path) -> dict[str, float]:
    """The same measures by `evaluate`'s own code, of the checkpoint as a Hugging Face model."""
    convert(checkpoint, folder, to="hf", dtype="float32")
    model, wanted = load_model(folder, device="cpu"), read_suite(suite)
    found = {}
    for one in measure_recall(model, distances=[64, 130], samples=3, seed=0, batch_size=3):
        found[f"recall/bits_per_base_{one.distance}"] = one.bits
        found[f"recall/accuracy_{one.distance}"] = one.accuracy
    for metric in run_task(model, folder, wanted.variants[0], batch_size=4, where="").metrics:
        found[f"made up/{metric.metric.lower()}"] = metric.value
    return found


def check(run: Path, suite: Path, folder: Path) -> None:
    """Two evaluations, each of the weights of its step."""
    lines = [line for line in lines_of(run) if "evaluation" in line]
    assert [line["step"] for line in lines] == [2, 4]
    for line in lines:
        expected = of_export(run / "checkpoints" / f"step={line['step']}", suite, folder / f"{line['step']}")
        assert line["evaluation"] == pytest.approx(expected, rel=1e-4, abs=1e-5)
        assert line["evaluation_left_out"] == []
    assert lines[0]["evaluation"] != lines[1]["evaluation"]


@pytest.mark.nemo
def test_the_live_weights_have_the_numbers_of_their_export(corpus: Path, suite: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    trained(run, corpus, "train_tiny", *VALUES, f"trainer.evaluate_suite={suite}", steps=4)
    check(run, suite, tmp_path)
    assert "step 4: recall/bits_per_base_64" in run.with_suffix(".log").read_text()


@pytest.mark.torture
@pytest.mark.parametrize("layout", ["tensor", "pipeline", "data", "context"])
def test_every_layout_has_them(corpus: Path, suite: Path, tmp_path: Path, layout: str) -> None:
    run, over = tmp_path / "run", () if layout == "data" else (f"parallelism.{layout}=2",)
    trained(run, corpus, "train_tiny", *VALUES, f"trainer.evaluate_suite={suite}", *over, ranks=2, steps=4)
    check(run, suite, tmp_path)


@pytest.mark.torture
def test_what_has_no_time_is_named_and_training_is_untouched(corpus: Path, suite: Path, tmp_path: Path) -> None:
    """A billionth of a second: nothing fits. The losses are those of a run that evaluates nothing."""
    run, plain = tmp_path / "run", tmp_path / "plain"
    hurried = (*VALUES, f"trainer.evaluate_suite={suite}", "trainer.evaluate_seconds=1e-9")
    losses = trained(run, corpus, "train_tiny", *hurried, steps=4)
    (first, _) = [line for line in lines_of(run) if "evaluation" in line]
    assert first["evaluation"] == {}
    assert first["evaluation_left_out"] == ["recall", "made up"]
    assert "'made up' is left out: 0 of 48 sequences" in run.with_suffix(".log").read_text()
    without = [value for value in VALUES if "evaluate" not in value]
    assert losses == trained(plain, corpus, "train_tiny", *without, steps=4)


@pytest.mark.fast
def test_every_row_is_read_once_whatever_the_layout() -> None:
    random = np.random.default_rng(0)
    rows = [
        Row(ids=random.choice(np.frombuffer(b"ACGT", np.uint8), size=int(size)), first=int(first))
        for size, first in zip(random.integers(60, 1025, 23), random.integers(1, 59, 23), strict=True)
    ]
    for replicas, stages, parts in ((1, 1, 1), (3, 1, 1), (2, 2, 1), (1, 1, 4)):
        layout = Layout(replicas=replicas, stages=stages, parts=parts, micro_batch=2, longest=1024)
        seen = []
        for one in rounds(rows, layout):
            assert one.places.shape == (replicas, stages, 2)
            assert one.length % (128 * (2 * parts if parts > 1 else 1)) == 0
            for place, inputs, targets, counted in zip(
                one.places.ravel(),
                one.inputs.reshape(-1, one.length),
                one.targets.reshape(-1, one.length),
                one.counted.reshape(-1, one.length),
                strict=True,
            ):
                if place < 0:
                    assert not counted.any()
                    continue
                seen.append(int(place))
                row = rows[place]
                assert targets[counted].tolist() == row.ids[row.first :].tolist()
                assert inputs[: len(row.ids) - 1].tolist() == row.ids[:-1].tolist()
        assert sorted(seen) == list(range(23))


@pytest.mark.fast
def test_a_suite_that_live_weights_cannot_answer_is_refused(tmp_path: Path, suite: Path) -> None:
    (tmp_path / "s.yaml").write_text("likelihood: [{name: held out, source: x.fa}]\n")
    with refused("not-a-live-task", where="s.yaml", names="held out"):
        live_suite(str(tmp_path / "s.yaml"))
    (tmp_path / "m.yaml").write_text(suite.read_text().replace("v.vcf", "none.vcf"))
    with refused("missing-source", names="none.vcf"):
        live_suite(str(tmp_path / "m.yaml"))
    with refused("no-distance-fits", where="here"):
        live_tasks(Suite(recall=[RecallTask(distances=[500])]), 128, where="here")
    assert [task.name for task in live_tasks(live_suite(None), 512, where="")] == ["recall"]


@pytest.mark.fast
def test_settings_are_checked_before_the_run(suite: Path) -> None:
    base = ["trainer.evaluate_every=10", f"trainer.evaluate_suite={suite}"]
    check_config(compose_config("train_tiny", base))
    for override in ("trainer.evaluate_every=-1", "trainer.evaluate_seconds=0", "trainer.evaluate_every=0"):
        with refused("settings-rule", names=override.partition("=")[0]):
            check_config(compose_config("train_tiny", [*base, override]))
    head = ["head.kind=classify", "head.train=labels.csv", "finetune=true", "init_from=model"]
    with refused("settings-rule", names="trainer.evaluate_every=10 with head.kind=classify"):
        check_config(compose_config("train_tiny", [*base, *head]))
