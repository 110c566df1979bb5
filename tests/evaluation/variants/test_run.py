"""From files to files: every allele has its line, REF is checked, an interrupted run resumes, hostile text is kept."""

import csv
import dataclasses
import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from refusal import refused

from evaluation.sharding import job
from evaluation.statistics.ranking import areas
from evaluation.variants import haplotypes
from evaluation.variants import run as run_module
from evaluation.variants.labels import Labelling
from evaluation.variants.measures import RESAMPLES, discriminate
from evaluation.variants.output import journal_path, write_result
from evaluation.variants.run import VariantRun, score_variants
from evaluation.variants.windows import Placement

HEADER = "##fileformat=VCFv4.2\n##contig=<ID=chr1>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS1\n"
ROW = "chr1\t3\t.\tG\tA\t.\t.\t.\tGT\t0/1\n"
GENOME = "ACGTTGCAAGGCTNACGGTACATTGACCATGACCGATTTACGACGGGGA"


@pytest.fixture
def files(tmp_path: Path, tiny_directory: Path) -> VariantRun:
    (tmp_path / "genome.fa").write_text(f">1\n{GENOME}\n>chrUn\nACGT\n")
    rows = [
        "chr1\t3\trs1\tg\tA,c,T\t50\tPASS\tAF=0.1;CLASS=snv;PATH=1\tGT\t0/1",
        "chr1\t5\t.\tC\tA\t.\t.\t.\tGT\t0/1",  # REF is T
        "chr1\t9\t.\tA\t<DEL>,*,AT\t.\t.\tPATH=0\tGT\t0/1",
        "chr2\t9\t.\tA\tC\t.\t.\tPATH=0\tGT\t0/1",
        "chr1\t20\t.\tACA\tA\t.\t.\tCLASS=del;PATH=0\tGT\t0/1",
        "chr1\t48\t.\tGA\tG\t.\t.\tNOTE=\xe9\tGT\t0/1",
    ]
    (tmp_path / "v.vcf").write_bytes((HEADER + "\n".join(rows) + "\n").encode("latin-1"))
    placement = Placement(length=24, downstream=12, grid=4)
    return VariantRun(
        model=tiny_directory, fasta=tmp_path / "genome.fa", vcf=tmp_path / "v.vcf", placement=placement,
        strand="both", dtype="float32",
    )  # fmt: skip


