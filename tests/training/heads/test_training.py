"""Heads trained by the real NeMo, exported, and used: by transformers 4 and 5, and by our own commands."""

import csv
import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from head_cases import check_losses
from labelled import KINDS, write_rows, write_signal, write_table
from nemo_process import nemo, run_in_process, train, train_over
from refusal import refused
from safetensors.numpy import load_file
from tiny_llama import save_tiny_llama

from benchmarks.finetuning import write_start
from configs.compose import compose_config
from configs.schema import HeadConfig
from conversion.checkpoint import Checkpoint
from conversion.convert import convert
from conversion.formats import open_checkpoint
from conversion.logits import compare_logits
from evaluation.labelled.splits import Splits, read_splits
from evaluation.prediction.request import PredictRequest
from evaluation.suite.output import result_path
from evaluation.suite.result import read_evaluation
from foundation.errors import InputError
from launch.preflight.check import check_config
from launch.preflight.checks import Run, refuse_first
from training.heads.resolve import class_weights

ROOT = Path(__file__).parents[3]
VALUES = (
    "dataset.sequence_length=64", "dataset.global_batch_size=8",
    "dataset.micro_batch_size=4", "optimizer.schedule_steps=6", "optimizer.warmup_steps=1", "optimizer.lr=1e-2",
    "optimizer.min_lr=1e-3", "trainer.validate_every=3", "trainer.checkpoint_every=3", "logging.tensorboard=false",
)  # fmt: skip
CASES: dict[str, tuple[str, ...]] = {
    "classify": ("head.lr_multiplier=3",),
    "multilabel": ("head.pooling=mean", "head.both_strands=true", "lora.dim=4"),
    "regress": ("head.freeze_body=true",),
    "tokens": (),
    "track": ("head.both_strands=true", "optimizer.lr=3e-2"),
}
"""Kinds of heads, each with another way to train and to pool."""
PER_BASE = ("tokens", "track")


def _words(folder: Path, kind: str) -> list[str]:
    start = (f"init_from={folder / 'base'}", f"model_tag={folder / 'base'}", *_data(folder, kind))
    labels = f"head.labels=[{','.join(KINDS[kind])}]"
    return [*start, f"head.kind={kind}", labels, *VALUES, *CASES[kind]]


def _data(folder: Path, kind: str) -> list[str]:
    if kind == "track":
        return [f"head.{key}={value}" for key, value in write_signal(folder).items()]
    return [f"head.train={folder / 'table.csv'}", "head.split_column=split"]


def _train(folder: Path, kind: str, run: Path, *more: str) -> list[dict[str, Any]]:
    log = run.with_suffix(".log")
    status = train("--config-name", "classify_tiny", *_words(folder, kind), f"run_dir={run}", *more, log=log)
    assert status == 0, log.read_text()[-3000:]
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`base`: a random model; `table.csv`; of each kind a run of six steps, KIND, and its export, KIND_hf."""
    folder = tmp_path_factory.mktemp("heads")
    save_tiny_llama(folder / "base", positions=64)
    write_table(folder / "table.csv")
    for kind in CASES:
        _train(folder, kind, folder / kind)
        convert(folder / kind, folder / f"{kind}_hf", to="hf", compare=_compare)
    return folder


def _compare(source: Checkpoint, written: Checkpoint) -> None:
    """What `convert --verify logits` does."""
    assert compare_logits(source, written, cast=False) < 1e-5


def _lines(folder: Path, kind: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / kind / "metrics.jsonl").read_text().splitlines()]


def _splits(folder: Path, kind: str) -> Splits:
    data = dict(word.removeprefix("head.").split("=", 1) for word in _data(folder, kind))
    return read_splits(HeadConfig(kind=kind, labels=KINDS[kind], **data), longest=64)


def _logits(directory: Path, kind: str, sequences: list[bytes]) -> np.ndarray:
    """Of transformers 4, a sequence at a time: of its last base, or the mean over its bases."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification

    of_bases = kind in ("multilabel", *PER_BASE)
    auto = AutoModelForTokenClassification if of_bases else AutoModelForSequenceClassification
    model, info = auto.from_pretrained(directory, output_loading_info=True)
    assert not any(info.values()), info
    with torch.no_grad():
        rows = [model.float()(torch.tensor([list(one)])).logits[0] for one in sequences]
    if kind in PER_BASE:
        return np.concatenate([row.numpy() for row in rows])
    return np.stack([(row.mean(0) if row.ndim == 2 else row).numpy() for row in rows])


