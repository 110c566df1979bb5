"""Indels beside random ones of their length: the same length, the same contigs, the same every time."""

import csv
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluation.variants.alleles import Allele, list_alleles
from evaluation.variants.calibration import calibrate, random_indels, size_class
from evaluation.variants.effects import Effect, StrandEffect
from evaluation.variants.output import write_result
from evaluation.variants.run import VariantRun, score_variants
from evaluation.variants.vcf import Vcf, VcfRecord
from evaluation.variants.windows import Placement
from tokenizer.sequence import Ids, encode, is_unambiguous

CONTIGS: dict[str, Ids] = {
    "c": encode("".join(np.random.default_rng(5).choice(list("ACGTacgtN"), size=300))),
    "small": encode("ACGT"),
}


def _alleles(*changes: tuple[str, int, int, str]) -> list[Allele]:
    """Of contig, position, bases replaced, and what replaces them."""
    records = []
    for contig, position, length, alt in changes:
        ref = CONTIGS[contig][position : position + length].tobytes().decode().upper()
        records.append(
            VcfRecord(line=0, contig=contig, position=position, id=".", ref=ref, alts=(ref[0] + alt,), fields=())
        )
    return list_alleles(Vcf(header=(), records=tuple(records)), CONTIGS, "v")


@pytest.fixture(scope="module")
def indels() -> list[Allele]:
    clean = next(p for p in range(300) if is_unambiguous(CONTIGS["c"][p : p + 8]).all())
    return _alleles(
        ("c", clean, 2, ""), ("c", clean, 4, ""), ("c", clean, 3, ""), ("c", clean, 1, "GATTAC"), ("c", clean, 1, "G"),
        ("small", 1, 2, ""), ("c", clean, 2, "A"),
    )  # fmt: skip


def test_classes_are_powers_of_two(indels: list[Allele]) -> None:
    assert [size_class(one) for one in indels] == [(-1, 0), (-1, 1), (-1, 1), (1, 2), (1, 0), (-1, 0), None]


def test_random_indels_have_the_lengths_and_contigs_of_theirs(indels: list[Allele]) -> None:
    made = random_indels(indels, CONTIGS, 50)
    again = random_indels(indels, CONTIGS, 50)
    assert [(one.position, one.alt.tobytes()) for one in made] == [(one.position, one.alt.tobytes()) for one in again]
    assert len(made) == 4 * 50
    changes = {(one.record.contig, len(one.alt) - len(one.ref)) for one in made}
    assert changes == {("c", -1), ("c", -3), ("c", -2), ("c", 6), ("c", 1), ("small", -1)}
    for one in made:
        contig = CONTIGS[one.record.contig]
        here = contig[one.position : one.position + len(one.ref)].tobytes().upper()
        assert here == one.ref.tobytes()
        if len(one.alt) == 7:
            assert is_unambiguous(one.alt).all()
    assert len({one.position for one in made}) > 60
    assert [one.position for one in random_indels(indels[:1], CONTIGS, 50)] != [one.position for one in made[:50]]


def test_a_contig_of_n_gives_none() -> None:
    contig = encode("N" * 50 + "ACGTACGT" + "N" * 50)
    record = VcfRecord(line=0, contig="n", position=50, id=".", ref="ACGTA", alts=("A",), fields=())
    (allele,) = list_alleles(Vcf(header=(), records=(record,)), {"n": contig}, "v")
    made = random_indels([allele], {"n": contig}, 20)
    assert len(made) <= 20
    assert all(50 - 4 <= one.position <= 54 for one in made)


def test_z_and_p_are_those_of_the_class(indels: list[Allele]) -> None:
    def effect(delta: float) -> Effect:
        return Effect(forward=StrandEffect(delta=delta, targets=1), reverse=None)

    null = [indels[1], indels[2], indels[1], indels[3]]
    found = calibrate(indels, [effect(-5.0)] * 7, null, [effect(-1.0), effect(-3.0), effect(-5.0), effect(0.0)])
    assert found[1] is not None
    assert found[1].mean == pytest.approx(-3)
    assert found[1].deviation == pytest.approx(np.std([-1, -3, -5]))
    assert found[1].z == pytest.approx(-2 / np.std([-1, -3, -5]))
    assert found[1].p == 2 / 4
    assert found[3] is not None
    assert found[3].z is None
    assert found[3].p == 1 / 2
    assert [one is None for one in found] == [True, False, False, False, True, True, True]


def test_a_run_writes_them(tiny_model: Any, tiny_directory: Path, tmp_path: Path) -> None:
    import pysam

    genome = "ACGTTGCAAGGCTNACGGTACATTGACCATGACCGATTTACGACGGGGA"
    (tmp_path / "g.fa").write_text(f">c\n{genome}\n")
    rows = ["c\t20\t.\tACA\tA\t.\t.\t.", "c\t3\t.\tG\tA,GTT\t.\t.\t."]
    header = "##fileformat=VCFv4.2\n##contig=<ID=c>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    (tmp_path / "v.vcf").write_text(header + "\n".join(rows) + "\n")
    run = VariantRun(
        model=tiny_directory, fasta=tmp_path / "g.fa", vcf=tmp_path / "v.vcf", strand="both", dtype="float32",
        placement=Placement(length=24, downstream=12, grid=4), null=20, distances=True,
    )  # fmt: skip
    result = score_variants(tiny_model, run)
    plain = score_variants(tiny_model, dataclasses.replace(run, null=0, distances=False))
    assert [one.delta for one in result.effects if one] == pytest.approx(
        [one.delta for one in plain.effects if one], abs=1e-5
    )
    paths = write_result(result, run, tmp_path / "out")
    with open(paths[1], encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file, delimiter="\t"))
    assert [row["null_z"] != "" for row in table] == [True, False, True]
    first = result.calibrations[0]
    assert first is not None
    assert float(table[0]["null_z"]) == pytest.approx(
        (float(table[0]["delta"]) - first.mean) / first.deviation, rel=1e-5
    )
    assert float(table[0]["divergence"]) > 0
    with pysam.VariantFile(str(paths[0])) as vcf:
        records = list(vcf)
    assert records[0].info["GLL_NULL_Z"][0] == pytest.approx(float(table[0]["null_z"]), rel=1e-5)
    assert records[1].info["GLL_NULL_P"][0] is None
    assert records[1].info["GLL_JSD"][1] == pytest.approx(float(table[2]["divergence"]), rel=1e-5)
    write_result(plain, dataclasses.replace(run, null=0, distances=False), tmp_path / "plain")
    assert "null_z" not in (tmp_path / "plain.tsv").read_text()
