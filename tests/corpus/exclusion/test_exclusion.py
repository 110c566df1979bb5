"""Records that stay out of a corpus, and why."""

import gzip
import json
import multiprocessing
import pickle
from pathlib import Path

import pytest
from refusal import refused

from corpus.exclusion.excluder import Excluder
from corpus.exclusion.preset import read_preset
from corpus.exclusion.rule import ExclusionRule
from foundation.errors import InputError
from foundation.typed import from_json, to_json

PRESET = "eukaryotic_viruses"


def exclude(batch, **parts):
    return Excluder(ExclusionRule(**parts)).excluded(batch, Path("x.fa"))


def test_no_rule_leaves_nothing_out(make_batch) -> None:
    assert exclude(make_batch("a", "b")) == [None, None]
    assert ExclusionRule().empty


def test_accessions_agree_in_the_version_where_both_have_one(make_batch, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("# ours\nNC_1.1\n\nNC_2\r\nweird.name\n")
    names = ["NC_1", "NC_1.1", "NC_1.2", "NC_2", "NC_2.7", "gi|5|ref|NC_2.1|", "NC_2.1:10-20", "NC_2.1:c20-10", "NC_22",
             "weird.name", "weird"]  # fmt: skip
    out = exclude(make_batch(*names), accessions=(tmp_path / "list.txt",))
    kept = [name for name, reason in zip(names, out, strict=True) if reason is None]
    assert kept == ["NC_1.2", "NC_22", "weird"]
    assert set(out) == {None, "accession"}


def test_headers_match_name_and_description(make_batch) -> None:
    batch = make_batch(("a", "synthetic construct"), ("vector_1", "plasmid"), ("c", "chromosome 1"))
    pattern = (r"^vector_\d+ plasmid$", r"synthetic")
    assert exclude(batch, header=pattern) == ["header:synthetic", rf"header:{pattern[0]}", None]


@pytest.mark.parametrize(
    ("pattern", "kind"),
    [
        ("(", "not-a-pattern"),
        ("a{99999999999}", "not-a-pattern"),
        ("", "pattern-matches-all"),
        ("a*", "pattern-matches-all"),
        ("(a+)+b", "pattern-nested-repeat"),
        (r"(\w+\s?)*x", "pattern-nested-repeat"),
        ("(?:a|(b*c){2,})+", "pattern-nested-repeat"),
    ],
)
def test_a_bad_pattern_is_an_error(pattern: str, kind: str) -> None:
    with refused(kind, where=f"header pattern {pattern!r}"):
        ExclusionRule(header=(pattern,))


@pytest.mark.parametrize("pattern", [r"virus\b.*genome", "(a|b)+c{2,5}", "x(?:yz)*", r"\d+\s+\w+$"])
def test_an_ordinary_pattern_is_none(pattern: str) -> None:
    assert ExclusionRule(header=(pattern,)).header == (pattern,)


def test_the_subtree_of_a_taxon_goes(make_batch, taxdump: Path) -> None:
    batch = make_batch(
        ("a", "taxid=10298"), ("b", "kraken:taxid|2681603"), ("c", "OX=562"), ("d", "taxid=11103"), ("e", "taxid=777")
    )
    assert exclude(batch, taxa=("Viruses",), taxdump=taxdump) == [
        "taxon:10239",
        "taxon:10239",
        None,
        "taxon:10239",
        None,
    ]


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize(
    "table",
    [
        "accession\taccession.version\ttaxid\tgi\nX1\tX1.1\t10298\t0\nX2\tX2.1\t562\t0\n",
        "X1\t10298\nX2\t562\n",
        "accession.version\ttaxid\nX1.5\t10298\nX2.1\t562",
    ],
)
def test_taxids_come_from_a_table(make_batch, taxdump: Path, tmp_path: Path, table: str, zipped: bool) -> None:
    path = tmp_path / ("table.tsv.gz" if zipped else "table.tsv")
    path.write_bytes(gzip.compress(table.encode()) if zipped else table.encode())
    batch = make_batch("X1.9", "X2.1", "X3", "ref|X1.1|")
    rule = {"taxa": ("10239",), "taxdump": taxdump, "accession_taxids": path}
    assert exclude(batch, **rule) == ["taxon:10239", None, None, "taxon:10239"]
    with refused("taxonomy-unknown", where="x.fa, record 3 'X3'"):
        exclude(batch, **rule, strict=True)


@pytest.mark.parametrize(
    ("table", "kind", "names"),
    [
        ("", "empty-file", ""),
        ("X1\n", "accession-table-columns", ""),
        ("X1\tvirus\n", "accession-table-columns", ""),
        ("a\tb\tc\nd\te\tf\n", "accession-table-columns", ""),
        ("X1\t5\nX2\t\n", "row-without-taxid", ""),
        ("X1\t5\nX2\tabc\n", "not-an-accession-table", "'abc'"),
    ],
)
def test_a_broken_table_is_an_error(
    make_batch, taxdump: Path, tmp_path: Path, table: str, kind: str, names: str
) -> None:
    (tmp_path / "table.tsv").write_text(table)
    with refused(kind, where="table.tsv", names=names):
        exclude(make_batch("X1"), taxa=("10239",), taxdump=taxdump, accession_taxids=tmp_path / "table.tsv")


def test_a_truncated_table_is_an_error(make_batch, taxdump: Path, tmp_path: Path) -> None:
    rows = "".join(f"X{number}\t562\n" for number in range(100_000))
    (tmp_path / "table.gz").write_bytes(gzip.compress(rows.encode())[:-5000])
    with refused("not-an-accession-table", where="table.gz"):
        exclude(make_batch("X1"), taxa=("10239",), taxdump=taxdump, accession_taxids=tmp_path / "table.gz")


@pytest.mark.parametrize("with_taxdump", [False, True])
def test_the_preset_leaves_phages(make_batch, whole_taxdump: Path, with_taxdump: bool) -> None:
    lineage = "|d__Viruses;p__{};c__{};f__{}|ACGT".format
    batch = make_batch(
        ("herpes", "", lineage("Peploviricota", "Herviviricetes", "").encode()),
        ("pox by family", "", lineage("", "", "Poxviridae").encode().upper()),
        ("pox in description", "d__Viruses;f__Poxviridae"),
        ("papilloma", "", b"AC" + lineage("Cossaviricota", "", "").encode()),
        ("narna", "", lineage("Lenarviricota", "Amabiliviricetes", "").encode()),
        ("MS2", "", lineage("Lenarviricota", "Leviviricetes", "").encode()),
        ("phi6", "", lineage("Duplornaviricota", "Vidaverviricetes", "Cystoviridae").encode()),
        ("lambda", "", lineage("Uroviricota", "Caudoviricetes", "").encode()),
        ("E. coli", "", b"|d__Bacteria;p__Pseudomonadota|ACGT"),
        ("no label", "", b"ACGT"),
    )
    taxdump = whole_taxdump if with_taxdump else None
    out = exclude(batch, preset=(PRESET,), taxdump=taxdump)
    assert out == ["taxon:2731361", "taxon:2732007", "taxon:2732007", "taxon:2732092", "taxon:2732498", *[None] * 5]
    with refused("taxonomy-unknown", where="x.fa, record 10 'no label'"):
        exclude(batch, preset=(PRESET,), taxdump=taxdump, strict=True)


def test_the_preset_by_taxid(make_batch, whole_taxdump: Path) -> None:
    batch = make_batch(*((str(taxid), f"taxid={taxid}") for taxid in (10298, 2681603, 329852, 2732498, 562, 12429)))
    out = exclude(batch, preset=(PRESET,), taxdump=whole_taxdump)
    assert out == ["taxon:2731361", None, None, "taxon:2732498", None, None]


def test_the_preset_names_nothing_twice_and_no_phage() -> None:
    taxa = read_preset(PRESET).taxa
    names = [name for taxon in taxa for name in (taxon.name, *taxon.within)]
    assert len(set(names)) == len(names)
    assert len({taxon.taxid for taxon in taxa}) == len(taxa)
    phages = {"Caudoviricetes", "Uroviricota", "Leviviricetes", "Vidaverviricetes", "Cystoviridae", "Microviridae",
              "Inoviridae", "Tectiviridae", "Corticoviridae", "Plasmaviridae", "Fuselloviridae", "Phixviricota",
              "Hofneiviricota", "Lenarviricota", "Duplornaviricota", "Preplasmiviricota", "Viruses"}  # fmt: skip
    assert not phages & set(names)


def test_a_taxdump_that_lacks_a_taxon_of_the_preset_is_an_error(make_batch, taxdump: Path) -> None:
    with refused("unknown-taxon", where="taxdump"):
        exclude(make_batch("a"), preset=(PRESET,), taxdump=taxdump)


def test_taxa_by_name_without_a_taxdump_are_those_of_lineages(make_batch) -> None:
    batch = make_batch(("a", "d__Bacteria;g__Yersinia"), ("b", "d__Bacteria;g__Bacillus"), ("c", "taxid=632"))
    assert exclude(batch, taxa=("Yersinia", "632")) == ["taxon:Yersinia", None, "taxon:632"]


def test_strict_wants_more_than_viruses(make_batch) -> None:
    rule = {"preset": (PRESET,), "strict": True}
    assert exclude(make_batch(("a", "d__Bacteria")), **rule) == [None]
    with refused("taxonomy-unknown", where="x.fa, record 1 'a'"):
        exclude(make_batch(("a", "d__Viruses;p__;c__")), **rule)


@pytest.mark.parametrize(
    "parts",
    [
        {"strict": True},
        {"taxdump": Path("x")},
        {"taxa": ("1",), "accession_taxids": Path("x")},
    ],
)
def test_parts_that_do_nothing_are_an_error(parts) -> None:
    with pytest.raises(InputError):
        ExclusionRule(**parts)


def test_an_unknown_preset_is_an_error_where_it_is_used(make_batch) -> None:
    """And not where a manifest that names it is read: that may be on another machine."""
    rule = ExclusionRule(preset=("eukaryotic_virus",))
    with refused("unknown-preset", where="eukaryotic_virus", fix="'eukaryotic_viruses'"):
        rule.files()
    with refused("unknown-preset", where="eukaryotic_virus", fix="'eukaryotic_viruses'"):
        Excluder(rule).excluded(make_batch("a"), Path("x.fa"))


def test_a_preset_may_be_a_file(make_batch, tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text(
        "description: d\nsources: []\ntaxa:\n  - {taxid: 632, name: Yersinia pestis, rank: species, within: []}\n"
    )
    assert exclude(make_batch(("a", "d__Bacteria;s__Yersinia pestis")), preset=(str(mine),)) == ["taxon:632"]
    mine.write_text("taxa: [1]\n")
    with refused("missing-key", where="mine.yaml"):
        exclude(make_batch("a"), preset=(str(mine),), taxa=("2",))


def test_a_rule_is_json_and_names_its_files(taxdump: Path, tmp_path: Path) -> None:
    (tmp_path / "list").write_text("A1\n")
    rule = ExclusionRule(accessions=(tmp_path / "list",), taxa=("562",), preset=(PRESET,), taxdump=taxdump, strict=True)
    assert from_json(ExclusionRule, json.loads(json.dumps(to_json(rule))), "rule") == rule
    names = ["delnodes.dmp", "eukaryotic_viruses.yaml", "list", "merged.dmp", "names.dmp", "nodes.dmp"]
    assert sorted(path.name for path in rule.files()) == names


def test_an_excluder_works_in_another_process(make_batch, taxdump: Path) -> None:
    excluder = Excluder(ExclusionRule(taxa=("Viruses",), taxdump=taxdump))
    batch = make_batch(("a", "taxid=10298"))
    assert pickle.loads(pickle.dumps(excluder)).rule == excluder.rule
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(excluder.excluded, (batch, Path("x.fa"))) == ["taxon:10239"]
