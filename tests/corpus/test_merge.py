"""Corpora merged: the documents of all, in order, in the same bytes on disk."""

import errno
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from corpora import prepare
from refusal import refused

from corpus.manifest import FILE_NAME, verify
from corpus.merge import merge
from corpus.read import documents_of
from corpus.verify import verify_corpus

WriteFasta = Callable[..., Path]


@pytest.fixture
def parts(tmp_path: Path, write_fasta: WriteFasta, contigs: dict[str, bytes]) -> list[Path]:
    names = list(contigs)
    folders = [tmp_path / name for name in "abc"]
    for number, folder in enumerate(folders):
        genome = write_fasta({name: contigs[name] for name in names[number::3]}, f"{folder.name}.fa")
        prepare([genome], folder, validation_fraction=0.3)
    return folders


def documents(corpus: Path, split: str) -> list[bytes]:
    return [one.ids.tobytes() for one in documents_of(corpus, split)]


@pytest.mark.parametrize("copy", [False, True])
def test_merged(parts: list[Path], tmp_path: Path, copy: bool) -> None:
    manifest = merge(parts, tmp_path / "all", copy=copy)
    assert verify_corpus(tmp_path / "all") == manifest
    for split in ("train", "validation"):
        assert documents(tmp_path / "all", split) == [text for part in parts for text in documents(part, split)]
    assert sum(split.bases for split in manifest.splits) == sum(source.bases for source in manifest.sources)
    same = (tmp_path / "all" / "train-00001.bin").samefile(parts[1] / "train-00000.bin")
    assert same is not copy


def test_refused(
    parts: list[Path],
    tmp_path: Path,
    write_fasta: WriteFasta,
    contigs: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "all"
    with refused("too-few-corpora"):
        merge(parts[:1], out)
    with refused("source-twice", where="c2", names=f"a.fa of {parts[0]}"):
        shutil.copytree(parts[0], tmp_path / "c2")
        merge([parts[0], tmp_path / "c2"], out)
    with refused("source-twice", where="a", names=f"a.fa of {parts[0]}"):
        merge([parts[0], parts[0]], out)
    other = tmp_path / "other"
    prepare(
        [write_fasta({f"n{n}": b"ACGT" * (n + 9) for n in range(9)}, "o.fa")], other, validation_fraction=0.3, seed=1
    )
    with refused("settings-differ", where="other", names="'seed': 1"):
        merge([parts[0], other], out)

    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "hardlink_to", refuse)
        with refused("cannot-be-linked", where="train-00000.bin", fix="--copy"):
            merge(parts, out)
    (parts[1] / "train-00000.bin").unlink()
    with refused("corpus-file-missing", where="train-00000.bin"):
        merge(parts, out)
    assert not out.exists()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_the_same_rules_in_other_places(tmp_path: Path, write_fasta: WriteFasta) -> None:
    """Lists are compared by what they hold."""
    for name, content in (("a", "r1\n"), ("b", "r1\n"), ("c", "r2\n")):
        (tmp_path / f"{name}.txt").write_text(content)
        genome = write_fasta({"r1": b"ACGT", "r2": name.encode() * 9, "r3": b"ACG"}, f"{name}.fa")
        prepare([genome], tmp_path / name, validation_fraction=0, validation_list=tmp_path / f"{name}.txt")
    merge([tmp_path / "a", tmp_path / "b"], tmp_path / "ab")
    with refused("settings-differ", where="c", names="split"):
        merge([tmp_path / "a", tmp_path / "c"], tmp_path / "ac")


def test_every_byte_is_verified(parts: list[Path]) -> None:
    for path in sorted(parts[0].iterdir()):
        if path.name == FILE_NAME:
            continue
        good = path.read_bytes()
        path.write_bytes(good[: len(good) // 2] + bytes([good[len(good) // 2] ^ 4]) + good[len(good) // 2 + 1 :])
        verify(parts[0])
        with refused("corpus-file-checksum", where=path.name):
            verify_corpus(parts[0])
        path.write_bytes(good)
    verify_corpus(parts[0])
