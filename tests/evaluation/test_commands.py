"""The commands from end to end on a tiny random model: outputs there, errors in one line, nothing left behind."""

import dataclasses
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from corpora import prepare
from refusal import refused
from typer.testing import CliRunner

from corpus.readers.fasta import read_fasta
from evaluation.digest import Identity, model_digest
from evaluation.likelihood.score import read_score
from evaluation.report.model_card import find_model
from genomic_llama.cli.main import app

TEXT = "ACGTTGCAAGGCTNACGGTACATTGACCATGACCGATTTACGACGGGGA"
VCF = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"


def command(*arguments: object) -> str:
    result = CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "g.fa").write_text(f">c\n{TEXT}\n>d\n{TEXT[::-1]}\n")
    (tmp_path / "r.bed").write_text("c\t5\t30\nd\t0\t40\n")
    (tmp_path / "v.vcf").write_text(
        VCF + "c\t5\tx\tT\tA,C\t.\t.\tL=1\nc\t9\ty\tA\tG\t.\t.\tL=0\nc\t10\tz\tT\tG\t.\t.\tL=0\n"
        "c\t50\tw\tAC\tA\t.\t.\tL=0\nc\t1\t.\tC\tA\t.\t.\tL=0\nc\t2\t.\tA\tC\t.\t.\tL=0\n"
    )
    (tmp_path / "twice.bed").write_text("c\t5\t30\nd\t0\t40\nc\t20\t25\n")
    (tmp_path / "suite.yaml").write_text(f"likelihood: [{{name: g, source: {tmp_path}/g.fa}}]\n")
    return tmp_path


def test_score(tiny_directory: Path, files: Path) -> None:
    arguments = ("--bed", files / "r.bed", "--flank", 3, "--strand", "both", "--acgt-only")
    output = command("score", tiny_directory, files / "g.fa", *arguments, "--per-base", files / "b.parquet")
    assert "bits per base" in output
    assert (files / "b.parquet").exists()


def test_variants(tiny_directory: Path, files: Path) -> None:
    output = command("variants", tiny_directory, files / "g.fa", files / "v.vcf", "--out", files / "o", "--label", "L")
    assert "3 alleles scored" in output
    assert "3 not scored: REF is not what the FASTA file has there" in output
    assert "1 not scored: the contig in the FASTA file does not have this position" in output
    assert "line 5: c:10 REF is T, the FASTA has G" in output
    assert f"... and 1 more, ref_mismatch or outside_contig in the column status of {files / 'o.tsv'}" in output
    assert "line 6: c:50 REF is AC, beyond the contig's end (49)" in output
    assert "all: AUROC" in output
    assert sorted(path.name for path in files.glob("o*")) == ["o.metrics.json", "o.tsv", "o.vcf.gz"]


def test_distributions_and_distances(tiny_directory: Path, files: Path) -> None:
    arguments = ("score", tiny_directory, files / "g.fa", "--distribution", files / "d.bw", "--strand", "both")
    command(*arguments)
    names = ["d.A.bw", "d.C.bw", "d.EOS.bw", "d.G.bw", "d.T.bw", "d.entropy.bw"]
    assert sorted(path.name for path in files.glob("d.*")) == names
    assert _finished(*arguments)
    command(
        "variants", tiny_directory, files / "g.fa", files / "v.vcf", "--out", files / "o", "--distances", "--null", 5
    )
    header = (files / "o.tsv").read_text().split("\n")[0].split("\t")
    assert header[-8:-4] == ["divergence", "euclidean", "cosine", "entropy"]
    assert header[-4:] == ["null_z", "null_p", "null_mean", "null_deviation"]