def test_every_allele_has_its_line_and_the_vcf_is_read_by_others(
    tiny_model: Any, files: VariantRun, tmp_path: Path
) -> None:
    import pysam

    paths = write_result(score_variants(tiny_model, files), files, tmp_path / "out")
    assert [path.name for path in paths] == ["out.vcf.gz", "out.tsv"]
    with open(paths[1], encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert [row["alt"] for row in rows] == ["A", "c", "T", "A", "<DEL>", "*", "AT", "C", "A", "G"]
    statuses = ["scored"] * 3 + ["ref_mismatch"] + ["unsupported"] * 2 + ["scored", "no_contig", "scored", "scored"]
    assert [row["status"] for row in rows] == statuses
    assert all((row["delta"] != "") == (row["status"] == "scored") for row in rows)
    with pysam.VariantFile(str(paths[0])) as vcf:
        records = list(vcf)
    deltas = [value for record in records for value in record.info["GLL_DELTA"]]
    for row, value in zip(rows, deltas, strict=True):
        assert value == (pytest.approx(float(row["delta"]), rel=1e-5) if row["delta"] else None)
    assert dict(records[0].info)["AF"] is not None
    assert records[5].info["GLL_STATUS"] == ("scored",)
    assert b"NOTE=\xe9;GLL" in pysam.BGZFile(str(paths[0])).read()  # a byte that is not UTF-8 goes through


def test_a_value_of_each_allele_is_its_own_and_annotation_is_not_repeated(
    tiny_model: Any, files: VariantRun, tmp_path: Path
) -> None:
    import pysam

    header = HEADER.replace("##contig", '##INFO=<ID=PATH,Number=A,Type=Integer,Description="x">\n##contig')
    rows = ["chr1\t3\t.\tG\tA,C,T\t.\t.\tPATH=1,0,.\tGT\t0|1", "chr1\t14\t.\tN\tA\t.\t.\tPATH=1\tGT\t."]
    rows += ["chr1\t20\t.\tACA\tA\t.\t.\tPATH=0\tGT\t1|1", "chr1\t22\t.\tA\tC,G\t.\t.\tPATH=.\tGT\t."]
    files.vcf.write_text(header + "\n".join([*rows, "chr1\t30\t.\tT\t.\t.\t.\t.\tGT\t0|0"]) + "\n")
    labelling = Labelling(key="PATH", positive=("1",))
    result = score_variants(tiny_model, files, labelling=labelling)
    assert (result.measures[0].positives, result.measures[0].negatives) == (1, 2)
    assert [allele.alt_text for allele in result.alleles if allele.status == "unsupported"] == ["A", "."]  # REF is N
    first = write_result(result, files, tmp_path / "out")[0]
    pysam.tabix_index(str(first), preset="vcf", csi=True)
    again = dataclasses.replace(files, vcf=first)
    second = write_result(score_variants(tiny_model, again), again, tmp_path / "again")[0]
    texts = [pysam.BGZFile(str(path)).read().decode() for path in (first, second)]
    assert texts[1] == texts[0].replace("vcf=v.vcf", "vcf=out.vcf.gz")


def test_what_no_strand_can_compare_is_not_scored(tiny_model: Any, files: VariantRun, tmp_path: Path) -> None:
    import pysam

    files.fasta.write_text(f">1\n{GENOME}\n>one\nA\n")
    files.vcf.write_text(HEADER + "one\t1\t.\tA\tC\t.\t.\t.\tGT\t.\nchr1\t3\t.\tG\tA\t.\t.\t.\tGT\t.\n")
    result = score_variants(tiny_model, files)
    assert result.statuses == {"no_context": 1, "scored": 1}
    paths = write_result(result, files, tmp_path / "out")
    with open(paths[1], encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert [(row["status"], row["delta"] == "") for row in rows] == [("no_context", True), ("scored", False)]
    text = pysam.BGZFile(str(paths[0])).read().decode()
    assert "GLL_DELTA=.;GLL_MEAN=.;GLL_STATUS=no_context" in text
    assert "no_context: the window has no base to compare" in text


def test_an_interrupted_run_goes_on(
    tiny_model: Any, files: VariantRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "UNIT_TOKENS", 1)
    monkeypatch.setattr(job, "UNIT_WINDOWS", 1)
    monkeypatch.setattr(haplotypes, "UNIT_WINDOWS", 1)
    whole = score_variants(tiny_model, files)
    journal, real = journal_path(tmp_path / "out"), run_module.effects_of_unit
    computed: list[int] = []

    def counted(model: Any, scoring: Any, unit: list[Any]) -> Any:
        computed.append(len(unit))
        if len(computed) == 3:
            raise KeyboardInterrupt
        return real(model, scoring, unit)

    monkeypatch.setattr(run_module, "effects_of_unit", counted)
    with pytest.raises(KeyboardInterrupt):
        score_variants(tiny_model, files, journal=journal)
    with open(journal, "ab") as file:
        file.write(b"\x02" * 30)  # cut off while it was written
    again = score_variants(tiny_model, files, journal=journal)
    assert again.effects == whole.effects
    assert sum(computed) - computed[2] == whole.haplotypes  # none of the first two again
    other = dataclasses.replace(files, strand="forward")
    with refused("part-of-another-run", where="out.partial", names="--strand"):
        score_variants(tiny_model, other, journal=journal)
    write_result(again, files, tmp_path / "out")
    assert not journal.exists()


def test_labels_are_measured(tiny_model: Any, files: VariantRun, tmp_path: Path) -> None:
    from sklearn.metrics import roc_auc_score

    labelling = Labelling(key="PATH", positive=("1",), by="CLASS")
    result = score_variants(tiny_model, files, labelling=labelling)
    whole, *classes = result.measures
    assert (whole.name, whole.positives, whole.negatives) == ("all", 3, 2)
    assert whole.auroc is not None
    assert whole.auroc.low <= whole.auroc.value <= whole.auroc.high
    scores = [-effect.delta for effect in result.effects if effect]
    assert whole.auroc.value == pytest.approx(roc_auc_score([1, 1, 1, 0, 0], scores[:5]))
    assert [(one.name, one.auroc) for one in classes] == [("del", None), ("none", None), ("snv", None)]
    paths = write_result(result, files, tmp_path / "out")
    assert json.loads(paths[2].read_text())["measures"][0]["positives"] == 3


def test_the_measures_are_those_of_scikit_learn() -> None:
    from sklearn.metrics import average_precision_score, roc_auc_score

    random = np.random.default_rng(3)
    for size in (4, 50, 400):
        labels = np.arange(size) % 3 == 0
        scores = random.integers(0, 1 + size // 2, size).astype(float)  # with ties
        thresholds, place = np.unique(-scores, return_inverse=True)
        counts = [np.bincount(place[kind], minlength=len(thresholds))[None] for kind in (labels, ~labels)]
        auroc, auprc = areas(*counts)
        assert auroc[0] == pytest.approx(roc_auc_score(labels, scores))
        assert auprc[0] == pytest.approx(average_precision_score(labels, scores))


def test_the_bootstrap_interval_covers_the_truth(tiny_model: Any, files: VariantRun) -> None:
    """Scores of two normal distributions a standard deviation apart have an AUROC of 0.760."""
    from evaluation.variants.effects import Effect, StrandEffect

    result = score_variants(tiny_model, files)
    random, covered = np.random.default_rng(0), 0
    assert RESAMPLES >= 1000
    for trial in range(10):
        alleles, effects = [], []
        for label in [1] * 60 + [0] * 60:
            record = dataclasses.replace(
                result.alleles[0].record, fields=(*result.alleles[0].record.fields[:7], f"PATH={label}")
            )
            alleles.append(dataclasses.replace(result.alleles[0], record=record))
            effects.append(Effect(forward=StrandEffect(delta=-random.normal(label), targets=9), reverse=None))
        (found,) = discriminate(alleles, effects, Labelling(key="PATH", positive=("1",)), files.vcf, seed=trial)
        assert found.auroc is not None
        covered += found.auroc.low <= 0.760 <= found.auroc.high
    assert covered >= 8


@pytest.mark.parametrize(
    ("text", "kind", "line"),
    [
        ("", "empty-file", 0),
        ("chr1\t1\n", "not-vcf", 0),
        ("##fileformat=VCFv4.2\n#CHROM\tPOS\n", "vcf-columns", 0),
        ("##fileformat=VCFv4.2\nchr1\t1\t.\tA\tC\t.\t.\t.\n" + HEADER, "vcf-columns", 0),
        (HEADER, "vcf-empty", 0),
        (HEADER + "chr1\t1\t.\tA\n", "vcf-columns", 4),
        (HEADER + "chr1 1 . A C . . .\n", "vcf-columns", 4),
        (HEADER + "chr1\tx\t.\tA\tC\t.\t.\t.\n", "vcf-position", 4),
        (HEADER + "chr1\t\t.\tA\tC\t.\t.\t.\n", "vcf-position", 4),
        (HEADER + "chr1\t-1\t.\tA\tC\t.\t.\t.\n", "vcf-position", 4),
        (HEADER + "chr1\t1.0\t.\tA\tC\t.\t.\t.\n", "vcf-position", 4),
        (HEADER + "chr9\t1\t.\tA\tC\t.\t.\t.\n", "vcf-foreign", 0),
        (HEADER + ROW + HEADER + ROW, "vcf-second-header", 5),
        (HEADER + HEADER + ROW, "vcf-second-header", 4),
        (HEADER + ROW + HEADER.splitlines()[2] + "\n" + ROW, "vcf-second-header", 5),
        (HEADER + ROW + "##INFO=<ID=X,Number=1,Type=String>\n", "vcf-second-header", 5),
        (HEADER + ROW + "# a note\n", "vcf-second-header", 5),
    ],
)  # fmt: skip
@pytest.mark.parametrize("compress", [False, True])
def test_what_is_not_one_vcf_of_this_genome_is_refused(
    tiny_model: Any, files: VariantRun, text: str, kind: str, line: int, compress: bool
) -> None:
    parts = [part.encode() for part in text.partition("##fileformat")]
    members = [gzip.compress(parts[0] + parts[1]), gzip.compress(parts[2])]  # as `cat a.vcf.gz b.vcf.gz` makes them
    files.vcf.write_bytes(b"".join(members) if compress and text else text.encode())
    with refused(kind, where=f"{files.vcf}" + f", line {line}" * bool(line)):
        score_variants(tiny_model, files)


def test_a_reference_base_of_several_is_not_a_mismatch(tiny_model: Any, files: VariantRun, tmp_path: Path) -> None:
    """VCF 4.3, 1.6.1: a code that VCF does not allow is written as the first of its bases; N is allowed."""
    import pysam

    codes = dict(zip("RYSWKMBDHV", "ACCAGACAAA", strict=True))
    files.fasta.write_text(f">1\n{''.join(codes)}{''.join(codes).lower()}NGT\n")
    rows = [(number, base, {"A": "T"}.get(base, "A")) for number, base in enumerate([*codes.values()] * 2, start=1)]
    rows += [
        (1, "G", "T"),
        (1, "T", "A"),
        (1, "R", "A"),
        (21, "A", "C"),
        (21, "N", "C"),
        (19, "AANG", "A"),
        (20, "A", "AT"),
    ]
    rows += [(1, "ACC", "A"), (1, "ACG", "A"), (1, "A", "<DEL>"), (22, "G", "A"), (22, "g", "A")]
    lines = [f"chr1\t{at}\t.\t{ref}\t{alt}\t.\t.\t.\tGT\t." for at, ref, alt in rows]
    files.vcf.write_text(HEADER + "\n".join(lines) + "\n")
    result = score_variants(tiny_model, files)
    expected = ["ambiguous_ref"] * 20 + ["ref_mismatch", "ref_mismatch", "unsupported", "ref_mismatch", "unsupported"]
    expected += ["unsupported", "ambiguous_ref", "ambiguous_ref", "ref_mismatch", "unsupported", "scored", "scored"]
    assert [one.status for one in result.alleles] == expected
    paths = write_result(result, files, tmp_path / "out")
    assert b"ambiguous_ref: " in pysam.BGZFile(str(paths[0])).read()


def test_a_position_that_the_contig_does_not_have_is_told_apart_from_another_base(
    tiny_model: Any, files: VariantRun
) -> None:
    size = len(GENOME)
    rows = [(size, "A", "C"), (size, "AC", "A"), (size + 1, "A", "C"), (size + 1, "N", "<DEL>"), (0, "N", "A")]
    lines = "".join(f"chr1\t{at}\t.\t{ref}\t{alt}\t.\t.\t.\n" for at, ref, alt in rows)
    files.vcf.write_text(HEADER + lines.replace("\t.\n", "\t.\tGT\t.\n"))
    result = score_variants(tiny_model, files)
    assert [one.status for one in result.alleles] == ["scored", *["outside_contig"] * 4]
    assert result.misplaced[0] == f"line 5: chr1:{size} REF is AC, beyond the contig's end ({size})"
    assert len(result.misplaced) == 3
    files.vcf.write_text(HEADER + "chr1\t900\t.\tA\tC\t.\t.\t.\tGT\t.\n")
    with refused("vcf-foreign", where=files.vcf, names=f"chr1:900 REF is A, beyond the contig's end ({size})"):
        score_variants(tiny_model, files)


def test_impossible_settings_are_refused(tiny_model: Any, files: VariantRun) -> None:
    wrong = {(1, 1, 1): "window", (10, 11, 1): "downstream", (10, 5, 6): "grid", (10, 0, 1): "downstream"}
    for values, kind in wrong.items():
        with refused(kind):
            Placement(length=values[0], downstream=values[1], grid=values[2])
    long = dataclasses.replace(files, placement=Placement(length=25, downstream=5, grid=1))
    with refused("window-beyond-positions", fix="24"):
        score_variants(tiny_model, long)
    with refused("label-one-kind"):
        score_variants(tiny_model, files, labelling=Labelling(key="NONE", positive=("1",)))
