"""One haplotype, however it is written, has one normal form, one place and one number."""

import csv
import random
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.variants.normal_form import normal_form
from evaluation.variants.output import write_result
from evaluation.variants.run import VariantRun, score_variants
from evaluation.variants.windows import Placement
from tokenizer.sequence import encode

VCF = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
GENOME = "ACGTTGCAAGGCTNACGGTACATTGACCATGACCGATTTACGACGGGGA"


def _normal(contig: str, position: int, length: int, alt: str) -> tuple[int, str, str]:
    ref = contig[position : position + length]
    place, left, right = normal_form(position, encode(ref), encode(alt), encode(contig))
    return place, left.tobytes().decode(), right.tobytes().decode()


@settings(max_examples=40)
@given(st.text("AC", min_size=3, max_size=7))
def test_edits_with_one_result_have_one_normal_form(contig: str) -> None:
    forms: dict[str, set[tuple[int, str, str]]] = {}
    alts = ["".join(letters) for size in (1, 2, 3) for letters in product("AC", repeat=size)]
    for position, length, alt in product(range(len(contig)), (1, 2, 3), alts):
        if position + length <= len(contig) and contig[position : position + length] != alt:
            changed = contig[:position] + alt + contig[position + length :]
            place, left, right = _normal(contig, position, length, alt)
            assert contig[place : place + len(left)] == left
            assert contig[:place] + right + contig[place + len(left) :] == changed
            forms.setdefault(changed, set()).add((place, left, right))
    forms.pop(contig, None)  # a base for itself, and the one beside it: no change is nowhere in particular
    assert all(len(found) == 1 for found in forms.values())


def test_a_long_repeat_is_gone_through() -> None:
    contig = encode("G" + "ca" * 3000 + "T")
    for position in (2, 5998):
        place, left, right = normal_form(position, encode("ACA"), encode("A"), contig)
        assert (place, left.tobytes(), right.tobytes()) == (0, b"GCA", b"G")


@pytest.fixture
def run(tmp_path: Path, tiny_directory: Path) -> VariantRun:
    (tmp_path / "genome.fa").write_text(f">c\n{GENOME}\n")
    return VariantRun(
        model=tiny_directory, fasta=tmp_path / "genome.fa", vcf=tmp_path / "v.vcf",
        placement=Placement(length=24, downstream=12, grid=4), strand="both", dtype="float32",
    )  # fmt: skip


def _deltas(model: Any, run: VariantRun, rows: list[str]) -> tuple[dict[str, list[str]], int]:
    """Texts of the table's delta by the record's id, and how many were scored."""
    run.vcf.write_text(VCF + "".join(f"c\t{row}\t.\t.\t.\n" for row in rows))
    result = score_variants(model, run)
    table = write_result(result, run, run.vcf.with_name("out"))[1]
    found: dict[str, list[str]] = {}
    with open(table, encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            found.setdefault(row["id"], []).append(row["delta"])
    return found, result.haplotypes


def test_equal_alleles_are_scored_once(tiny_model: Any, run: VariantRun) -> None:
    rows = [
        "3\tsnv\tG\tA", "3\tsnv\tg\ta", "2\tsnv\tCGT\tCAT", "3\tsnv\tG\tA",
        "45\tdel\tGGG\tGG", "44\tdel\tCGGGG\tCGGG", "47\tdel\tGG\tG", "47\tdel\tGG\tG",
        "20\tins\tACA\tACACA", "19\tins\tT\tTAC", "22\tins\tA\tACA",
        "5\tboth\tT\tA,A", "15\tsame\tA\tA",
    ]  # fmt: skip
    random.Random(1).shuffle(rows)
    found, scored = _deltas(tiny_model, run, rows)
    assert scored == 5
    assert {name: len(deltas) for name, deltas in found.items()} == {"snv": 4, "del": 4, "ins": 3, "both": 2, "same": 1}
    assert all(len(set(deltas)) == 1 for deltas in found.values())
    assert found["same"] == ["0"]
    assert len({deltas[0] for deltas in found.values()}) == 5
