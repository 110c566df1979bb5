"""What a record says of its taxon."""

import pytest

from corpus.exclusion.lineages import is_informative, lineages_in, parse_lineage, tagged_lineages, taxids_in


@pytest.mark.parametrize(
    ("header", "taxids"),
    [
        ("NC_1 taxid=562", [562]),
        ("kraken:taxid|9606|NC_1", [9606]),
        ("sp|P1|X name OS=Homo sapiens OX=9606 GN=TP53", [9606]),
        ("a TaxID: none, tax_id:10", [10]),
        ("BOX=12 taxid=", []),
    ],
)
def test_taxids_in_headers(header: str, taxids: list[int]) -> None:
    assert taxids_in(header) == taxids


def test_a_lineage_has_the_names_that_it_gives() -> None:
    assert parse_lineage("d__Viruses;p__;c__unclassified;f__Poxviridae;s__Vaccinia virus") == (
        "viruses",
        "poxviridae",
        "vaccinia virus",
    )
    assert lineages_in("x D__BACTERIA;P__PSEUDOMONADOTA| more") == [("bacteria", "pseudomonadota")]
    assert lineages_in("word__Viruses") == []


def test_viruses_alone_says_nothing() -> None:
    assert [is_informative(lineage) for lineage in ((), ("viruses",), ("viruses", "x"), ("bacteria",))] == [
        False, False, True, True,
    ]  # fmt: skip


def test_tags_are_found_in_the_record_that_has_them(make_batch) -> None:
    batch = make_batch(
        ("plain", "", b"ACGT"),
        ("tagged", "", b"|d__Viruses;p__Uroviricota|ACGT" * 2 + b"|D__BACTERIA|AC"),
        ("open", "", b"AC|d__Viruses;p__Cut"),  # the tag's end would be in the next record
        ("other", "", b"|AC|d__Bacteria|"),
    )
    assert tagged_lineages(batch) == {1: {("viruses", "uroviricota"), ("bacteria",)}, 3: {("bacteria",)}}
