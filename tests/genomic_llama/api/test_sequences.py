"""Whatever a caller has as sequence is read as the same regions, and what is none is refused."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pysam
import pytest
from refusal import refused

from evaluation.likelihood.regions import Region
from genomic_llama.api.sequences import read_contigs, read_sequences
from tokenizer.sequence import encode

RECORDS = {"one": "ACGTTGCAAGGC", "two": "acgtNR"}


class BiopythonSeq:
    """What `Bio.Seq.Seq` is to its readers."""

    def __init__(self, text: str) -> None:
        self._data = text.encode()

    def __bytes__(self) -> bytes:
        return self._data


class LazyRecord:
    """What `pyfaidx.FastaRecord` is to its readers."""

    def __init__(self, name: str, text: str) -> None:
        self.name = self.long_name = name
        self._text = text

    def __getitem__(self, part: slice) -> SimpleNamespace:
        return SimpleNamespace(name=self.name, seq=self._text[part])


@pytest.fixture
def fasta(tmp_path: Path) -> Path:
    path = tmp_path / "g.fa"
    path.write_text("".join(f">{name} described\n{text}\n" for name, text in RECORDS.items()))
    return path


def _read(given: Any) -> dict[str, str]:
    return {region.name: region.ids.tobytes().decode() for region in read_sequences(given)}


def test_named_sequences(fasta: Path) -> None:
    pysam.faidx(str(fasta))
    records = [SimpleNamespace(id=name, seq=BiopythonSeq(text)) for name, text in RECORDS.items()]
    lazy = {name: LazyRecord(name, text) for name, text in RECORDS.items()}
    table = pd.DataFrame({"id": list(RECORDS), "seq": list(RECORDS.values())})
    with pysam.FastaFile(str(fasta)) as indexed, pysam.FastxFile(str(fasta)) as streamed:
        for given in (
            fasta, RECORDS, list(RECORDS.items()), records, iter(records), lazy, lazy.values(), table,
            table.set_index("id"), pd.Series(RECORDS), indexed, streamed,
            {name: encode(text) for name, text in RECORDS.items()}, list(read_sequences(RECORDS)),
        ):  # fmt: skip
            assert _read(given) == RECORDS, given
    assert _read(records[0]) == {"one": RECORDS["one"]}


def test_sequences_without_a_name_are_numbered() -> None:
    texts = list(RECORDS.values())
    for given in (
        texts,
        tuple(texts),
        np.array(texts),
        [text.encode() for text in texts],
        map(bytearray, map(str.encode, texts)),
    ):
        assert _read(given) == dict(zip(("sequence1", "sequence2"), texts, strict=True))
    assert _read("ACGT") == _read(b"ACGT") == _read(encode("ACGT")) == {"sequence1": "ACGT"}
    assert _read(BiopythonSeq("ACGT")) == {"sequence1": "ACGT"}
    assert _read([]) == {}
    assert _read(Region(name="r", ids=encode("AC"))) == {"r": "AC"}


def test_contigs_are_those_that_are_asked_for(fasta: Path) -> None:
    pysam.faidx(str(fasta))
    with pysam.FastaFile(str(fasta)) as indexed:
        for given in (fasta, str(fasta), RECORDS, indexed):
            found = read_contigs(given, ["two", "three"])
            assert {name: ids.tobytes() for name, ids in found.items()} == {"two": b"acgtNR"}


def test_sequences_are_read_one_at_a_time() -> None:
    taken: list[int] = []

    def endless() -> Any:
        while True:
            taken.append(1)
            yield "ACGT"

    read = read_sequences(endless())
    assert [next(read).name for _ in range(3)] == ["sequence1", "sequence2", "sequence3"]
    assert len(taken) == 3


def test_what_is_no_sequence_is_refused(fasta: Path) -> None:
    with refused("not-dna", where="'sequence1'", fix="pathlib.Path"):
        list(read_sequences(str(fasta)))
    with refused("not-dna", where="'x'", names="!"):
        list(read_sequences({"x": b"AC!"}))
    for given in (7, None, [7], [None], {"x": 1.5}):
        with refused("not-a-sequence"):
            list(read_sequences(given))
    with refused("no-sequence-column", fix="letters"):
        list(read_sequences(pd.DataFrame({"letters": ["ACGT"]})))
