"""Strands, regions and tracks: every base keeps its place, whatever it was read with."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from refusal import refused
from scored import base_nats, score_records

from corpus.readers.fasta import read_fasta
from evaluation.likelihood.regions import load_contigs, read_regions
from evaluation.likelihood.tracks import open_track
from tokenizer.sequence import encode, reverse_complement

GENOME = {"chr1": b"ACGTTGCAAGGCTNACGgtacaTTGACCATGACCGATTTACGACNNNGGA" * 3, "two": b"TTGACCATGACCGATTTACG"}
BED = "track name=x\nchr1\t10\t70\tfirst\t0\t+\n1\t80\t100\t.\t0\t-\ntwo\t0\t20\n"


@pytest.fixture
def genome_file(tmp_path: Path) -> Path:
    text = "".join(f">{name} x\n{bases.decode()}\n" for name, bases in GENOME.items())
    (tmp_path / "genome.fa").write_text(text)
    (tmp_path / "regions.bed").write_text(BED)
    return tmp_path / "genome.fa"


def _per_base(model: Any, path: Path, genome: Path, **options: Any) -> None:
    with open_track(path) as track:
        bed = genome.parent / "regions.bed"
        score_records(model, read_regions(genome, bed=bed, flank=options.pop("flank", 0)), track=track, **options)


def test_a_region_is_scored_alone_or_with_its_flank(tiny_model: Any, genome_file: Path) -> None:
    bed = genome_file.parent / "regions.bed"
    alone = score_records(tiny_model, read_regions(genome_file, bed=bed))
    assert [record.name for record in alone.records] == ["first", "1:80-100", "two:0-20"]
    assert alone.records[0].nats == pytest.approx(np.nansum(base_nats(tiny_model, encode(GENOME["chr1"][10:70]))))
    minus = reverse_complement(encode(GENOME["chr1"][80:100]))
    assert alone.records[1].nats == pytest.approx(np.nansum(base_nats(tiny_model, minus)))
    flanked = score_records(tiny_model, read_regions(genome_file, bed=bed, flank=8))
    whole = base_nats(tiny_model, encode(GENOME["chr1"][2:70]))[8:]
    assert flanked.records[0].bases_scored == alone.records[0].bases_scored + 1  # the first base has a context now
    assert abs(flanked.records[0].nats - np.nansum(whole)) < 1e-4 * 60


@pytest.mark.parametrize("flank", [0, 5, 40])
def test_tracks_hold_the_same_values_in_the_same_places(
    tiny_model: Any, genome_file: Path, tmp_path: Path, flank: int
) -> None:
    import pyBigWig
    from pyarrow import parquet

    for name in ("t.bedgraph", "t.bedgraph.gz", "t.bw", "t.parquet"):
        _per_base(tiny_model, tmp_path / name, genome_file, strand="both", flank=flank)
    text = (tmp_path / "t.bedgraph").read_text()
    assert gzip.decompress((tmp_path / "t.bedgraph.gz").read_bytes()).decode() == text
    rows = parquet.read_table(tmp_path / "t.parquet").to_pylist()
    assert [row["base"] for row in rows[:60]] == list(GENOME["chr1"][10:70].decode())
    means = {
        (row["contig"], row["position"]): np.mean([row[s] for s in ("forward", "reverse") if row[s] is not None])
        for row in rows
        if row["forward"] is not None or row["reverse"] is not None
    }
    lines = [line.split("\t") for line in text.splitlines()]
    assert {(contig, int(start)) for contig, start, _, _ in lines} == means.keys()
    with pyBigWig.open(str(tmp_path / "t.bw")) as file:
        for contig, start, end, value in lines:
            assert int(end) == int(start) + 1
            assert float(value) == pytest.approx(means[contig, int(start)], rel=1e-4)
            assert file.values(contig, int(start), int(end))[0] == pytest.approx(float(value), rel=1e-4)


def test_a_bigwig_has_the_contigs_of_the_genome_in_order(tiny_model: Any, genome_file: Path, tmp_path: Path) -> None:
    import pyBigWig

    (tmp_path / "regions.bed").write_text("two\t5\t9\nchr1\t90\t99\nchr1\t10\t40\n")
    _per_base(tiny_model, tmp_path / "t.bw", genome_file)
    with pyBigWig.open(str(tmp_path / "t.bw")) as file:
        assert list(file.chroms().items()) == [("chr1", 150), ("two", 20)]
        assert [file.intervals(name)[0][0] for name in ("chr1", "two")] == [11, 6]
        assert file.intervals("chr1")[-1][1] == 99
        assert file.values("two", 9, 20) == pytest.approx([float("nan")] * 11, nan_ok=True)


def test_the_reverse_reading_is_that_of_the_reverse_complement(tiny_model: Any, tmp_path: Path) -> None:
    from pyarrow import parquet

    ids = encode(GENOME["two"])
    with open_track(tmp_path / "t.parquet") as track:
        score_records(tiny_model, [("two", ids)], strand="both", track=track)
    columns = parquet.read_table(tmp_path / "t.parquet").to_pydict()
    forward, reverse = -base_nats(tiny_model, ids), -base_nats(tiny_model, reverse_complement(ids))[::-1]
    np.testing.assert_allclose(np.array(columns["forward"], dtype=float), forward, atol=1e-6)
    np.testing.assert_allclose(np.array(columns["reverse"], dtype=float), reverse, atol=1e-6)


def test_renormalised_log_probabilities_sum_to_one_over_the_four_bases(tiny_model: Any) -> None:
    prefix = "ACGTTGCAAGGC"
    logs = [-base_nats(tiny_model, encode(prefix + base), acgt_only=True)[-1] for base in "ACGT"]
    assert np.exp(logs).sum() == pytest.approx(1, abs=1e-6)
    assert all(log > -base_nats(tiny_model, encode(prefix + base))[-1] for log, base in zip(logs, "ACGT", strict=True))


def test_a_name_is_found_with_and_without_chr_and_the_very_name_wins(tmp_path: Path) -> None:
    (tmp_path / "g.fa").write_text(">1\nAAAA\n>chr1\nCCCC\n>chr2\nGGGG\n")
    contigs = load_contigs(tmp_path / "g.fa", ["chr1", "2", "3"])
    assert {name: ids.tobytes() for name, ids in contigs.items()} == {"chr1": b"CCCC", "2": b"GGGG"}


@pytest.mark.parametrize(
    ("bed", "kind", "where", "names"),
    [
        ("chr9\t0\t5\n", "bed-contig", "regions.bed, line 1", "'chr9'"),
        ("chr1\t0\t500\n", "bed-end", "regions.bed, line 1", "150"),
        ("chr1\t5\t5\n", "bed-empty-region", "regions.bed, line 1", ""),
        ("#x\nchr1 0\n", "not-bed", "regions.bed, line 2", ""),
        ("# nothing\n", "bed-empty", "regions.bed", ""),
    ],
)
def test_wrong_regions_are_named(genome_file: Path, bed: str, kind: str, where: str, names: str) -> None:
    (genome_file.parent / "regions.bed").write_text(bed)
    with refused(kind, where=where, names=names):
        list(read_regions(genome_file, bed=genome_file.parent / "regions.bed"))


def test_a_track_is_whole_or_not_there(tiny_model: Any, genome_file: Path, tmp_path: Path) -> None:
    (tmp_path / "regions.bed").write_text("chr1\t0\t50\nchr1\t40\t90\n")
    with refused("regions-overlap", names="40"):
        _per_base(tiny_model, tmp_path / "t.bw", genome_file)
    with refused("track-suffix", where="t.wig", fix=".bedgraph"):
        _per_base(tiny_model, tmp_path / "t.wig", genome_file)
    assert not list(tmp_path.glob("*t.*"))


def test_real_contigs_sum_up(tiny_model: Any, real_data: Path, tmp_path: Path) -> None:
    from pyarrow import compute, parquet

    record = next(iter(read_fasta(real_data / "phage_genomes_8.fasta")))
    with open_track(tmp_path / "t.parquet") as track:
        score = score_records(tiny_model, [(record.name, encode(record.sequence))], track=track, batch_size=64)
    table = parquet.read_table(tmp_path / "t.parquet")
    assert compute.sum(table["forward"].cast("float64")).as_py() == pytest.approx(-score.nats, rel=1e-9)
