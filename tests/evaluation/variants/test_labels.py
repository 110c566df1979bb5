"""Every spelling of a label: what it is taken for is in the table, and what is doubtful is refused with its line."""

from pathlib import Path

import numpy as np
import pytest

from evaluation.variants.alleles import SCORED, Allele, list_alleles
from evaluation.variants.labels import Labelling, check_labels, label_of, split_values, table_lines
from evaluation.variants.vcf import read_vcf
from foundation.errors import InputError

COLUMNS = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
GENOME = {"c1": np.frombuffer(b"A" * 100, np.uint8)}
CLINVAR = ("Pathogenic", "Likely_pathogenic")


def _alleles(folder: Path, rows: list[tuple[str, str]], header: str = "") -> tuple[list[Allele], Path]:
    """Alleles of records of REF A, from pairs of ALT and INFO."""
    path = folder / "v.vcf"
    lines = [f"c1\t{at}\t.\tA\t{alt}\t.\t.\t{info}\n" for at, (alt, info) in enumerate(rows, start=1)]
    path.write_text(f"##fileformat=VCFv4.2\n{header}{COLUMNS}{''.join(lines)}")
    return list_alleles(read_vcf(path), GENOME, path), path


def _labels(
    folder: Path, rows: list[tuple[str, str]], labelling: Labelling | None = None, header: str = ""
) -> list[bool | None]:
    labelling = labelling or Labelling(key="LABEL", positive=("1",))
    alleles, path = _alleles(folder, rows, header)
    check_labels(alleles, labelling, path)
    return [label_of(one, labelling, path) for one in alleles if one.status == SCORED]


def _refusal(
    folder: Path, rows: list[tuple[str, str]], labelling: Labelling | None = None, header: str = ""
) -> tuple[str, str]:
    with pytest.raises(InputError) as refusal:
        _labels(folder, rows, labelling, header)
    return refusal.value.kind, str(refusal.value.where).partition(": ")[0].removeprefix(f"{folder / 'v.vcf'}, ")


@pytest.mark.parametrize(
    "header",
    [
        "",
        '##INFO=<ID=LABEL,Number=.,Type=Integer,Description="x">\n',
        '##INFO=<ID=LABEL,Number=A,Type=Integer,Description="x">\n',
        '##INFO=<Number=A,ID=LABEL,Type=Integer,Description="x">\n',
        '##INFO=<ID=LABEL,Type=Integer,Description="a, b and Number=1",Number=A>\n',
        "##INFO=<ID=LABEL, Number=A, Type=Integer>\n",
    ],
    ids=["undeclared", "Number=.", "Number=A", "Number first", "Number last", "spaces"],
)
def test_a_list_has_a_value_for_each_allele(tmp_path: Path, header: str) -> None:
    rows = [("C,G", "LABEL=1,0"), ("C,G,T", "AF=0.1;LABEL=0,1,.;X"), ("C", "LABEL=1"), ("C,<DEL>", "LABEL=0,1")]
    assert _labels(tmp_path, rows, header=header) == [True, False, False, True, None, True, False]
    for alt, value in (("C,G", "1,0,1"), ("C,G,T", "1,0"), ("C,G", "1,,0")):
        assert _refusal(tmp_path, [("C", "LABEL=0"), (alt, f"LABEL={value}")], header=header) == (
            "info-count", f"line {header.count(chr(10)) + 4}",
        )  # fmt: skip


def test_number_r_has_one_for_the_reference_too(tmp_path: Path) -> None:
    header = "##INFO=<ID=LABEL,Number=R,Type=Integer>\n"
    assert _labels(tmp_path, [("C,G", "LABEL=0,1,0"), ("C", "LABEL=1,0")], header=header) == [True, False, False]
    for alt, value in (("C,G", "1,0"), ("C", "1")):
        assert _refusal(tmp_path, [(alt, f"LABEL={value}")], header=header) == ("info-count", "line 4")


def test_one_value_is_the_whole_records(tmp_path: Path) -> None:
    for header in ("", "##INFO=<ID=LABEL,Number=1,Type=Integer>\n"):
        assert _labels(tmp_path, [("C,G", "LABEL=1"), ("C", "LABEL=0")], header=header) == [True, True, False]
    assert _refusal(tmp_path, [("C,G", "LABEL=1,0")], header=header) == ("info-count", "line 4")
    declared = "##INFO=<ID=LABEL,Number=A,Type=Integer>\n"
    assert _refusal(tmp_path, [("C,G", "LABEL=1")], header=declared) == ("info-count", "line 4")
    assert _refusal(tmp_path, [("C", "LABEL=1,0")], header=declared) == ("info-count", "line 4")


def test_what_clinvar_writes(tmp_path: Path) -> None:
    labelling = Labelling(key="CLNSIG", positive=CLINVAR)
    values = {
        "Pathogenic": True, "Likely_pathogenic,Pathogenic": True, "Pathogenic/Likely_pathogenic": True,
        "Pathogenic|Likely_pathogenic": True, "Pathogenic,_Likely_pathogenic": True, "Benign": False,
        "Benign/Likely_benign": False, "Uncertain_significance": False, "Likely_benign,_other": False,
        "Conflicting_classifications_of_pathogenicity": False, ".": None,
    }  # fmt: skip
    header = '##INFO=<ID=CLNSIG,Number=.,Type=String,Description="x">\n'
    rows = [("C", f"CLNSIG={value}") for value in values] + [("C", "AF=0.1")]
    assert _labels(tmp_path, rows, labelling, header) == [*values.values(), None]


