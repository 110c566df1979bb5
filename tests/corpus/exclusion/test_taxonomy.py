"""The tree of a taxdump: what is below what, names, merged and deleted taxa."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusal import refused

from corpus.exclusion.taxonomy import Taxonomy


def test_the_nearest_listed_taxon_is_the_root(taxdump: Path) -> None:
    roots = Taxonomy(taxdump).roots([10239, 2731361])
    assert [roots[taxid] for taxid in (10298, 2731361, 2681603, 10239, 562, 1, 3)] == [
        2731361, 2731361, 10239, 10239, 0, 0, 0,
    ]  # fmt: skip


def test_a_merged_taxon_is_below_the_one_it_became(taxdump: Path) -> None:
    taxonomy = Taxonomy(taxdump)
    assert taxonomy.roots([2731361])[11103] == 2731361
    assert taxonomy.knows(11103)
    assert not taxonomy.knows(777)
    assert not taxonomy.knows(10**9)


def test_taxa_are_found_by_id_and_by_scientific_name(taxdump: Path) -> None:
    wanted = ("562", "homo sapiens", "Bacteria <walking sticks>")
    assert Taxonomy(taxdump).find(wanted) == dict(zip(wanted, (562, 9606, 55087), strict=True))


@pytest.mark.parametrize(
    ("taxon", "kind", "fix"),
    [
        ("Bacteria", "ambiguous-taxon", "2, 55087"),
        ("Bacterium coli", "unknown-taxon-name", ""),  # a synonym
        ("777", "deleted-taxon", ""),
        ("5", "unknown-taxon", ""),
        ("99999999999", "unknown-taxon", ""),
    ],
)
def test_what_is_not_one_taxon_is_an_error(taxdump: Path, taxon: str, kind: str, fix: str) -> None:
    with refused(kind, where="taxdump", names=taxon, fix=fix):
        Taxonomy(taxdump).find([taxon])


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ("", "not-a-taxdump"),
        ("a\t|\tb\t|\tc\t|\n", "not-a-taxdump"),
        ("1\t|\n", "not-a-taxdump"),
        ("\t|\t1\t|\trank\t|\n", "row-without-taxid"),
        ("0\t|\t1\t|\trank\t|\n", "taxid-below-1"),
    ],
)
def test_a_broken_taxdump_is_an_error(taxdump: Path, content: str, kind: str) -> None:
    (taxdump / "nodes.dmp").write_text(content)
    with refused(kind, where="nodes.dmp"):
        Taxonomy(taxdump)


def test_a_missing_taxdump_is_an_error(tmp_path: Path) -> None:
    with refused("missing-file", where="nodes.dmp"):
        Taxonomy(tmp_path)


@settings(max_examples=50)
@given(above=st.lists(st.integers(0, 10**6), min_size=1, max_size=60), listed=st.sets(st.integers(0, 60), max_size=6))
def test_roots_are_those_of_a_walk_to_the_top(
    tmp_path_factory: pytest.TempPathFactory, above: list[int], listed: set[int]
) -> None:
    """Against the obvious algorithm, on random trees: taxon k + 2 has a parent among 1..k + 1."""
    parents = {1: 1} | {k + 2: number % (k + 1) + 1 for k, number in enumerate(above)}
    taxa = sorted(taxid for taxid in listed if taxid in parents)
    folder = tmp_path_factory.mktemp("tree")
    (folder / "nodes.dmp").write_text("".join(f"{i}\t|\t{p}\t|\tgenus\t|\n" for i, p in parents.items()))
    roots = Taxonomy(folder).roots(taxa)

    def walk(taxid: int) -> int:
        while taxid not in taxa and taxid != 1:
            taxid = parents[taxid]
        return taxid if taxid in taxa else 0

    assert np.array_equal(roots[1:], [walk(taxid) for taxid in sorted(parents)])
