"""Outputs in the place of something: inputs are never replaced, files of other programs only with --overwrite."""

import gzip
from pathlib import Path

import pytest
from refusal import refused
from typer.testing import CliRunner

from evaluation.variants.output import journal_path
from foundation.receipt import receipt_path
from genomic_llama.cli.main import app

SEQUENCE = "ACGTTGCAAGGCTACGGTAC"
VCF = (
    "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    "c\t5\t.\tT\tA\t.\t.\tL=1\nc\t6\t.\tG\tA\t.\t.\tL=0\n"
)

COMMANDS = {
    "score": (["score", "MODEL", "g.fa", "--out"], "s.json"),
    "per-base": (["score", "MODEL", "g.fa", "--per-base"], "s.parquet"),
    "distribution": (["score", "MODEL", "g.fa", "--distribution"], "s.parquet"),
    "variants": (["variants", "MODEL", "g.fa", "v.vcf", "--out", "s"], "s.tsv"),
    "embed": (["embed", "MODEL", "g.fa", "--out"], "s.parquet"),
    "generate": (["generate", "MODEL", "--prompts", "g.fa", "--length", "3", "--out"], "s.fa"),
    "mutate": (["mutate", "MODEL", "g.fa", "--bed", "r.bed", "--out", "s"], "s.vcf.gz"),
    "shard": (["score", "MODEL", "g.fa", "--shard", "1/2", "--out"], "s.json"),
}


def run(name: str, model: Path, *more: str, output: str = "") -> None:
    words, file = COMMANDS[name]
    given = [str(model) if word == "MODEL" else word for word in words]
    if given[-1].startswith("--"):
        given.append(output or file)
    result = CliRunner().invoke(app, [*given, *more], catch_exceptions=False)
    assert result.exit_code == 0, result.output


@pytest.fixture
def inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, text in (("g.fa", f">c\n{SEQUENCE}\n"), ("v.vcf", VCF), ("r.bed", "c\t0\t3\n")):
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize("name", COMMANDS)
def test_a_file_that_was_not_written_by_the_command_is_kept(name: str, tiny_directory: Path, inputs: Path) -> None:
    file = inputs / COMMANDS[name][1]
    file.write_text("notes of mine")
    with refused("output-exists", where=file.name, fix="--overwrite"):
        run(name, tiny_directory)
    assert file.read_text() == "notes of mine"
    run(name, tiny_directory, "--overwrite")
    assert (file.read_text(errors="replace") == "notes of mine") == (name == "shard")


@pytest.mark.parametrize("name", ["score", "generate", "shard"])
@pytest.mark.parametrize("link", [False, True])
def test_an_input_is_never_replaced(name: str, link: bool, tiny_directory: Path, inputs: Path) -> None:
    if link:
        (inputs / "other.fa").hardlink_to(inputs / "g.fa")
    for more in ([], ["--overwrite"]):
        with refused("output-is-input", where=".fa"):
            run(name, tiny_directory, *more, output="other.fa" if link else "g.fa")
    assert SEQUENCE in (inputs / "g.fa").read_text()


def test_names_made_from_out_are_not_those_of_inputs(tiny_directory: Path, inputs: Path) -> None:
    content = gzip.compress(VCF.encode())
    (inputs / "cohort.vcf.gz").write_bytes(content)
    words = ["variants", str(tiny_directory), "g.fa", "cohort.vcf.gz", "--out", "cohort", "--overwrite"]
    with refused("output-is-input", where="cohort.vcf.gz"):
        CliRunner().invoke(app, words, catch_exceptions=False)
    assert (inputs / "cohort.vcf.gz").read_bytes() == content


def test_files_of_earlier_runs_are_replaced_unless_somebody_changed_them(tiny_directory: Path, inputs: Path) -> None:
    run("variants", tiny_directory, "--label", "L")
    run("variants", tiny_directory)  # has no use for the metrics, which stay
    assert (inputs / "s.metrics.json").exists()
    run("variants", tiny_directory, "--label", "L", "--strand", "both")
    run("variants", tiny_directory, "--strand", "reverse")
    (inputs / "s.tsv").write_text("a column more")
    with refused("output-exists", where="s.tsv", fix="--overwrite"):
        run("variants", tiny_directory, "--strand", "both")
    assert (inputs / "s.tsv").read_text() == "a column more"


def test_a_run_that_was_interrupted_before_its_receipt_is_resumed(tiny_directory: Path, inputs: Path) -> None:
    run("variants", tiny_directory)
    receipt_path(inputs / "s").unlink()
    with refused("output-exists", where="s.vcf.gz"):
        run("variants", tiny_directory)
    journal_path(inputs / "s").write_bytes(b"")
    run("variants", tiny_directory)
    assert not journal_path(inputs / "s").exists()


@pytest.mark.parametrize("option", ["--out", "--model-card"])
def test_a_report_does_not_replace_what_it_is_made_from(option: str, inputs: Path) -> None:
    (inputs / "run").mkdir()
    for name in ("s.json", "run/metrics.jsonl"):
        (inputs / name).write_text("{}")
        with refused("output-is-input", where=name):
            words = ["report", "run", "--corpus", "corpus", "--score", "s.json", option, name]
            CliRunner().invoke(app, words, catch_exceptions=False)
