"""Megatron indexed datasets, as Megatron's own builder and as our own writer make them."""

from pathlib import Path

import numpy as np
import pytest
from corpora import prepare
from reading import Row, megatron_index, read, rows
from refusal import refused

from corpus.read import documents_of
from corpus.readers import megatron
from corpus.readers.formats import detect_format, read_slice, slices
from corpus.source_format import Format

TEXTS = [b"ACGTN", b"acgtnACG", b"G", b"T" * 20]
ROWS: list[Row] = [(f"x_{number}", "", text) for number, text in enumerate(TEXTS)]


def write(folder: Path, tokens: bytes, index: bytes) -> Path:
    (folder / "x.bin").write_bytes(tokens)
    (folder / "x.idx").write_bytes(index)
    return folder / "x.bin"


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "int64"])
@pytest.mark.parametrize("eos", ["all", "some", "none"])
def test_what_megatrons_builder_writes(tmp_path: Path, dtype: str, eos: str) -> None:
    import torch
    from megatron.core.datasets.indexed_dataset import IndexedDatasetBuilder

    builder = IndexedDatasetBuilder(str(tmp_path / "x.bin"), dtype=np.dtype(dtype).type)
    for number, text in enumerate(TEXTS):
        ends = eos == "all" or (eos == "some" and number % 2)
        tokens = np.frombuffer(text + b"\0" * ends, dtype=np.uint8).astype(np.int64)
        for piece in np.split(tokens, [3]):  # a document of two sequences, of which one may be empty
            builder.add_item(torch.from_numpy(piece))
        builder.end_document()
    builder.finalize(str(tmp_path / "x.idx"))
    path = tmp_path / "x.bin"
    assert detect_format(path) is Format.MEGATRON
    assert read(path) == ROWS


@pytest.mark.parametrize("target", [1, 9, 20, 1 << 20])
@pytest.mark.parametrize("block", [1, 12, 1 << 20])
def test_slices_and_batches_are_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: int, block: int
) -> None:
    monkeypatch.setattr(megatron, "BATCH_BYTES", block)
    path = write(tmp_path, b"".join(text + b"\0" for text in TEXTS), megatron_index([len(t) + 1 for t in TEXTS]))
    parts = slices(path, Format.MEGATRON, target)
    assert len(parts) == {1: 4, 9: 3, 20: 2}.get(target, 1)
    seen = bytearray()
    found = [row for part in parts for row in rows(read_slice(part, field=None, markup=False, observe=seen.extend))]
    assert found == ROWS
    assert seen == path.read_bytes()


def test_a_corpus_is_a_source(tmp_path: Path) -> None:
    """With other settings; equal documents go to the same split, whatever they are read from."""
    genome = tmp_path / "genome.fa"
    letters = np.random.default_rng(0).choice(list(b"ACGTacgtN"), (40, 90)).astype(np.uint8)
    genome.write_bytes(b"".join(b">c%d\n%s\n" % (number, row.tobytes()) for number, row in enumerate(letters)))
    first = prepare([genome], tmp_path / "first", validation_fraction=0.0)
    assert [split.name for split in first.splits] == ["train"]
    prepare([tmp_path / "first" / "train-00000.bin"], tmp_path / "again", validation_fraction=0.3)
    prepare([genome], tmp_path / "direct", validation_fraction=0.3)
    for split in ("train", "validation"):
        again, direct = (
            [one.ids.tobytes() for one in documents_of(tmp_path / name, split)] for name in ("again", "direct")
        )
        assert again == direct


def test_markup(tmp_path: Path) -> None:
    text = b"|d__Bacteria;|ACGT@acgt"
    path = write(tmp_path, text, megatron_index([len(text)]))
    assert read(path, markup=True) == [("x_0", "", text)]
    path.write_bytes(text.replace(b"a;|", b"a;A"))
    with refused("tag-not-closed", where="x.bin, record 1 'x_0'"):
        read(path, markup=True)


GOOD = megatron_index([5, 3])
SECOND = "x.bin, document 1, counted from 0"


@pytest.mark.parametrize(
    ("tokens", "index", "kind", "where", "names"),
    [
        (b"ACGT\0GG\0", GOOD[:-1], "index-truncated", "x.idx", "81 bytes"),
        (b"ACGT\0GG\0", GOOD[:20], "not-a-megatron-index", "x.idx", ""),
        (b"ACGT\0GG\0", GOOD[:9] + b"\2" + GOOD[10:], "megatron-index-version", "x.idx", "2"),
        (b"ACGT\0GG\0", GOOD[:17] + b"\6" + GOOD[18:], "token-dtype", "x.idx", "6"),
        (b"ACGT\0GG", GOOD, "index-of-other-tokens", "x.idx", "x.bin"),
        (b"ACGT\0GG\0A", GOOD, "index-of-other-tokens", "x.idx", "x.bin"),
        (b"ACGT\0GG\0", megatron_index([5, 3], [0, 2, 1]), "documents-out-of-order", "x.idx", ""),
        (b"ACGT\0GG\0", megatron_index([5, 3], [0, 1]), "documents-out-of-order", "x.idx", ""),
        (b"", megatron_index([], [0]), "no-record", "x.bin", ""),
        (b"AC\0T\0GG\0", GOOD, "eos-inside", "x.bin, document 0, counted from 0", ""),
        (b"ACGT\0\0\0\0", megatron_index([5, 1, 2]), "no-sequence", SECOND, ""),
        (b"ACGT\0", megatron_index([5, 0]), "no-sequence", SECOND, ""),
        (
            b"A\0C\0\0\1\0\0",
            megatron_index([2, 2], code=8, size=2),
            "token-not-a-byte",
            "x.bin, document 1, counted from 0",
            "",
        ),
        (
            b"A\0\xff\xff",
            megatron_index([1, 1], code=3, size=2),
            "token-not-a-byte",
            "x.bin, document 1, counted from 0",
            "",
        ),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, tokens: bytes, index: bytes, kind: str, where: str, names: str) -> None:
    with refused(kind, where=where, names=names):
        read(write(tmp_path, tokens, index))


def test_the_documents_before_an_error_come_first(tmp_path: Path) -> None:
    path = write(tmp_path, b"ACGT\0GG\0\0A", megatron_index([5, 4, 1]))
    (part,) = slices(path, Format.MEGATRON, 100)
    batches = read_slice(part, field=None, markup=False)
    assert rows([next(batches)]) == [("x_0", "", b"ACGT")]
    with refused("eos-inside", where="x.bin, document 1, counted from 0"):
        next(batches)


def test_which_file_to_name(tmp_path: Path) -> None:
    path = write(tmp_path, b"ACGT\0GG\0", GOOD)
    with refused("index-for-tokens", where="x.idx", fix="x.bin"):
        detect_format(path.with_suffix(".idx"))
    path.with_suffix(".idx").unlink()
    with refused("bin-without-idx", where="x.bin", fix="x.idx"):
        detect_format(path)