def test_a_hub_of_distributions(tiny_directory: Path, files: Path) -> None:
    model, genome = tiny_directory, files / "g.fa"
    arguments = ("score", model, genome, "--hub", files / "hub", "--assembly", "mm39")
    command(*arguments)
    names = ["A.bw", "C.bw", "EOS.bw", "G.bw", "T.bw", "entropy.bw", "hub.txt"]
    assert sorted(path.name for path in (files / "hub").iterdir() if not path.name.startswith(".")) == names
    text = (files / "hub" / "hub.txt").read_text()
    assert "genome mm39\n" in text
    assert {line.split()[1] for line in text.splitlines() if "bigDataUrl" in line} == set(names[:-1])
    command("score", model, genome, "--distribution", files / "d.bw")
    for letter in "ACGT":
        assert (files / "hub" / f"{letter}.bw").read_bytes() == (files / f"d.{letter}.bw").read_bytes()
    assert _finished(*arguments)
    with refused("hub-and-distribution"):
        command(*arguments, "--distribution", files / "d.bw")
    with refused("shard-without-output", fix="--out"):
        command(*arguments, "--shard", "1/2")


def test_mutate(tiny_directory: Path, files: Path) -> None:
    arguments = (
        "mutate", tiny_directory, files / "g.fa", "--bed", files / "r.bed", "--out", files / "m", "--deletion", 2,
        "--hub", files / "hub", "--assembly", "hg38",
    )  # fmt: skip
    assert "2 regions" in command(*arguments)
    assert sorted(path.name for path in files.glob("m*")) == ["m.html", "m.parquet", "m.vcf.gz"]
    assert (files / "hub" / "hub.txt").is_file()
    assert _finished(*arguments)
    assert not _finished(*arguments, "--strand", "forward")
    output = command("mutate", tiny_directory, files / "g.fa", "--out", files / "whole")
    assert f"{6 * (len(TEXT) - 1)} mutants of 2 regions" in output


def test_generate(tiny_directory: Path, files: Path) -> None:
    command(
        "generate",
        tiny_directory,
        "--prompt",
        "ACG",
        "--length",
        9,
        "--min-length",
        1,
        "--samples",
        3,
        "--out",
        files / "o.fa",
    )
    assert [record.name for record in read_fasta(files / "o.fa")] == ["prompt1_1", "prompt1_2", "prompt1_3"]
    with refused("prompt-empty"):
        command("generate", tiny_directory, "--prompt", "", "--out", files / "p.fa")
    assert not (files / "p.fa").exists()


