"""Real runs of the tiny model on the CPU, through NeMo and Megatron-Core."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from cases import stand_in_restores_after_an_error
from nemo_process import nemo, run_in_process, train

from configs.compose import compose_config
from conversion.origin import Origin, origin_of

SMALL = ("dataset.sequence_length=64", "dataset.micro_batch_size=2", "dataset.global_batch_size=4")
SIX = ("trainer.max_steps=6", "trainer.validate_every=3", "trainer.checkpoint_every=3")


def lines(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def losses(run: Path) -> list[tuple[int, float, float]]:
    return [(line["step"], line["loss"], line["learning_rate"]) for line in lines(run) if "loss" in line]


def validations(run: Path) -> dict[int, dict[str, Any]]:
    """What each validation measured, by its step."""
    rows = [line for line in lines(run) if "validation_loss" in line]
    assert len({row["step"] for row in rows}) == len(rows)  # none is repeated
    return {row["step"]: {key: row[key] for key in row if key not in ("time", "validation_seconds")} for row in rows}


def train_tiny(run: Path, corpus: Path, *overrides: str) -> None:
    log = run.with_suffix(".log")
    arguments = ("--config-name", "train_tiny", f"run_dir={run}", f"dataset.corpus={corpus}", *SMALL, *overrides)
    assert train(*arguments, log=log) == 0, log.read_text()[-3000:]


@pytest.fixture(scope="module")
def six_steps(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of six steps that was not interrupted."""
    run = tmp_path_factory.mktemp("runs") / "six_steps"
    train_tiny(run, corpus, *SIX)
    return run


def test_a_run_leaves_its_log_and_its_configuration(six_steps: Path, corpus: Path) -> None:
    assert [line["step"] for line in lines(six_steps) if "loss" in line] == [1, 2, 3, 4, 5, 6]
    assert [line["step"] for line in lines(six_steps) if "validation_loss" in line] == [3, 6]
    assert all(line["tokens"] == 4 * 64 and line["seconds"] > 0 for line in lines(six_steps) if "loss" in line)
    first, *_, last = losses(six_steps)
    assert first[1] == pytest.approx(5.5, abs=0.3)  # ln 256: nothing known yet
    assert last[1] < first[1]
    config = yaml.safe_load((six_steps / "config.yaml").read_text())
    assert config["model"]["parameters"] == 3_082_496
    words = [f"run_dir={six_steps}", f"dataset.corpus={corpus}", *SMALL, *SIX]
    settings = {key: value for key, value in config.items() if key not in ("run_id", "model")}
    assert settings == dataclasses.asdict(compose_config("train_tiny", words))
    for step in (3, 6):  # its checkpoints carry its id
        assert origin_of(six_steps / "checkpoints" / f"step={step}") == Origin(run=config["run_id"], step=step)


def test_the_start_is_not_silent(six_steps: Path) -> None:
    """What is done before the first step, in order: each takes many seconds."""
    text = six_steps.with_suffix(".log").read_text()
    told = ("checking the configuration", "importing NeMo", "setting up", "building the model", "step 1/6")
    places = [text.index(line) for line in told]
    assert places == sorted(places)


def test_the_run_log_measures_the_run(six_steps: Path) -> None:
    """Speeds from their parts, FLOPs by hand, and a clock that misses nothing."""
    matrices = 4 * 256 * (2 * 256 + 2 * 128 + 3 * 704) + 256 * 256
    flops = 6 * matrices + 12 * 4 * 256 * 64 // 2
    rows = [line for line in lines(six_steps) if "loss" in line]
    for row in rows:
        assert 0 < row["bases"] <= row["tokens"]
        assert row["tokens_per_second"] == pytest.approx(row["tokens"] / row["seconds"])
        assert row["bases_per_second"] == pytest.approx(row["bases"] / row["seconds"])
        assert row["tflops_per_device"] == pytest.approx(row["tokens_per_second"] * flops / 1e12)
        assert row["mfu"] is None  # a CPU has no peak here
        assert 0.1 < row["peak_memory_gib"] < 16
    assert [row["eta_seconds"] > 0 for row in rows] == [True] * 5 + [False]
    assert rows[0]["start_seconds"] > 0
    assert all("start_seconds" not in row for row in rows[1:])
    timed = [line["time"] for line in lines(six_steps)]
    assert timed == sorted(timed)
    kinds = ("seconds", "validation_seconds", "checkpoint_seconds", "start_seconds")
    told = sum(line.get(kind, 0.0) for line in lines(six_steps) for kind in kinds)
    began = rows[0]["time"] - rows[0]["seconds"] - rows[0]["start_seconds"]
    assert told == pytest.approx(timed[-1] - began, abs=0.5)
    assert [line["step"] for line in lines(six_steps) if "checkpoint_seconds" in line] == [3, 6]