@pytest.mark.parametrize("kind", CASES)
def test_the_export_has_the_loss_that_training_measured(kind: str, folder: Path) -> None:
    """Megatron-Core's validation loss, from transformers' logits of the export: that they are the same model."""
    import torch
    from torch.nn import functional

    from tokenizer.sequence import reverse_complement

    examples = _splits(folder, kind).validation
    sequences, targets = [one.ids.tobytes() for one in examples], [one.target for one in examples]
    if "head.both_strands=true" in CASES[kind]:
        sequences += [reverse_complement(one.ids).tobytes() for one in examples]
        targets += [one[::-1].copy() if kind in PER_BASE else one for one in targets]
    logits = torch.from_numpy(_logits(folder / f"{kind}_hf", kind, sequences))
    truth = torch.from_numpy((np.concatenate if kind in PER_BASE else np.stack)(targets))
    if kind in ("classify", "tokens"):
        loss = functional.cross_entropy(logits, truth)
    elif kind == "multilabel":
        loss = functional.binary_cross_entropy_with_logits(logits, truth)
    else:
        head = open_checkpoint(folder / f"{kind}_hf").architecture.head
        assert head is not None
        labels = np.concatenate([one.target for one in _splits(folder, kind).train])
        expected = (np.nanmean(labels), np.nanstd(labels))
        assert (head.mean[0], head.std[0]) == pytest.approx(expected, rel=1e-5)
        known = torch.isfinite(truth)
        assert bool(known.all()) == (kind == "regress")
        loss = functional.mse_loss(logits.view_as(truth)[known], ((truth - head.mean[0]) / head.std[0])[known])
    measured = _lines(folder, kind)[-1]
    assert measured["step"] == 6
    assert float(loss) == pytest.approx(measured["validation_loss"], abs=1e-5)


def test_training_begins_at_chance_and_learns(folder: Path) -> None:
    lines = _lines(folder, "classify")
    losses = [line["loss"] for line in lines if "loss" in line]
    assert losses[0] == pytest.approx(np.log(2), abs=1e-6)
    assert losses[-1] < 0.5
    first, *_, last = [line for line in lines if "validation" in line]
    assert last["validation"]["auroc"] > 0.9
    assert set(last["validation"]) == {"accuracy", "f1", "mcc", "auroc", "auprc"}
    assert set(first["baselines"]) == {"majority", "6-mers"}
    assert "baselines" not in last
    assert all(line["samples_per_second"] > 0 for line in lines if "loss" in line)


def test_a_frozen_body_stays_as_it_was_to_the_bit(folder: Path) -> None:
    base, export = (load_file(folder / one / "model.safetensors") for one in ("base", "regress_hf"))
    assert set(base) - set(export) == {"lm_head.weight"}
    assert set(export) - set(base) == {"score.weight"}
    assert all((base[name] == export[name]).all() for name in base if name in export)
    assert np.abs(export["score.weight"]).max() > 0
    adapted = load_file(folder / "multilabel_hf/model.safetensors")
    changed = {name.split(".")[-2] for name in base if name in adapted and (base[name] != adapted[name]).any()}
    assert changed == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}


def test_a_run_resumes_to_the_bit(folder: Path, tmp_path: Path) -> None:
    """With the head beside its adapters, and at the very next sequence, turned or not as before."""
    kind = "multilabel"
    _train(folder, kind, tmp_path / "run", "trainer.max_steps=3")
    lines = _train(folder, kind, tmp_path / "run")
    assert [line["loss"] for line in lines if "loss" in line] == [
        line["loss"] for line in _lines(folder, kind) if "loss" in line
    ]