def test_generate_says_what_it_left_out(tiny_directory: Path, files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--min-length", 9, "--length", 9, "--samples", 8, "--gc", "0.7-1", "--forbid", "GGC", "--tries", 2)
    output = command("generate", tiny_directory, "--prompt", "ACG", *options, "--out", files / "o.fa")
    records = list(read_fasta(files / "o.fa"))
    assert 0 < len(records) < 8
    assert all(sum(one.sequence.count(base) for base in (b"G", b"C")) >= 7 for one in records)
    assert not any(b"GGC" in one.sequence for one in records)
    assert f"{len(records)} sequence" in output
    assert "redrawn" in output


def _finished(*arguments: object) -> bool:
    return "nothing was computed" in command(*arguments)


def test_what_is_finished_is_not_computed_again(tiny_directory: Path, files: Path) -> None:
    import shutil

    model = shutil.copytree(tiny_directory, files / "model")
    genome, vcf = files / "g.fa", files / "v.vcf"
    commands = {
        "s.json": ("score", model, genome, "--out", files / "s.json", "--per-base", files / "sub" / "b.bedgraph"),
        "e.parquet": ("embed", model, genome, "--out", files / "e.parquet"),
        "n.fa": ("generate", model, "--prompt", "ACG", "--length", 9, "--out", files / "n.fa"),
        "o.tsv": ("variants", model, genome, vcf, "--out", files / "o"),
    }
    for name, arguments in commands.items():
        output = files / name
        assert not _finished(*arguments)
        before = output.stat().st_mtime_ns, output.stat().st_ino
        assert _finished(*arguments)
        assert (output.stat().st_mtime_ns, output.stat().st_ino) == before
        assert not _finished(*arguments, "--overwrite")
        assert _finished(*arguments)
        assert not _finished(*arguments, "--dtype", "bfloat16")  # a setting
        assert not _finished(*arguments)
        output.write_text("changed")
        with refused("output-exists", where=name, fix="--overwrite"):
            command(*arguments)
        assert output.read_bytes() == b"changed"
        assert not _finished(*arguments, "--overwrite")
    (files / "sub" / "b.bedgraph").unlink()
    assert not _finished(*commands["s.json"])
    genome.write_text(genome.read_text().replace(">d", ">e"))  # an input
    assert not _finished(*commands["s.json"])
    assert not _finished(*commands["e.parquet"])
    assert _finished(*commands["n.fa"])
    (model / "config.json").write_text((model / "config.json").read_text() + "\n")  # the model
    assert not _finished(*commands["n.fa"])


def test_a_finished_score_and_probe_show_their_result_again(tiny_directory: Path, files: Path) -> None:
    arguments = ("score", tiny_directory, files / "g.fa", "--out", files / "s.json")
    first, again = (command(*arguments).splitlines()[-1] for _ in range(2))
    assert first.startswith(f"{again}, ")  # the speed is of the run
    task = files / "task"
    task.mkdir()
    for part in ("train", "test"):
        rows = [f"{TEXT[at : at + 9]},{at % 2}\n" for at in range(24)]
        (task / f"{part}.csv").write_text("sequence,label\n" + "".join(rows).replace("N", "A"))
    arguments = ("probe", tiny_directory, task, "--head", "linear", "--seeds", 1, "--out", files / "p.json")
    first, again = command(*arguments), command(*arguments)
    assert "nothing was computed" in again
    assert first.splitlines()[-3:] == again.splitlines()[-3:]
    assert "24 of 24 test sequences are in train too" in first
    assert json.loads((files / "p.json").read_text())["tasks"][0]["classes"][0] == {
        "name": "0",
        "train": 12,
        "test": 12,
    }


def test_the_values_of_a_label_are_printed_with_their_class(tiny_directory: Path, files: Path) -> None:
    arguments = ("variants", tiny_directory, files / "g.fa", files / "v.vcf", "--out", files / "o", "--label", "L")
    lines = [line.split() for line in command(*arguments).splitlines()]
    assert ["1", "positive", "2"] in lines
    assert ["0", "negative", "1"] in lines
    labels = json.loads((files / "o.metrics.json").read_text())["labels"]
    assert labels == [
        {"value": "1", "kind": "positive", "alleles": 2}, {"value": "0", "kind": "negative", "alleles": 1},
    ]  # fmt: skip


def test_embed(tiny_directory: Path, files: Path) -> None:
    output = command(
        "embed", tiny_directory, files / "g.fa", "--layer", 1, "--pooling", "none", "--out", files / "e.parquet"
    )
    assert "2 sequences, 32 numbers each" in output


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        (("generate", "{m}", "--prompt", "ACG", "--length", "22", "--out", "{f}/o"), "prompt-too-long"),
        (("generate", "{m}", "--prompt", "ACG", "--alphabet", "ACGU", "--out", "{f}/o"), "alphabet"),
        (("generate", "{m}", "--prompt", "ACG", "--temperature", "nan", "--out", "{f}/o"), "temperature"),
        (
            ("generate", "{m}", "--prompt", "CAA", "--length", "2", "--forbid", "AAN", "--out", "{f}/o"),
            "motif-after-prompt",
        ),
        (("score", "{m}", "{f}/g.fa", "--context-length", "25"), "context-length"),
        (("score", "{m}", "{f}/g.fa", "--stride", "25"), "stride"),
        (("score", "{m}", "{f}/g.fa", "--bed", "{f}/strand.bed"), "bed-strand"),
        (("embed", "{m}", "{f}/g.fa", "--bed", "{f}/strand.bed", "--out", "{f}/o.parquet"), "bed-strand"),
        (("embed", "{m}", "{f}/g.fa", "--layer", "3", "--out", "{f}/o.parquet"), "layer"),
        (("embed", "{m}", "{f}/g.fa", "--stride", "25", "--out", "{f}/o.parquet"), "stride"),
        (("variants", "{m}", "{f}/g.fa", "{f}/v.vcf", "--window", "25", "--out", "{f}/o"), "window"),
        (("variants", "{m}", "{f}/g.fa", "{f}/v.vcf", "--grid", "13", "--out", "{f}/o"), "grid"),
        (
            ("variants", "{m}", "{f}/g.fa", "{f}/v.vcf", "--label", "L", "--positive", "", "--out", "{f}/o"),
            "label-positive",
        ),
        (("report", "{f}", "--corpus", "{f}", "--score", "{f}/s", "--entropy-floor", "nan"), "entropy-floor"),
        (("evaluate", "{f}/numbers.yaml", "{m}", "--out", "{f}/o"), "suite-number"),
        (("score", "{m}", "{f}/empty.fa"), "empty-file"),
        (("score", "{m}", "{f}/blank.fa"), "no-record"),
        (("score", "{m}", "{f}/g.fa", "--bed", "{f}/empty.fa"), "empty-file"),
        (("embed", "{m}", "{f}/empty.fa", "--out", "{f}/o.parquet"), "empty-file"),
        (("embed", "{m}", "{f}/blank.fa", "--out", "{f}/o.parquet"), "no-record"),
        (("variants", "{m}", "{f}/empty.fa", "{f}/v.vcf", "--out", "{f}/o"), "empty-file"),
        (("variants", "{m}", "{f}/g.fa", "{f}/empty.fa", "--out", "{f}/o"), "empty-file"),
        (("variants", "{m}", "{f}/g.fa", "{f}/header.vcf", "--out", "{f}/o"), "vcf-empty"),
        (("mutate", "{m}", "{f}/empty.fa", "--out", "{f}/o"), "empty-file"),
        (("mutate", "{m}", "{f}/blank.fa", "--out", "{f}/o"), "no-record"),
        (("generate", "{m}", "--prompts", "{f}/empty.fa", "--out", "{f}/o"), "empty-file"),
    ],
)
def test_what_cannot_be_is_refused_before_the_weights_are_read(
    unreadable: Path, files: Path, arguments: tuple[str, ...], kind: str
) -> None:
    (files / "empty.fa").touch()
    (files / "blank.fa").write_text("\n\n")
    (files / "header.vcf").write_text(VCF)
    (files / "strand.bed").write_text("c\t5\t30\tx\t0\t-1\n")
    (files / "numbers.yaml").write_text(f"batch_size: 0\nlikelihood: [{{name: g, source: {files}/g.fa}}]\n")
    with refused(kind):
        command(*(text.format(m=unreadable, f=files) for text in arguments))


