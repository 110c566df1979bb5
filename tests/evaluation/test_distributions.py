"""What a model expects at each base is the softmax of transformers, in the genome's letters on either strand."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from refusal import refused
from scored import score_records

from evaluation.likelihood.distributions import check_distribution, distribution_files, open_distribution
from evaluation.likelihood.likelihood import plan_reading
from evaluation.likelihood.regions import Region
from evaluation.likelihood.scoring import Source, score_regions
from tokenizer.sequence import encode

TEXT = "ACGTTNGCAAGGCTTA"
PLUS = Region(name="p", contig="c", start=5, ids=encode(TEXT), contig_length=30)
MINUS = Region(name="m", contig="d", start=2, strand="-", ids=encode(TEXT[:9]), contig_length=11)


def _softmax(model: Any, text: str) -> np.ndarray:
    """The chances of the base after each of `text`, [bases, 256], by transformers in fp64."""
    import copy

    import torch

    double = copy.deepcopy(model).double()
    double.set_attn_implementation("eager")
    with torch.inference_mode():
        return np.asarray(double(torch.tensor([list(text.encode())])).logits[0].softmax(-1))


def _write(model: Any, path: Path, strand: str, **options: Any) -> None:
    reading = plan_reading(model, distribution=True, **options)
    with open_distribution(path) as track:
        score_regions(
            model, [PLUS, MINUS], reading, Source(model="", source=""), strand=strand, distribution=track
        )  # fmt: skip


def _columns(path: Path, name: str, strand: str) -> np.ndarray:
    from pyarrow import parquet

    table = parquet.read_table(path).to_pandas()
    rows = table[table["name"] == name]
    return rows[[f"{strand}_{letter}" for letter in ("A", "C", "G", "T", "EOS", "entropy")]].to_numpy(np.float64)


def test_parquet_has_the_softmax_of_both_strands(tiny_model: Any, tmp_path: Path) -> None:
    _write(tiny_model, tmp_path / "d.parquet", "both")
    back = TEXT[::-1].translate(str.maketrans("ACGT", "TGCA"))
    for name, text, forward, reverse in (("p", TEXT, "forward", "reverse"), ("m", TEXT[:9], "reverse", "forward")):
        chances = _softmax(tiny_model, text)[:-1]
        found = _columns(tmp_path / "d.parquet", name, forward)
        np.testing.assert_allclose(found[1:, :5], chances[:, [*b"ACGT", 0]], atol=1e-6)
        np.testing.assert_allclose(found[1:, 5], -(chances * np.log2(chances)).sum(axis=1), atol=1e-5)
        assert np.isnan(found[0]).all()
        chances = _softmax(tiny_model, back[len(TEXT) - len(text) :])[:-1][::-1]
        found = _columns(tmp_path / "d.parquet", name, reverse)
        np.testing.assert_allclose(found[:-1, :5], chances[:, [*b"TGCA", 0]], atol=1e-6)
        assert np.isnan(found[-1]).all()


def test_bigwigs_have_the_mean_of_the_strands(tiny_model: Any, tmp_path: Path) -> None:
    import pyBigWig

    _write(tiny_model, tmp_path / "d.parquet", "both")
    _write(tiny_model, tmp_path / "d.bw", "both")
    strands = [_columns(tmp_path / "d.parquet", "p", strand) for strand in ("forward", "reverse")]
    expected = np.nanmean(strands, axis=0)
    names = ("A", "C", "G", "T", "EOS", "entropy")
    assert [path.name for path in distribution_files(tmp_path / "d.bw")] == [f"d.{name}.bw" for name in names]
    for number, name in enumerate(names):
        with pyBigWig.open(str(tmp_path / f"d.{name}.bw")) as track:
            np.testing.assert_allclose(track.values("c", 5, 21), expected[:, number], rtol=1e-5)


def test_windows_and_renormalising(tiny_model: Any, tmp_path: Path) -> None:
    """Every base has one, with the context that its ln P has; over A, C, G and T alone they add up to one."""
    _write(tiny_model, tmp_path / "d.parquet", "forward", context_length=6, stride=2, acgt_only=True)
    found = _columns(tmp_path / "d.parquet", "p", "forward")
    np.testing.assert_allclose(found[1:, :4].sum(axis=1), 1, atol=1e-6)
    assert (found[1:, 4] == 0).all()
    assert (found[1:, 5] <= 2).all()
    chances = _softmax(tiny_model, TEXT[9:15])[-1][list(b"ACGT")]
    np.testing.assert_allclose(found[-1, :4], chances / chances.sum(), atol=1e-6)


def test_scores_are_the_same_with_and_without(tiny_model: Any, tmp_path: Path) -> None:
    reading = plan_reading(tiny_model, distribution=True)
    with open_distribution(tmp_path / "d.parquet") as track:
        kept = score_regions(tiny_model, [PLUS], reading, Source(model="", source=""), distribution=track)
    assert kept.nats == score_records(tiny_model, [PLUS]).nats


def test_other_files_are_refused(tmp_path: Path) -> None:
    with refused("distribution-suffix", where="d.tsv", fix=".parquet"):
        check_distribution(tmp_path / "d.tsv")
    (tmp_path / "twice.fa").write_text(">a\nAC\n>a\nGT\n")
    with refused("duplicate-name"):
        check_distribution(tmp_path / "d.bw", fasta=tmp_path / "twice.fa")
    check_distribution(tmp_path / "d.parquet", fasta=tmp_path / "twice.fa")


@pytest.mark.parametrize("strand", ["forward", "reverse"])
def test_a_strand_that_is_not_read_is_null(tiny_model: Any, tmp_path: Path, strand: str) -> None:
    _write(tiny_model, tmp_path / "d.parquet", strand)
    other = {"forward": "reverse", "reverse": "forward"}[strand]
    assert np.isnan(_columns(tmp_path / "d.parquet", "p", other)).all()
    assert np.isfinite(_columns(tmp_path / "d.parquet", "p", strand)).sum() == 6 * 15