def test_nemos_own_command_trains_the_same_head(folder: Path, tmp_path: Path) -> None:
    """In NeMo's words for the same settings, from the tiny model that the factory is of."""
    write_start(tmp_path / "start")
    table, losses = folder / "table.csv", []
    for door in ("ours", "nemos"):
        run, log = tmp_path / door, tmp_path / f"{door}.log"
        if door == "ours":
            words = ("head.split_column=split", "trainer.max_steps=2", "head.lr_multiplier=3", f"run_dir={run}")
            start = (f"init_from={tmp_path / 'start'}", f"head.train={table}")
            lengths = ("dataset.sequence_length=64", "dataset.global_batch_size=8", "dataset.micro_batch_size=4")
            status = train("--config-name", "classify_tiny", *start, *words, *lengths, log=log)
        else:
            values = f"init_from='{tmp_path / 'start'}', train='{table}', run_dir='{run}'"
            words = ("data.split_column=split", "trainer.max_steps=2", "optim.lr_mult=3", "model.config.seq_length=64")
            lengths = ("data.seq_length=64", "data.global_batch_size=8", "data.micro_batch_size=4")
            factory = f"llama3_tiny_genomic_classify({values})"
            status = nemo("llm", "finetune", "--factory", factory, "-y", *words, *lengths, log=log, home=tmp_path)
        assert status == 0, log.read_text()[-3000:]
        lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        losses.append([line["loss"] for line in lines if "loss" in line])
    assert losses[0] == losses[1]
    assert losses[0][0] == pytest.approx(np.log(2), abs=1e-6)
    assert losses[0][1] != losses[0][0]


def test_losses_are_weighted_smoothed_and_counted(tmp_path: Path) -> None:
    assert run_in_process(check_losses, log=tmp_path / "log") == 0, (tmp_path / "log").read_text()[-3000:]


def test_weights_of_classes(folder: Path) -> None:
    """Balanced: inverse to how often each comes, with a mean of one over the training sequences."""
    table = write_rows(folder / "three.csv", [("ACGT", "a"), ("CCGT", "a"), ("GCGT", "a"), ("TCGT", "b")])
    head = HeadConfig(kind="classify", train=str(table), validation=str(table), class_weights="balanced")
    assert class_weights(head, 64) == pytest.approx([4 / 2 / 3, 4 / 2 / 1])
    assert class_weights(replace(head, class_weights="none"), 64) == []
    numbers = write_rows(folder / "yes.csv", [("ACGT", "1"), ("CCGT", "0"), ("GCGT", "0"), ("TCGT", "0")])
    yes = replace(head, kind="multilabel", train=str(numbers), validation=str(numbers))
    assert class_weights(yes, 64) == pytest.approx([3])


def test_a_run_stops_early_and_links_its_best_checkpoint(folder: Path, tmp_path: Path) -> None:
    """At a learning rate of nothing no validation is better than the first. The head's is three times the body's:
    Adam's first step is as large as the learning rate."""
    still = (
        "optimizer.lr=1e-12",
        "optimizer.min_lr=1e-12",
        "optimizer.warmup_steps=0",
        "head.stop_metric=loss",
        "head.patience=1",
    )
    often = ("trainer.validate_every=1", "trainer.checkpoint_every=1", "trainer.keep_checkpoints=-1")
    lines = _train(folder, "classify", tmp_path / "run", *still, *often)
    assert max(line["step"] for line in lines) == 2
    best = tmp_path / "run" / "checkpoints" / "best"
    assert best.resolve().name == "step=1"
    convert(best, tmp_path / "hf", to="hf")
    assert open_checkpoint(tmp_path / "hf").architecture.head is not None
    head = load_file(tmp_path / "hf/model.safetensors")["score.weight"]
    assert np.median(np.abs(head)) == pytest.approx(3e-12, rel=0.01, abs=0)


def test_two_tensor_parallel_processes_learn_alike(folder: Path, tmp_path: Path) -> None:
    """With sequence parallelism, where the head puts the parts of a sequence together."""
    log, run = tmp_path / "log", tmp_path / "run"
    layout = ("parallelism.tensor=2", "parallelism.sequence_parallel=true", "hardware.devices=2")
    words = (*_words(folder, "classify"), *layout, f"run_dir={run}")
    assert train_over(2, "--config-name", "classify_tiny", *words, log=log) == 0, log.read_text()[-3000:]
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    for key in ("loss", "validation_loss"):
        here, there = ([line[key] for line in one if key in line] for one in (lines, _lines(folder, "classify")))
        assert here == pytest.approx(there, abs=1e-5)