@pytest.fixture
def unreadable(tiny_directory: Path, files: Path) -> Path:
    """A model whose configuration can be read, and whose weights are refused when they are."""
    from safetensors.torch import load_file, save_file

    model = Path(shutil.copytree(tiny_directory, files / "model"))
    weights = load_file(model / "model.safetensors")
    save_file({name: one.fill_(float("nan")) for name, one in weights.items()}, model / "model.safetensors")
    return model


WRITES = {
    "score": ("{m}", "{f}/g.fa", "--out", "{o}"),
    "score --per-base": ("{m}", "{f}/g.fa", "--per-base", "{o}.parquet"),
    "score --distribution": ("{m}", "{f}/g.fa", "--distribution", "{o}.bw"),
    "score --hub": ("{m}", "{f}/g.fa", "--assembly", "x", "--hub", "{o}"),
    "embed": ("{m}", "{f}/g.fa", "--out", "{o}.parquet"),
    "variants": ("{m}", "{f}/g.fa", "{f}/v.vcf", "--out", "{o}"),
    "mutate": ("{m}", "{f}/g.fa", "--out", "{o}"),
    "generate": ("{m}", "--prompt", "ACGT", "--length", "3", "--out", "{o}"),
    "generate --per-base": ("{m}", "--prompt", "ACGT", "--length", "3", "--out", "{f}/x", "--per-base", "{o}.parquet"),
    "evaluate": ("{f}/suite.yaml", "{m}", "--out", "{o}"),
}
DIRECTORIES = ("score --hub", "evaluate")