def test_tensorboard_has_what_the_run_log_has(six_steps: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(six_steps / "tensorboard"))
    events.Reload()
    rows = [line for line in lines(six_steps) if "loss" in line]
    for name in ("loss", "bits_per_base", "tokens_per_second", "goodput", "peak_memory_gib"):
        found = [(event.step, event.value) for event in events.Scalars(f"train/{name}")]
        assert [step for step, _ in found] == [1, 2, 3, 4, 5, 6]
        assert [value for _, value in found] == pytest.approx([row[name] for row in rows], rel=1e-6)
    validation = [line["validation_bits_per_base"] for line in lines(six_steps) if "validation_loss" in line]
    assert [event.value for event in events.Scalars("validation/bits_per_base")] == pytest.approx(validation, rel=1e-6)


@pytest.mark.parametrize(
    "overrides",
    [("dataset.mode=window", "dataset.stride=48", "dataset.reverse_complement=true"), ("dataset.mode=packed",)],
    ids=["window", "packed"],
)
def test_the_other_modes_train(corpus: Path, tmp_path: Path, overrides: tuple[str, ...]) -> None:
    run, every = tmp_path / "run", ("trainer.validate_every=3", "trainer.checkpoint_every=2")
    train_tiny(run, corpus, "trainer.max_steps=4", *every, *overrides)
    assert losses(run)[0][1] == pytest.approx(5.5, abs=0.3)
    assert losses(run)[-1][1] < losses(run)[0][1]
    assert (corpus / "train.64.pack").exists() or "dataset.mode=packed" not in overrides
    resumed = tmp_path / "resumed"
    for steps in (2, 4):
        train_tiny(resumed, corpus, f"trainer.max_steps={steps}", *every, *overrides)
    assert losses(resumed) == losses(run)
    assert validations(run).keys() == {3, 4}  # an interval, and the end
    assert validations(resumed) == {2: validations(resumed)[2], **validations(run)}


def test_a_blend_trains(corpus: Path, tmp_path: Path) -> None:
    """And validates each source by itself."""
    other, run = shutil.copytree(corpus, tmp_path / "other"), tmp_path / "run"
    blend = f"dataset.corpus=[{{corpus: {corpus}, weight: 0.4}}, {{corpus: {other}, weight: 0.8}}]"
    train_tiny(run, corpus, "trainer.max_steps=2", "trainer.validate_every=2", "trainer.validation_batches=3", blend)
    (row,) = [line for line in lines(run) if "validation_loss" in line]
    by_source = row["validation_loss_by_source"]
    assert by_source.keys() == {"corpus", "other"}
    low, high = sorted(by_source.values())
    assert low <= row["validation_loss"] <= high
    assert low != high  # other samples of the same corpus


def test_checkpoints_are_complete_and_named_by_their_steps(six_steps: Path) -> None:
    names = {path.name for path in (six_steps / "checkpoints").iterdir()}
    assert {"step=3", "step=6", "step=6-last"} <= names
    for name in ("step=3", "step=6-last"):
        checkpoint = six_steps / "checkpoints" / name
        assert (checkpoint / "weights" / ".metadata").is_file()
        assert (checkpoint / "context" / "io.json").is_file()
        assert (checkpoint / "context" / "model.yaml").is_file()


def test_a_resumed_run_repeats_the_uninterrupted_one(six_steps: Path, corpus: Path, tmp_path: Path) -> None:
    run, ids = tmp_path / "resumed", set()
    for steps in (3, 6):
        train_tiny(run, corpus, f"trainer.max_steps={steps}", "trainer.validate_every=3", "trainer.checkpoint_every=3")
        ids.add(yaml.safe_load((run / "config.yaml").read_text())["run_id"])
    assert losses(run) == losses(six_steps)
    assert len(ids) == 1
    assert ids != {yaml.safe_load((six_steps / "config.yaml").read_text())["run_id"]}
    rows = [line for line in lines(run) if "loss" in line]
    assert [line["step"] for line in rows if "start_seconds" in line] == [1, 4]
    elapsed = rows[-1]["time"] - rows[0]["time"] + rows[0]["seconds"] + rows[0]["start_seconds"]
    assert rows[-1]["goodput"] == pytest.approx(sum(row["seconds"] for row in rows) / elapsed, rel=0.01)