def test_another_table_or_head_does_not_resume(folder: Path, tmp_path: Path) -> None:
    write_table(tmp_path / "other.csv", seed=2)

    def start(*words: str) -> None:
        config = compose_config(
            "classify_tiny", [*_words(folder, "classify"), f"run_dir={folder / 'classify'}", *words]
        )
        architecture, length = check_config(config)
        refuse_first(Run(config=config, architecture=architecture, sequence_length=length))

    start()
    with refused("another-run", names="sequences of " + str(tmp_path / "other.csv")):
        start(f"head.train={tmp_path / 'other.csv'}")
    with refused("another-run", names="pooling"):
        start("head.pooling=mean")
    with refused("initial-weights-with-head"):
        start(f"init_from={folder / 'classify_hf'}", f"run_dir={tmp_path}")


@pytest.mark.parametrize("to", ["nemo", "te", "bridge"])
def test_a_head_goes_to_hugging_face_alone(to: str, folder: Path, tmp_path: Path) -> None:
    with refused("head-format", fix="--to hf"):
        convert(folder / "classify", tmp_path / "out", to=to)


def test_transformers_5_gives_the_same_logits(folder: Path) -> None:
    sequences = [one.ids.tobytes() for one in _splits(folder, "classify").validation]
    (folder / "sequences.json").write_text(json.dumps([one.decode() for one in sequences]))
    command = [ROOT / ".venv-transformers5/bin/python", Path(__file__).with_name("transformers5_heads.py")]
    command += [folder / "sequences.json", *(folder / f"{kind}_hf" for kind in CASES)]
    run = subprocess.run(command, capture_output=True, text=True, check=False, env={"HF_HUB_OFFLINE": "1"})
    assert run.returncode == 0, run.stderr[-3000:]
    found = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]
    for kind, one in zip(CASES, found, strict=True):
        assert one["version"].startswith("5.")
        expected = _logits(folder / f"{kind}_hf", "multilabel" if kind in PER_BASE else kind, sequences)
        np.testing.assert_allclose(np.array(one["logits"]), expected, rtol=0, atol=1e-4)
    assert found[0]["labels"] == {"0": "at", "1": "gc"}


def _run(*words: str) -> None:
    from typer.testing import CliRunner

    from genomic_llama.cli.main import app

    result = CliRunner().invoke(app, words)
    if isinstance(result.exception, InputError):
        raise result.exception
    assert result.exit_code == 0, result.output


def test_predict_and_evaluate(folder: Path, tmp_path: Path) -> None:
    hf, genome = folder / "classify_hf", tmp_path / "genome.fa"
    genome.write_text(">one\n" + "ATATTATAATAT" * 4 + "\n>two\n" + "GCGGCCGC" * 4 + "\n")
    (tmp_path / "r.bed").write_text("one\t0\t24\tfirst\t0\t+\ntwo\t4\t20\tsecond\t0\t-\n")
    vcf = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    (tmp_path / "v.vcf").write_text(vcf + "one\t48\t.\tT\tG,A\t.\t.\t.\none\t3\t.\tG\tC\t.\t.\t.\n")

    def predicted(source: Path, *options: str) -> list[dict[str, str]]:
        _run("predict", str(hf), str(source), "--out", str(tmp_path / "p.tsv"), "--overwrite", *options)
        with open(tmp_path / "p.tsv", encoding="utf-8") as file:
            return list(csv.DictReader(file, delimiter="\t"))

    logits = _logits(hf, "classify", [b"ATATTATAATAT" * 4, b"GCGGCCGC" * 4])
    chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    rows = predicted(genome)
    assert [float(row["p_at"]) for row in rows] == pytest.approx(chances[:, 0].tolist(), abs=1e-5)
    assert [row["prediction"] for row in rows] == ["at", "gc"]
    regions = predicted(tmp_path / "r.bed", "--genome", str(genome), "--strand", "both")
    assert [(row["name"], row["start"], row["strand"]) for row in regions] == [
        ("first", "0", "+"),
        ("second", "4", "-"),
    ]
    variants = predicted(tmp_path / "v.vcf", "--genome", str(genome))
    assert [(row["position"], row["alt"]) for row in variants] == [("48", "G"), ("48", "A")]
    changed = _logits(hf, "classify", [b"ATATTATAATAT" * 3 + b"ATATTATAATAG"])
    changed = np.exp(changed) / np.exp(changed).sum(1, keepdims=True)
    assert float(variants[0]["p_at_alt"]) == pytest.approx(changed[0, 0], abs=1e-5)
    assert float(variants[0]["p_at_delta"]) == pytest.approx(changed[0, 0] - chances[0, 0], abs=1e-5)
    calibrated = predicted(genome, "--calibrated")
    assert [row["prediction"] for row in calibrated] == ["at", "gc"]
    assert float(calibrated[0]["p_at"]) != pytest.approx(float(rows[0]["p_at"]), abs=1e-4)

    suite = tmp_path / "suite.yaml"
    table = folder / "table.csv"
    suite.write_text(f"labels:\n- name: composition\n  table: {table}\n  fitted_on: {table}\n")
    _run("evaluate", str(suite), str(hf), "--out", str(tmp_path / "out"))
    (result,) = read_evaluation(result_path(tmp_path / "out", hf)).tasks
    auroc = next(one for one in result.metrics if one.metric == "AUROC")
    assert auroc.value > 0.9
    assert (auroc.count, auroc.baseline_name) == (48, "6-mers")