@pytest.mark.parametrize("name", WRITES)
def test_an_output_that_cannot_be_is_refused_before_the_weights_are_read_by_the_name_that_was_given(
    name: str, unreadable: Path, files: Path
) -> None:
    def run(out: object) -> None:
        command(name.split()[0], *(text.format(m=unreadable, f=files, o=out) for text in WRITES[name]))

    suffix = next((Path(text).suffix for text in WRITES[name] if text.startswith("{o}")), "")
    with refused("cannot-be-written" if name == "score --hub" else "output-not-a-file", where=f"/proc/x{suffix}"):
        run("/proc/x")
    with refused("output-not-a-directory", where=f"{files}/g.fa/x{suffix}"):
        run(files / "g.fa" / "x")
    kind = "output-not-a-directory" if name == "evaluate" else "hub-exists"
    (files / f"taken{suffix}").write_text("") if name in DIRECTORIES else (files / f"taken{suffix}").mkdir()
    for written in ("taken.tsv", "taken.vcf.gz", "taken.A.bw"):
        (files / written).mkdir()
    with refused(kind if name in DIRECTORIES else "output-not-a-file", where=_taken(name, files, suffix)):
        run(files / "taken")


def _taken(name: str, files: Path, suffix: str) -> str:
    """The first of the files that are to be written where there is a directory."""
    ends = {"variants": ".vcf.gz", "mutate": ".vcf.gz", "score --distribution": ".A.bw"}
    return f"{files}/taken{ends.get(name, suffix)}"


@pytest.mark.parametrize("name", ["variants", "mutate"])
def test_outputs_that_are_named_after_another_need_a_name(name: str, unreadable: Path, files: Path) -> None:
    for out in (".", "..", "/"):
        with refused("output-unnamed", where=out):
            command(name, *(text.format(m=unreadable, f=files, o=out) for text in WRITES[name]))


def test_evaluate_adds_up(tiny_directory: Path, files: Path) -> None:
    out = files / "evaluation"
    assert "bits per base" in command("evaluate", files / "suite.yaml", tiny_directory, "--out", out)
    assert sorted(path.suffix for path in out.iterdir()) == [".html", ".json"]
    again = command("evaluate", files / "suite.yaml", tiny_directory, "--out", out)
    assert "1 of 1 results are there already" in again
    (row,) = (line for line in again.splitlines() if line.startswith("g  "))
    assert row.count(".") == 2  # one model still: the baseline's column and its own
    (out / "x.json").write_text("{}")
    with refused("not-an-evaluation", where="x.json"):
        command("evaluate", files / "suite.yaml", tiny_directory, "--out", out)