@pytest.mark.parametrize(
    "value",
    [
        "Pathogenic|risk_factor",
        "Pathogenic,Benign",
        "drug_response/Likely_pathogenic",
        "Pathogenic&x",
        "Likely_pathogenic,_low_penetrance",
        "Pathogenic%2Cother",
    ],
)
def test_a_compound_of_which_a_part_is_positive_is_doubtful(tmp_path: Path, value: str) -> None:
    rows = [("C", "CLNSIG=Pathogenic"), ("C", f"CLNSIG={value}"), ("C", "CLNSIG=Benign")]
    assert _refusal(tmp_path, rows, Labelling(key="CLNSIG", positive=CLINVAR)) == ("label-compound", "line 4")
    whole = value.replace("%2C", ",")
    for positive, negative, expected in (
        ((*CLINVAR, whole), (), True), (CLINVAR, ("Benign", whole), False), (CLINVAR, ("Benign",), None),
    ):  # fmt: skip
        labelling = Labelling(key="CLNSIG", positive=positive, negative=negative)
        assert _labels(tmp_path, rows, labelling) == [True, expected, False]


@pytest.mark.parametrize(
    "value",
    [
        "pathogenic",
        "PATHOGENIC",
        " Pathogenic",
        "likely pathogenic",
        "Likely-Pathogenic",
        "LikelyPathogenic",
        "Benign/pathogenic",
    ],
)
def test_another_spelling_of_what_is_listed_is_doubtful(tmp_path: Path, value: str) -> None:
    rows = [("C", "CLNSIG=Pathogenic"), ("C", f"CLNSIG={value}"), ("C", "CLNSIG=Benign")]
    for negative in ((), ("Benign",)):
        labelling = Labelling(key="CLNSIG", positive=CLINVAR, negative=negative)
        assert _refusal(tmp_path, rows, labelling) == ("label-spelling", "line 4")


@pytest.mark.parametrize("value", ["1", "1.0", "1.", "01", "1e0", "+1"])
def test_numbers_are_one_however_they_are_written(tmp_path: Path, value: str) -> None:
    assert _labels(tmp_path, [("C", f"LABEL={value}"), ("C", "LABEL=0.0"), ("C", "LABEL=2")]) == [True, False, False]
    labelling = Labelling(key="LABEL", positive=(value,), negative=("0",))
    assert _labels(tmp_path, [("C", "LABEL=1"), ("C", "LABEL=0.0"), ("C", "LABEL=2")], labelling) == [True, False, None]


@pytest.mark.parametrize(
    ("info", "kind"),
    [
        ("LABEL", "info-no-value"),
        ("LABEL=", "info-no-value"),
        ("LABEL=1;LABEL=0", "info-twice"),
        ("LABEL=1;AF=1;LABEL=1", "info-twice"),
    ],
)
def test_a_key_without_a_value_or_twice_is_refused(tmp_path: Path, info: str, kind: str) -> None:
    assert _refusal(tmp_path, [("C", "LABEL=1"), ("C", info), ("C", "LABEL=0")]) == (kind, "line 4")


@pytest.mark.parametrize("rows", [[("C", "LABEL=1")], [("C", "LABEL=0"), ("C", "LABEL=2")], [("C", "AF=1")]])
def test_one_kind_is_not_enough(tmp_path: Path, rows: list[tuple[str, str]]) -> None:
    assert _refusal(tmp_path, rows)[0] == "label-one-kind"


def test_the_classes_need_their_key(tmp_path: Path) -> None:
    rows = [("C,G", "LABEL=1,0;KIND=x,y"), ("C", "LABEL=0;KIND=x")]
    assert _labels(tmp_path, rows, Labelling(key="LABEL", positive=("1",), by="KIND")) == [True, False, False]
    assert _refusal(tmp_path, rows, Labelling(key="LABEL", positive=("1",), by="KINDS"))[0] == "info-missing"
    rows[0] = ("C,G", "LABEL=1,0;KIND=x,y,z")
    assert _refusal(tmp_path, rows, Labelling(key="LABEL", positive=("1",), by="KIND")) == ("info-count", "line 3")


def test_the_table_has_every_value_its_class_and_its_count(tmp_path: Path) -> None:
    rows = [("C", f"L={value}") for value in ("P", "P", "P/Q", "B", "U", "U", "U")] + [("<DEL>", "L=P"), ("C", "AF=1")]
    alleles, path = _alleles(tmp_path, rows)
    found = check_labels(alleles, Labelling(key="L", positive=("P", "Q"), negative=("B", "Bb")), path)
    assert [(row.value, row.kind, row.alleles) for row in found] == [
        ("P", "positive", 2), ("P/Q", "positive", 1), ("Q", "positive", 0),
        ("B", "negative", 1), ("Bb", "negative", 0), ("U", "left out", 3),
    ]  # fmt: skip
    lines = list(table_lines(found, "L"))
    assert len(lines) == 7
    assert lines[1].split() == ["P", "positive", "2"]


def test_values_of_an_option() -> None:
    assert split_values("a,b") == ("a", "b")
    assert split_values(r"a\,b,c,") == ("a,b", "c")
    assert split_values("") == ()


@pytest.mark.parametrize(
    ("positive", "negative", "kind"),
    [((), (), "label-positive"), (("1",), ("0", "1"), "label-both"), (("1",), ("1.0",), "label-both")],
)
def test_impossible_lists_are_refused(positive: tuple[str, ...], negative: tuple[str, ...], kind: str) -> None:
    with pytest.raises(InputError) as refusal:
        Labelling(key="L", positive=positive, negative=negative)
    assert refusal.value.kind == kind