def test_adapters_and_their_head_as_an_adapter_of_peft(folder: Path, tmp_path: Path) -> None:
    """PEFT gives the logits of the merged export, and so do our commands, in Python too."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForTokenClassification

    import genomic_llama as gl

    base, hf, adapter = folder / "base", folder / "multilabel_hf", tmp_path / "adapter"
    convert(folder / "multilabel", adapter, to="peft", base=base)
    sequences = [one.ids.tobytes().decode() for one in _splits(folder, "multilabel").validation]
    expected = _logits(hf, "multilabel", [one.encode() for one in sequences])
    model = PeftModel.from_pretrained(AutoModelForTokenClassification.from_pretrained(base, num_labels=2), adapter)
    with torch.no_grad():
        rows = [model.eval()(torch.tensor([list(one.encode())])).logits[0].mean(0).numpy() for one in sequences]
    np.testing.assert_allclose(np.stack(rows), expected, rtol=0, atol=1e-5)
    loaded = gl.load_model(base, device="cpu", adapter=adapter)
    found = gl.predict(loaded, sequences, strand="forward")
    assert list(found.columns) == ["name", "length", "p_at", "p_long"]
    np.testing.assert_allclose(found[["p_at", "p_long"]], 1 / (1 + np.exp(-expected)), atol=1e-5)
    both = gl.predict(loaded, sequences, calibrated=True)
    (tmp_path / "s.csv").write_text("sequence\n" + "\n".join(sequences) + "\n")
    words = ("--out", str(tmp_path / "p.tsv"), "--calibrated")
    _run("predict", str(base), str(tmp_path / "s.csv"), *words, "--adapter", str(adapter))
    with open(tmp_path / "p.tsv", encoding="utf-8") as file:
        rows = [float(row["p_long"]) for row in csv.DictReader(file, delimiter="\t")]
    assert rows == pytest.approx(both["p_long"].tolist(), abs=1e-5)
    np.testing.assert_allclose(both["p_long"], gl.predict(gl.load_model(hf), sequences, calibrated=True)["p_long"])


def test_what_python_refuses_to_predict(folder: Path) -> None:
    import genomic_llama as gl

    model = gl.load_model(folder / "track_hf", device="cpu")
    found = gl.predict(model, {"a": "ACGT", "b": "GG"}, strand="forward")
    assert list(zip(found["name"], found["offset"], strict=True)) == [
        ("a", 0),
        ("a", 1),
        ("a", 2),
        ("a", 3),
        ("b", 0),
        ("b", 1),
    ]
    cases = [
        ("not-calibrated", "ACGT", {"calibrated": True}),
        ("sequence-too-long", "A" * 65, {}),
        ("unknown-side", "ACGT", {"truncate": "middle"}),
        ("unknown-strand", "ACGT", {"strand": "reverse"}),
        ("empty-sequence", "", {}),
        ("batch-size", "ACGT", {"batch_size": 0}),
    ]  # fmt: skip
    for kind, sequence, options in cases:
        with refused(kind):
            gl.predict(model, sequence, **options)
    assert len(gl.predict(model, "A" * 65, truncate="left")) == 64
    with refused("no-sequences", where="sequences"):
        gl.predict(model, [])
    with refused("no-head"):
        gl.predict(gl.load_model(folder / "base"), "ACGT")


def test_a_track_from_bigwig_to_bigwig(folder: Path, tmp_path: Path) -> None:
    """What is predicted at a base is the mean of both strands' values there, in a table and in a bigWig."""
    import pyBigWig
    from pyarrow import parquet

    hf, data = folder / "track_hf", write_signal(folder)
    first, *_, last = [line for line in _lines(folder, "track") if "validation" in line]
    assert set(last["validation"]) == {"spearman", "pearson"}
    assert last["validation"]["pearson"] > 0.9
    assert first["baselines"]["6-mers"]["pearson"] > 0.2
    genome = ("--genome", data["genome"])
    _run("predict", str(hf), data["validation"], "--out", str(tmp_path / "p.parquet"), *genome)
    table = parquet.read_table(tmp_path / "p.parquet").to_pydict()
    splits, head = _splits(folder, "track"), open_checkpoint(hf).architecture.head
    assert head is not None
    turned = [one.ids[::-1].tobytes().translate(bytes.maketrans(b"ACGT", b"TGCA")) for one in splits.validation]
    forward = _logits(hf, "track", [one.ids.tobytes() for one in splits.validation])[:, 0]
    reverse = _logits(hf, "track", turned)[:, 0].reshape(len(turned), -1)[:, ::-1].ravel()
    assert table["gc"] == pytest.approx((forward + reverse) / 2 * head.std[0] + head.mean[0], abs=1e-4)
    truth = np.concatenate([one.target for one in splits.validation])
    known = np.isfinite(truth)
    pearson = np.corrcoef(np.array(table["gc"])[known], truth[known])[0, 1]
    assert pearson == pytest.approx(last["validation"]["pearson"], abs=1e-5)
    _run("predict", str(hf), data["validation"], "--out", str(tmp_path / "p.bw"), *genome)
    with pyBigWig.open(str(tmp_path / "p.bw")) as file:
        assert file.chroms() == {"chr1": 1200}
        values = [file.values("chr1", position, position + 1)[0] for position in table["position"]]
    assert values == pytest.approx(table["gc"], abs=1e-5)
    (tmp_path / "suite.yaml").write_text(
        f"labels:\n- name: gc\n  table: {data['validation']}\n  fitted_on: {data['train']}\n"
        f"  genome: {data['genome']}\n  bigwig: {data['bigwig']}\n"
    )
    _run("evaluate", str(tmp_path / "suite.yaml"), str(hf), "--out", str(tmp_path / "out"))
    (result,) = read_evaluation(result_path(tmp_path / "out", hf)).tasks
    found = {one.metric: one for one in result.metrics}
    assert found["Pearson"].value == pytest.approx(pearson, abs=1e-5)
    assert (found["Pearson"].count, found["Pearson"].baseline_name) == (int(known.sum()), "6-mers")
    with refused("other-labels", where="valid.bed"):
        _run("evaluate", str(tmp_path / "suite.yaml"), str(folder / "tokens_hf"), "--out", str(tmp_path / "other"))
    for model, source, out in (("classify", "genome", "p.bw"), ("track", "table", "p.bedgraph")):
        path = Path(data["genome"]) if source == "genome" else folder / "table.csv"
        with refused("not-a-track", where=out):
            PredictRequest(model=folder / f"{model}_hf", source=path, out=tmp_path / out).check()


def test_models_and_commands_that_do_not_fit(folder: Path) -> None:
    from evaluation.likelihood.model import check_language_model
    from evaluation.prediction.predicting import check_predictor

    with refused("no-head", where="base"):
        check_predictor(folder / "base")
    columns = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    for name, text in (("t.csv", "sequence\n"), ("v.vcf", f"{columns}elsewhere\t1\t.\tA\tC\t.\t.\t.\n")):
        (folder / name).write_text(text)
        genome = write_signal(folder)["genome"] if name == "v.vcf" else None
        options = {"source": folder / name, "genome": genome and Path(genome), "out": folder / "nothing.tsv"}
        job = PredictRequest(model=folder / "classify_hf", **options).open()  # type: ignore[arg-type]
        with refused("no-sequences", where=name):
            job.finish((unit, {}) for unit in job.units())
        assert not (folder / "nothing.tsv").exists()
    with refused("not-calibrated", where="_hf"):
        check_predictor(folder / "regress_hf", calibrated=True)
    with refused("has-head", where="_hf", fix="predict"):
        check_language_model(folder / "classify_hf")