@pytest.mark.parametrize(
    ("arguments", "kind", "where"),
    [
        (("score", "{m}", "{f}/none.fa"), "missing-file", "none.fa"),
        (("score", "{m}", "{f}/g.fa", "--flank", "3"), "flank-without-bed", None),
        (("score", "{m}", "{f}/g.fa", "--per-base", "{f}/x.txt"), "track-suffix", "x.txt"),
        (
            ("score", "{f}", "{f}/g.fa", "--bed", "{f}/twice.bed", "--per-base", "{f}/x.bw"),
            "regions-overlap",
            "twice.bed, lines 1 and 3",
        ),
        (("score", "{f}", "{f}/g.fa"), "no-config", ""),
        (
            ("variants", "{m}", "{f}/g.fa", "{f}/v.vcf", "--out", "{f}/o", "--window", "99"),
            "window",
            None,
        ),
        (("generate", "{m}", "--prompt", "ACGT", "--alphabet", "xyz", "--out", "{f}/o"), "alphabet", None),
        (("generate", "{m}", "--out", "{f}/o"), "no-prompt", None),
        (("score", "{m}", "{f}/g.fa", "--distribution", "{f}/x.txt"), "distribution-suffix", "x.txt"),
        (("mutate", "{m}", "{f}/none.fa", "--out", "{f}/o"), "missing-file", "none.fa"),
        (("mutate", "{m}", "{f}/g.fa", "--out", "{f}/o", "--window", "99"), "window", None),
        (("generate", "{m}", "--until-eos", "--length", "3", "--out", "{f}/o"), "until-eos-and-length", None),
        (("generate", "{m}", "--forbid-both-strands", "--out", "{f}/o"), "forbid-nothing", None),
        (("generate", "{m}", "--gc", "0.6-0.4", "--out", "{f}/o"), "gc", None),
        (("generate", "{m}", "--forbid", "EcoRI", "--out", "{f}/o"), "motif", None),
        (("generate", "{m}", "--temperature", "0", "--samples", "2", "--out", "{f}/o"), "greedy", None),
        (
            ("generate", "{m}", "--prompt", "ACG", "--length", "5", "--engine", "vllm", "--out", "{f}/o"),
            "vllm-not-installed",
            None,
        ),
        (("embed", "{m}", "{f}/g.fa", "--out", "{f}/o.npy"), "embedding-suffix", "o.npy"),
        (("probe", "{m}", "{f}"), "no-sequences", ""),
        (("evaluate", "{f}/none.yaml", "{m}", "--out", "{f}/o"), "missing-file", "none.yaml"),
    ],
)
def test_mistakes_are_told(
    tiny_directory: Path, files: Path, arguments: tuple[str, ...], kind: str, where: str | None
) -> None:
    before = sorted(files.iterdir())
    with refused(kind, where=where):
        command(*(text.format(m=tiny_directory, f=files) for text in arguments))
    assert sorted(files.iterdir()) == before