def test_the_last_steps_are_logged(corpus: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train_tiny(run, corpus, "trainer.max_steps=3", "trainer.log_every=2")
    assert [line["step"] for line in lines(run) if "loss" in line] == [2, 3]
    assert [line["tokens"] for line in lines(run) if "loss" in line] == [2 * 4 * 64, 4 * 64]


def test_the_nemo_command_trains_the_same(six_steps: Path, corpus: Path, tmp_path: Path) -> None:
    run = tmp_path / "nemo"
    log = tmp_path / "log"
    status = nemo(
        "llm",
        "pretrain",
        "--factory",
        f"llama3_tiny_genomic(run_dir='{run}')",
        "-y",
        f"data.corpus={corpus}",
        "data.seq_length=64",
        "model.config.seq_length=64",
        "data.micro_batch_size=2",
        "data.global_batch_size=4",
        "trainer.max_steps=2",
        log=log,
    )
    assert status == 0, log.read_text()[-3000:]
    assert losses(run) == losses(six_steps)[:2]
    config = yaml.safe_load((run / "config.yaml").read_text())  # after NeMo's overrides
    assert (config["trainer"]["max_steps"], config["dataset"]["corpus"]) == (2, str(corpus))
    assert config["dataset"]["global_batch_size"] == 4
    assert any((run / "checkpoints").glob("step=2-last/weights/.metadata"))


def test_the_seed_changes_the_weights(six_steps: Path, corpus: Path, tmp_path: Path) -> None:
    train_tiny(tmp_path / "other", corpus, "trainer.max_steps=1", "seed=7")
    assert losses(tmp_path / "other")[0][1] != losses(six_steps)[0][1]


def test_bad_input_ends_with_one_message(corpus: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    for overrides, message in (
        ([f"dataset.corpus={tmp_path}/none"], f"{tmp_path}/none"),
        (["trainer.max_step=3"], "Did you mean 'max_steps'"),
        (["model_tag=./llama3_tinny_genomic_config"], "Did you mean 'llama3_tiny_genomic_config'"),
    ):
        arguments = ["--config-name", "train_tiny", "--quiet", f"run_dir={tmp_path}/run", *overrides]
        assert train(*arguments, log=log) == 1
        assert log.read_text().count("error: ") == 1
        assert message in log.read_text()
        assert "Traceback" not in log.read_text()


def test_a_changed_corpus_is_refused(corpus: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(corpus, tmp_path / "corpus"))
    data = bytearray((copy / "train-00000.bin").read_bytes())
    data[1000] ^= 6
    (copy / "train-00000.bin").write_bytes(data)
    log = tmp_path / "log"
    arguments = ("--config-name", "train_tiny", "--quiet", f"run_dir={tmp_path}/run", f"dataset.corpus={copy}", *SMALL)
    assert train(*arguments, log=log) == 1
    assert f"error: {copy / 'train-00000.bin'}: was changed" in log.read_text()
    assert "Traceback" not in log.read_text()


def test_a_finished_run_says_so(six_steps: Path, corpus: Path) -> None:
    before = lines(six_steps)
    train_tiny(six_steps, corpus, "trainer.max_steps=6", "trainer.validate_every=3", "trainer.checkpoint_every=3")
    assert "nothing to do: step 6 of 6 is done" in six_steps.with_suffix(".log").read_text()
    assert lines(six_steps) == before


def test_the_stand_in_for_cuda_leaves_nothing_behind(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert run_in_process(stand_in_restores_after_an_error, log=log) == 0, log.read_text()[-2000:]


def test_fine_tuning_goes_on_from_trained_weights(six_steps: Path, corpus: Path, tmp_path: Path) -> None:
    """Its first loss is that of the trained model, and not of a new one; its steps and optimizer are new."""
    run, log = tmp_path / "finetuned", tmp_path / "log"
    checkpoint = six_steps / "checkpoints" / "step=6"
    status = nemo(
        "llm",
        "finetune",
        "--factory",
        f"llama3_tiny_genomic_finetune(init_from='{checkpoint}', run_dir='{run}')",
        "-y",
        f"data.corpus={corpus}",
        "data.seq_length=64",
        "model.config.seq_length=64",
        "data.micro_batch_size=2",
        "data.global_batch_size=4",
        "trainer.max_steps=1",
        log=log,
    )
    assert status == 0, log.read_text()[-3000:]
    ((step, loss, _),) = losses(run)
    first, *_, last = losses(six_steps)
    assert step == 1
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert (config["init_from"], config["finetune"], config["lora"]["dim"]) == (str(checkpoint), True, 0)
    assert config["run_id"] != yaml.safe_load((six_steps / "config.yaml").read_text())["run_id"]
    assert abs(loss - last[1]) < abs(loss - first[1])
