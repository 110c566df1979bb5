"""Every shipped task is what its kind can read; a file of one's own is refused with its key."""

from pathlib import Path

import pytest
from refusal import refused

from evaluation.zero_shot.kinds import check_task
from evaluation.zero_shot.spec import read_task, read_tasks, task_names

WHOLE = """
title: t
kind: likelihood
layout: fasta
files: [{path: a.fa}]
statistics: [bits per base]
seen: it
"""


@pytest.mark.parametrize("name", task_names())
def test_a_shipped_task_is_whole(name: str) -> None:
    (spec,) = read_tasks([name])
    check_task(spec)
    assert spec.files
    assert len({one.path for one in spec.files}) == len(spec.files)
    for one in spec.published:
        assert one.metric in spec.statistics
        assert one.source
    page = (Path(__file__).parents[3] / "docs" / "evaluation.md").read_text(encoding="utf-8")
    published = len(spec.published) or ""
    assert f"| `{name}` | {spec.title} | {spec.statistics[0]} | {published} | {spec.seen} |" in page


@pytest.mark.parametrize(
    ("change", "kind", "names"),
    [
        (("kind: likelihood", "kind: likely"), "unknown-kind", "likely"),
        (("layout: fasta", "layout: fastq"), "unknown-layout", "fastq"),
        (("[bits per base]", "[bits]"), "unknown-statistic", "bits"),
        (("[bits per base]", "[]"), "task-without-statistic", ""),
        (("seen: it", "seen: it\nprotocol: {windows: 3}"), "unknown-key", "windows"),
        (("seen: it", "seen: it\nprotocol: {window: 1}"), "protocol-number", "window is 1"),
        (("seen: it", "seen: it\nprotocol: {stride: 0}"), "protocol-number", "stride is 0"),
        (("seen: it", "seen: it\nprotocol: {window: wide}"), "wrong-type", "wide"),
        (("seen: it", "seen: it\ngenome: hg37"), "unknown-genome", "hg37"),
        (("seen: it", ""), "missing-value", ""),
        (("path: a.fa", "path: ../a.fa"), "task-file-outside", "../a.fa"),
        (("path: a.fa", "path: /a.fa"), "task-file-outside", "/a.fa"),
        (("path: a.fa", "path: 'a{b}.fa'"), "task-file-template", "a{b}.fa"),
        (("path: a.fa", "path: a.fa, size: big"), "wrong-type", "big"),
        (("kind: likelihood\nlayout: fasta", "kind: variants\nlayout: traitgym"), "unknown-statistic", "bits per base"),
        (("[{path: a.fa}]", "[]"), "task-files", "0 files"),
    ],
)  # fmt: skip
def test_a_task_of_ones_own_is_checked(change: tuple[str, str], kind: str, names: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(WHOLE.replace(*change))
    with refused(kind, names=names) as caught:
        check_task(read_task(path))
    assert str(caught.value.where).startswith(str(path))


@pytest.mark.parametrize(
    ("kind", "layout", "statistic", "count"),
    [
        ("perturbation", "gff", "AUROC", 2), ("perturbation", "orfs", "AUROC", 1),
        ("annotation-classes", "gff", "bits per base", 2), ("annotation-classes", "bed", "bits per base", 2),
        ("essentiality", "table", "AUROC", 3), ("essentiality", "deg", "AUROC", 3),
        ("recovery", "gff", "DNA identity", 2), ("recovery", "orfs", "DNA identity", 1),
        ("spectrum", "gff", "Jensen-Shannon divergence", 2), ("genome-needle", "fasta", "gain", 1),
        ("variants", "traitgym", "AUROC", 1),
    ],
)  # fmt: skip
def test_a_layout_has_as_many_files_as_it_reads(
    kind: str, layout: str, statistic: str, count: int, tmp_path: Path
) -> None:
    """The genome of a set of variants is none of them. The error is at the file that says so."""
    path = tmp_path / "mine.yaml"
    for files in (count - 1, count, count + 1):
        named = ", ".join(f"{{path: f{number}}}" for number in range(files))
        whole = WHOLE.replace("{path: a.fa}", named).replace("likelihood", kind).replace("fasta", layout)
        genome = "genome: hg38\n" if kind == "variants" else ""
        path.write_text(whole.replace("bits per base", statistic) + genome)
        if files == count:
            check_task(read_task(path))
        else:
            with refused("task-files", where=path, names=f"{files} files"):
                check_task(read_task(path))


def test_a_task_with_places_names_its_genome(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        WHOLE.replace("likelihood", "variants").replace("fasta", "traitgym").replace("bits per base", "AUROC")
    )
    with refused("task-without-genome"):
        check_task(read_task(path))


def test_an_unknown_task_names_the_nearest() -> None:
    with refused("unknown-task", fix="brca1"):
        read_tasks(["brac1"])


def test_a_template_stands_for_each_combination() -> None:
    (spec,) = read_tasks(["gue"])
    assert len(spec.files) == 28 * 3
    assert spec.files[1].path == "gue/splice_reconstructed/dev.csv"
    assert spec.files[1].url is not None
    assert spec.files[1].url.endswith("/splice_reconstructed/dev.csv")