def test_help_of_every_command_imports_nothing_heavy() -> None:
    import subprocess
    import sys

    script = (
        "import sys; from genomic_llama.cli.main import app; from typer.testing import CliRunner\n"
        "for command in app.registered_commands:\n"
        "    name = command.name or command.callback.__name__\n"
        "    assert CliRunner().invoke(app, [name, '--help']).exit_code == 0, name\n"
        "assert CliRunner().invoke(app, ['plan', 'llama3_8b_genomic']).exit_code == 0\n"
        "heavy = {'torch', 'transformers', 'sklearn', 'pyarrow', 'matplotlib', 'numba', 'pandas', 'scipy', 'nemo',\n"
        "         'hydra', 'pydantic', 'lightning', 'nemo_run', 'jinja2', 'IPython'} & sys.modules.keys()\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=Path(__file__).parents[2], timeout=300)


def test_a_model_card(tiny_directory: Path, corpus: Path, write_run: Callable[..., Path], files: Path) -> None:
    command("score", tiny_directory, corpus, "--split", "test", "--out", files / "s.json")
    command(
        "report", write_run(), "--corpus", corpus, "--score", files / "s.json", "--out", files / "r.html",
        "--model-card", files / "README.md",
    )  # fmt: skip
    card = (files / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: transformers\n")
    assert "2 layers of 32, 4 heads, 2 key-value heads, and 24 positions" in card
    assert re.search(r"\| `genome\.fa` \| [\d,]+ \| \d\d\.\d% \|", card)
    assert "Held out, and not trained on" not in card
    assert "is **not better than** the best Markov chain" in card
    assert "    trainer:\n      max_steps: 40\n" in card


def test_a_card_says_what_a_fine_tune_began_from(
    tiny_directory: Path, corpus: Path, write_run: Callable[..., Path], files: Path
) -> None:
    """And counts the steps of the model that was scored, not those of a run that went on."""
    model = Path(shutil.copytree(tiny_directory, files / "tuned"))
    run_id = "0123456789abcdef"
    (model / "conversion.json").write_text(json.dumps({"source": "run", "run": run_id, "step": 30}))
    lora = {"dim": 8, "alpha": 32, "dropout": 0.0}
    config = {"run_id": run_id, "init_from": "runs/base*/step=9", "finetune": True, "lora": lora}
    command("score", model, corpus, "--split", "test", "--out", files / "s.json")
    score = read_score(files / "s.json")
    assert score.identity == Identity(weights=model_digest(model), run=run_id, step=30)
    command(
        "report", write_run(config=json.dumps(config)), "--corpus", corpus, "--score", files / "s.json",
        "--out", files / "r.html", "--model-card", files / "README.md",
    )  # fmt: skip
    card, page = (files / "README.md").read_text(), (files / "r.html").read_text()
    assert "Low-rank adapters of rank 8 (alpha 32) on the weights of runs/base\\*/step=9" in card
    assert "30 optimizer steps on 123 k tokens" in card
    assert f"`{score.identity.weights}`, and are of step 30 of run `{run_id}`" in card
    assert "Low-rank adapters of rank 8 (alpha 32) on the weights of runs/base*/step=9" in page


def test_a_card_says_which_genomes_are_held_out(
    tiny_directory: Path, write_run: Callable[..., Path], files: Path
) -> None:
    """Split by source, whole files are: they are named as such, and are no row of the training sources."""
    genomes = [files / f"g{number}.fa" for number in range(8)]
    for number, genome in enumerate(genomes):
        genome.write_text(f">r\n{TEXT[: 30 + number].replace('N', 'A')}\n")
    prepare(genomes, files / "corpus", by="source", validation_fraction=0.5)
    command("score", tiny_directory, files / "corpus", "--out", files / "s.json")
    held_out = {record.length - 30 for record in read_score(files / "s.json").records}
    command(
        "report", write_run(), "--corpus", files / "corpus", "--score", files / "s.json", "--out", files / "r.html",
        "--model-card", files / "README.md",
    )  # fmt: skip
    card = (files / "README.md").read_text()
    rows = re.findall(r"\| `g(\d)\.fa` \| \d+ \| (.+?) \|", card)
    assert 0 < len(held_out) < 8
    assert dict(rows) == {str(n): "all" for n in range(8) if n not in held_out}
    (line,) = (line for line in card.splitlines() if line.startswith("Held out, and not trained on: "))
    assert re.findall(r"`g(\d)\.fa`", line) == [str(n) for n in sorted(held_out)]


def test_a_report_and_its_card_are_both_written_or_none(
    tiny_directory: Path, corpus: Path, write_run: Callable[..., Path], files: Path
) -> None:
    command("score", tiny_directory, corpus, "--split", "test", "--out", files / "s.json")
    score = files / "s.json"
    arguments = ("report", write_run(), "--corpus", corpus, "--score", score, "--out", files / "r.html")
    with refused("one-file-twice", where="r.html"):
        command(*arguments, "--model-card", files / "r.html")
    score.write_text(score.read_text().replace(str(tiny_directory), "gone"))
    with refused("score-model-gone", where="s.json", names="gone"):
        command(*arguments, "--model-card", files / "card" / "README.md")
    assert not (files / "r.html").exists()
    (files / "r.html").write_text("old")
    with refused("score-model-gone", where="s.json", names="gone"):
        command(*arguments, "--model-card", files / "card" / "README.md")
    assert (files / "r.html").read_text() == "old"
    command(*arguments)  # a page alone needs no model


def test_the_model_of_a_card_is_found_from_elsewhere(
    tiny_directory: Path, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(tiny_directory, files / "models" / "m")
    (files / "scores").mkdir()
    monkeypatch.chdir(files)
    command("score", "models/m", "g.fa", "--out", "scores/s.json")
    score_file, elsewhere = files / "scores" / "s.json", files / "elsewhere"
    score = read_score(score_file)
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert find_model(score, score_file, Path("README.md"))[0] == files / "models" / "m"
    moved = (files / "models").rename(files / "moved") / "m"
    assert find_model(score, score_file, moved / "README.md")[0] == moved
    with refused("score-model-gone", where="s.json", names="models/m"):
        find_model(score, score_file, Path("README.md"))
    with refused("score-model-gone", where="s.json"):
        find_model(dataclasses.replace(score, parameters=1), score_file, moved / "README.md")
