"""Mutation maps: every mutant is there once, its value is that of whole windows, and the files say the same."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from refusal import refused
from whole_windows import mirrored, whole_window

from evaluation.likelihood.hub import check_hub
from evaluation.likelihood.regions import Region
from evaluation.mutation.hub import write_hub
from evaluation.mutation.mutants import Kinds, Mutant
from evaluation.mutation.mutation_files import ROW, rows, write_parquet, write_vcf
from evaluation.mutation.mutation_map import MutationMap, mutate_regions, plan_mutation_windows
from evaluation.mutation.page import write_page
from evaluation.variants.windows import Placement
from tokenizer.sequence import encode, reverse_complement

TEXT = "ACGTTGCAAGGCNTACGGTACATTTTTTGACCATgaccgatttacgacggggaACCAGTTA"
CONTIG = encode(TEXT)
REGION = Region(name="promoter", contig="c", start=8, ids=CONTIG[8:32], contig_length=len(CONTIG))
START = Region(name="begin", contig="c", start=0, ids=CONTIG[:3], contig_length=len(CONTIG))
KINDS = Kinds(deletions=(1, 3), tile=5)
PLACEMENT = Placement(length=24, downstream=8, grid=4)
SETTINGS = {"model": "tiny", "genome": "g.fa", "length": "24", "strand": "both", "dtype": "float32"}


@pytest.fixture(scope="module")
def maps(tiny_model: Any) -> list[MutationMap]:
    return list(mutate_regions(tiny_model, [REGION, START], {"c": CONTIG}, PLACEMENT, KINDS))


def _changed(mutant: Mutant) -> str:
    return TEXT.upper()[: mutant.start] + mutant.alt + TEXT.upper()[mutant.end :]


def test_every_mutant_is_there_once(maps: list[MutationMap]) -> None:
    found = maps[0]
    bases = TEXT[8:32]
    assert len(found.mutants) == 3 * 23 + 23 + (22 - 3) + 4  # what touches the N is left out
    snvs = {(one.start, one.alt) for one in found.mutants if one.kind == "snv"}
    assert snvs == {
        (8 + place, alt) for place, base in enumerate(bases) for alt in "ACGT" if base != "N" and alt != base
    }
    tiles = [(one.start, one.end, one.alt) for one in found.mutants if one.kind == "tile"]
    assert tiles == [(13, 18, "GCATT"), (18, 23, "GCACG"), (23, 28, "GGGGG"), (28, 32, "TCAA")]
    for mutant in found.mutants:
        allele = mutant.allele
        text = TEXT.upper()
        made = text[: allele.position] + allele.alt.tobytes().decode() + text[allele.position + len(allele.ref) :]
        assert made == _changed(mutant)


def test_values_are_those_of_whole_windows(maps: list[MutationMap], tiny_model: Any) -> None:
    double = copy.deepcopy(tiny_model).double()
    double.set_attn_implementation("eager")
    for found in maps:
        for mutant, effect in zip(found.mutants, found.effects, strict=True):
            allele = mutant.allele
            forward = whole_window(double, CONTIG, allele, PLACEMENT)
            reverse = whole_window(double, reverse_complement(CONTIG), mirrored(allele, len(CONTIG)), PLACEMENT)
            expected = [one[0] for one in (forward, reverse) if one is not None]
            assert (effect is None) == (not expected)
            if effect is not None:
                assert effect.delta == pytest.approx(np.mean(expected), abs=1e-4)
                assert [one.delta for one in effect.read] == pytest.approx(expected, abs=24e-5)


def test_the_grid_and_the_importance(maps: list[MutationMap]) -> None:
    found = maps[0]
    grid = found.grid()
    assert grid.shape == (4, 24)
    assert np.isnan(grid[:, 12 - 8]).all()  # the N
    assert np.isnan(grid).sum() == 23 + 4
    by_change = {(row[2], row[6]): row[7] for row in rows(found) if row[4] == "snv"}
    assert grid["ACGT".index("C"), 0] == by_change[8, "C"]
    importance = found.importance()
    assert np.isnan(importance[4])
    assert importance[0] == pytest.approx(-np.mean([by_change[8, base] for base in "CGT"]))


def test_files_say_the_same(maps: list[MutationMap], tmp_path: Path) -> None:
    from pyarrow import parquet
    from pysam import VariantFile

    write_parquet(maps, tmp_path / "m.parquet", SETTINGS)
    table = parquet.read_table(tmp_path / "m.parquet")
    assert tuple(table.column_names) == ROW
    assert [tuple(row.values()) for row in table.to_pylist()] == [row for one in maps for row in rows(one)]
    assert table.schema.metadata[b"model"] == b"tiny"
    write_vcf(maps, tmp_path / "m.vcf.gz", SETTINGS)
    with VariantFile(str(tmp_path / "m.vcf.gz")) as vcf:
        records = list(vcf)
    assert [record.pos for record in records] == sorted(record.pos for record in records)
    known = {
        (mutant.allele.position + 1, mutant.allele.alt.tobytes().decode(), len(mutant.allele.ref)): effect.delta
        for one in maps
        for mutant, effect in zip(one.mutants, one.effects, strict=True)
        if effect is not None
    }
    found = {(one.pos, one.alts[0], len(one.ref)): one.info["GLL_DELTA"][0] for one in records}
    assert found == {key: pytest.approx(value, rel=1e-5) for key, value in known.items()}
    for record in records:
        assert TEXT.upper()[record.pos - 1 :].startswith(record.ref)


def test_the_page_draws_every_change(maps: list[MutationMap], tmp_path: Path) -> None:
    from xml.etree import ElementTree

    write_page(maps, tmp_path / "m.html", SETTINGS)
    page = (tmp_path / "m.html").read_text()
    assert page.count("<svg") == 3  # the scale, and a block for each region
    blocks = [f"<svg{part.split('</svg>')[0]}</svg>" for part in page.split("<svg")[2:]]
    cells = sum(block.count("<rect") for block in blocks)
    tiles = sum(one.end - one.start for found in maps for one in found.mutants if one.kind == "tile")
    others = sum(one.kind != "tile" for found in maps for one in found.mutants)
    assert cells == tiles + others - sum(effect is None for found in maps for effect in found.effects)
    for block in blocks:
        ElementTree.fromstring(block)
    assert "http" not in page.split("</style>")[1]


def test_a_hub_has_a_logo_of_four_tracks(maps: list[MutationMap], tmp_path: Path) -> None:
    import pyBigWig

    write_hub(maps, tmp_path / "hub", "hg38")
    text = (tmp_path / "hub" / "hub.txt").read_text()
    assert "logo on" in text
    assert text.count("parent logo") == 4
    for name in [line.split()[1] for line in text.splitlines() if "bigDataUrl" in line]:
        assert (tmp_path / "hub" / name).is_file()
    importance = maps[0].importance()
    with pyBigWig.open(str(tmp_path / "hub" / "G.bw")) as track:
        assert track.chroms() == {"c": len(TEXT)}
        places = [place for place, base in enumerate(TEXT[8:32]) if base == "G"]
        values = track.values("c", 8, 32)
        assert [values[place] for place in places] == pytest.approx(importance[places].tolist(), rel=1e-5)
        assert np.isnan(values).sum() == 24 - len(places)
    (tmp_path / "other").mkdir()
    with refused("hub-exists", where="other"):
        check_hub(tmp_path / "other", "hg38", fasta=Path("-"), bed=None)
    with refused("assembly", where="--assembly", names="''"):
        check_hub(tmp_path / "other", "", fasta=Path("-"), bed=None)
    with refused("assembly", names="'hg 38'"):
        check_hub(tmp_path / "new", "hg 38", fasta=Path("-"), bed=None)


def test_what_cannot_be_mutated_is_refused(tiny_model: Any) -> None:
    nothing = Region(name="gap", contig="n", ids=encode("NNNNN"))
    with refused("no-base-to-mutate", where="region 'gap'"):
        list(mutate_regions(tiny_model, [nothing], {"n": encode("NNNNN")}, PLACEMENT, KINDS))
    for options, kind in (({"deletions": (0,)}, "deletion"), ({"tile": 0}, "tile")):
        with refused(kind):
            Kinds(**options)
    with refused("strand", names="'up'"):
        list(mutate_regions(tiny_model, [REGION], {"c": CONTIG}, PLACEMENT, KINDS, strand="up"))


def test_windows_have_less_downstream_than_those_of_variants() -> None:
    assert plan_mutation_windows(8192) == Placement(length=8192, downstream=512, grid=64)
    assert plan_mutation_windows(24) == Placement(length=24, downstream=6, grid=1)
    assert plan_mutation_windows(2048, window=1024, downstream=128) == Placement(length=1024, downstream=128, grid=16)
