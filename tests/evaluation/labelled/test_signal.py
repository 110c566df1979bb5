"""Labels of each base from a bigWig: in the order of the sequence, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from labelled import write_signal
from refusal import refused

from configs.schema import HeadConfig
from evaluation.labelled.splits import Splits, read_splits

pytestmark = pytest.mark.fast


def _read(data: dict[str, Any], **changed: Any) -> Splits:
    return read_splits(HeadConfig(kind="track", labels=["gc"], **(data | changed)), longest=64)


def test_values_follow_the_strand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    splits = _read(write_signal(tmp_path))
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [24, 6, 0]
    genome = (tmp_path / "genome.fa").read_text().split("\n")[1]
    for number, example in enumerate(splits.train):
        region = range(number * 40, number * 40 + 40)
        values = [np.nan if at % 9 == 0 else 3.0 if genome[at] in "GC" else 1.0 for at in region]
        assert example.ids.tobytes().decode()[:3] == genome[region[0] : region[0] + 3] or number % 2
        np.testing.assert_array_equal(example.target, values[::-1] if number % 2 else values)
    assert "107 of 960 bases have no value" in capsys.readouterr().err


def test_bases_that_are_left_out_can_have_a_value(tmp_path: Path) -> None:
    splits = _read(write_signal(tmp_path), bigwig_fill=-2.0)
    assert splits.train[0].target[[0, 9, 18]].tolist() == [-2, -2, -2]
    assert np.isfinite(splits.train[0].target).all()


def test_a_contig_may_lack_its_chr(tmp_path: Path) -> None:
    data = write_signal(tmp_path)
    expected = _read(data).train[0].target
    for name in ("train.bed", "valid.bed", "genome.fa"):
        (tmp_path / name).write_text((tmp_path / name).read_text().replace("chr1", "1"))
    np.testing.assert_array_equal(_read(data).train[0].target, expected)


def test_regions_that_share_bases_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_signal(tmp_path)
    _read(data)
    assert "shares bases" not in capsys.readouterr().err
    (tmp_path / "valid.bed").write_text("chr1\t30\t50\n")
    _read(data)
    assert "valid.bed, line 1: shares bases with a region of another split" in capsys.readouterr().err
    (tmp_path / "train.bed").write_text("".join(f"chr1\t{at}\t{at + 20}\n" for at in range(0, 800, 10)))
    _read(data, validation=None)
    assert "train.bed, line 2: shares bases with another region" in capsys.readouterr().err


def test_bigwigs_and_regions_that_do_not_fit(tmp_path: Path) -> None:
    import pyBigWig

    data = write_signal(tmp_path)

    def bigwig(name: str, contigs: dict[str, int], value: float) -> str:
        with pyBigWig.open(str(tmp_path / name), "w") as file:
            file.addHeader(list(contigs.items()))
            file.addEntries(next(iter(contigs)), 0, values=[float(value)] * 1000, span=1, step=1)
        return str(tmp_path / name)

    with refused("bigwig-contig", where="train.bed, region 'r0'", names="chr2", fix="this genome"):
        _read(data, bigwig=bigwig("other.bw", {"chr2": 1200}, 1))
    with refused("bigwig-assembly", where="train.bed, region 'r0'", names="1,201"):
        _read(data, bigwig=bigwig("longer.bw", {"chr1": 1201}, 1))
    with refused("one-class", where="train.bed", names="gc"):
        _read(data, bigwig=bigwig("flat.bw", {"chr1": 1200}, 2))
    with refused("label-not-numeric", where="infinite.bw"):
        _read(data, bigwig=bigwig("infinite.bw", {"chr1": 1200}, np.inf))
    (tmp_path / "text.bw").write_text("chr1 0 10 1\n")
    (tmp_path / "cut.bw").write_bytes((tmp_path / "gc.bw").read_bytes()[:50])
    for name in ("text.bw", "cut.bw"):
        with refused("not-bigwig", where=name):
            _read(data, bigwig=str(tmp_path / name))
    with refused("missing-file", where="none.bw"):
        _read(data, bigwig=str(tmp_path / "none.bw"))
    with refused("bigwig-option", where="train.bed"):
        _read(data, bigwig=None, genome=None)
    with refused("bigwig-option", where="genome.fa"):
        _read(data, train=data["genome"])
    with refused("bigwig-option", where=tmp_path.name):
        _read(data, train=str(tmp_path))
    with refused("bigwig-option"):
        _read(data, genome=None)
