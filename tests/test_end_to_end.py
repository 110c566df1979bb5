"""The whole path in small: FASTA, corpus, pretraining, Hugging Face export, score, report, generation."""

from pathlib import Path

import pytest
from nemo_process import train
from typer.testing import CliRunner

from evaluation.likelihood.score import read_score
from genomic_llama.cli.main import app


def command(*arguments: object) -> str:
    result = CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of thirty steps on a small synthetic genome, converted and scored."""
    folder = tmp_path_factory.mktemp("path")
    command("simulate", folder / "genome.fa", "--contigs", 20, "--contig-length", 3000)
    command("prepare", folder / "genome.fa", "--out", folder / "corpus", "--validation-fraction", 0.2)
    overrides = (f"dataset.corpus={folder}/corpus", f"run_dir={folder}/run", "trainer.max_steps=30")
    size = ("dataset.sequence_length=128", "trainer.validate_every=15", "trainer.checkpoint_every=10")
    log = folder / "log"
    assert train("--config-name", "train_tiny", *overrides, *size, log=log) == 0, log.read_text()[-3000:]
    command("convert", folder / "run", folder / "model", "--to", "hf")
    command("score", folder / "model", folder / "corpus", "--out", folder / "score.json")
    return folder


def test_the_model_learned_on_sequence_it_has_not_seen(folder: Path) -> None:
    score = read_score(folder / "score.json")
    assert score.bases_scored > 3000
    assert score.bits_per_base < 2.0  # 8 before training; a uniform guess among four bases is 2


def test_the_report_is_made(folder: Path) -> None:
    command("report", folder / "run", "--corpus", folder / "corpus", "--score", folder / "score.json",
            "--out", folder / "report.html", "--entropy-floor", 0.847585)  # fmt: skip
    page = (folder / "report.html").read_text()
    assert f"{read_score(folder / 'score.json').bits_per_base:.4f}" in page


def test_transformers_loads_the_export_and_generates_dna(folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder / "model")
    model = AutoModelForCausalLM.from_pretrained(folder / "model")
    torch.manual_seed(0)
    prompt = tokenizer("ACGTACGTAACC", return_tensors="pt")
    text = tokenizer.decode(model.generate(**prompt, max_new_tokens=50, do_sample=True, top_k=4)[0])
    assert len(text) > 12
    assert set(text.removesuffix("<EOS>")) <= set("ACGT")


def test_the_way_back_and_a_run_from_there(folder: Path) -> None:
    command("convert", folder / "model", folder / "nemo", "--to", "nemo")
    command("convert", folder / "nemo", folder / "again", "--to", "hf")
    weights = "model.safetensors"
    assert (folder / "again" / weights).read_bytes() == (folder / "model" / weights).read_bytes()
    log = folder / "log2"
    overrides = (f"dataset.corpus={folder}/corpus", f"run_dir={folder}/run2", f"init_from={folder}/nemo")
    steps = ("trainer.max_steps=1", "dataset.sequence_length=128")
    assert train("--config-name", "train_tiny", *overrides, *steps, log=log) == 0, log.read_text()[-3000:]
    first_loss = float((folder / "run2" / "metrics.jsonl").read_text().split('"loss": ')[1].split(",")[0])
    assert first_loss < 2.0  # nats; from random weights it is 5.5
