"""`open_source`: all of the bytes, or an error with the offset; every kind of damage at every place."""

import gzip
import io
import os
import random
import re
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pysam
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from refusal import refused

from corpus.streams.compression import look_at, open_source
from foundation.errors import InputError

TEXT = bytes(random.Random(0).choices(b"ACGT", k=3000))
LONG = bytes(random.Random(1).choices(b"ACGT", k=300_000))


def content(path: Path) -> bytes:
    with open_source(path) as stream:
        return stream.read()


def bgzf(folder: Path, text: bytes) -> bytes:
    with pysam.BGZFile(str(folder / "made.bgz"), "wb") as stream:
        stream.write(text)
    return (folder / "made.bgz").read_bytes()


def zstd(text: bytes, **options: bool) -> bytes:
    return zstandard.ZstdCompressor(3, write_checksum=True, **options).compress(text)  # type: ignore[arg-type]


def flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 255]) + data[place + 1 :]


SKIPPABLE = struct.pack("<II", 0x184D2A50, 3) + b"abc"
EMPTY_GZIP = gzip.compress(b"", mtime=0)

WHOLE: dict[str, Callable[[Path], bytes]] = {
    "plain": lambda _: TEXT,
    "gzip": lambda _: gzip.compress(TEXT),
    "gzip with a name": lambda _: named_gzip(TEXT),
    "members": lambda _: b"".join(gzip.compress(TEXT[i : i + 7]) for i in range(0, len(TEXT), 7)),
    "empty members": lambda _: EMPTY_GZIP + gzip.compress(TEXT[:99]) + EMPTY_GZIP * 2 + gzip.compress(TEXT[99:]),
    "padded with zeros": lambda _: gzip.compress(TEXT) + bytes(70_000),
    "bgzf": lambda folder: bgzf(folder, TEXT),
    "bgzf of two": lambda folder: bgzf(folder, TEXT[:99]) + bgzf(folder, TEXT[99:]),
    "zstd": lambda _: zstd(TEXT),
    "zstd frames": lambda _: zstd(TEXT[:99]) + zstd(b"") + zstd(TEXT[99:]),
    "zstd without a size": lambda _: zstd(TEXT, write_content_size=False),
    "zstd with other frames": lambda _: SKIPPABLE + zstd(TEXT[:99]) + SKIPPABLE + zstd(TEXT[99:]) + SKIPPABLE,
}


def named_gzip(text: bytes) -> bytes:
    stream = io.BytesIO()
    with gzip.GzipFile("genome.fa", "wb", fileobj=stream) as file:
        file.write(text)
    return stream.getvalue()


@pytest.mark.parametrize("make", WHOLE.values(), ids=WHOLE.keys())
def test_whole(tmp_path: Path, make: Callable[[Path], bytes]) -> None:
    (tmp_path / "x.txt").write_bytes(make(tmp_path))
    assert content(tmp_path / "x.txt") == TEXT
    look = look_at(tmp_path / "x.txt")
    assert (len(look.head) > 90, TEXT.startswith(look.head)) == (True, True)
    assert look.compressed == (make(tmp_path) != TEXT)
    status = (tmp_path / "x.txt").stat()
    assert (look.bytes, look.modified) == (status.st_size, status.st_mtime_ns)


@given(seed=st.integers(0, 2**32), sizes=st.lists(st.integers(0, 200_000), max_size=4), kind=st.booleans())
def test_sizes_that_cross_pieces(
    tmp_path_factory: pytest.TempPathFactory, seed: int, sizes: list[int], kind: bool
) -> None:
    noise = random.Random(seed)
    parts = [noise.randbytes(size) for size in sizes] or [b"x"]
    path = tmp_path_factory.mktemp("sizes") / "x"
    path.write_bytes(b"".join((gzip.compress if kind else zstd)(part) for part in parts))
    assert content(path) == b"".join(parts)


def damaged(path: Path, data: bytes) -> tuple[str, list[int]]:
    """The error of `data`, and the offsets that it names."""
    path.write_bytes(data)
    with pytest.raises(InputError) as caught:
        content(path)
    assert caught.value.where == path
    return caught.value.problem, [int(n.replace(",", "")) for n in re.findall(r"byte ([\d,]+)", caught.value.problem)]


@pytest.mark.parametrize("compress", [gzip.compress, zstd], ids=["gzip", "zstd"])
def test_cut_anywhere(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    first, second = compress(TEXT[:200]), compress(TEXT[200:500])
    for cut in range(4, len(first + second)):
        if cut == len(first):
            continue
        problem, offsets = damaged(tmp_path / "x", (first + second)[:cut])
        late = cut > len(first)
        assert "is truncated" in problem or (len(first) < cut < len(first) + 4 and "is corrupt" in problem)
        assert offsets[0] == (len(first) if late else 0)


def test_cut_between_members_of_gzip_shows_in_nothing(tmp_path: Path) -> None:
    """A gzip file has no end mark: whole members are a whole file. (bgzf has one.)"""
    (tmp_path / "x").write_bytes(gzip.compress(b"AC"))
    assert content(tmp_path / "x") == b"AC"


def test_bgzf_cut_anywhere(tmp_path: Path) -> None:
    data = bgzf(tmp_path, LONG)
    ends = block_ends(data)
    assert len(ends) > 3
    cuts = {*ends[:-1], *(end + n for end in ends[:-1] for n in (-1, 1, 9, 17, 18, 19)), len(data) - 1, len(data) - 27}
    for cut in cuts:
        problem, offsets = damaged(tmp_path / "x", data[:cut])
        assert "is truncated: the end block of bgzf is missing" in problem
        assert offsets[0] == max(end for end in [0, *ends] if end <= cut)


def test_garbage_after_bgzf(tmp_path: Path) -> None:
    data = bgzf(tmp_path, LONG)
    problem, offsets = damaged(tmp_path / "x", data + b"garbage")
    assert problem.startswith("is corrupt: after its end block")
    assert offsets == [len(data)]


def block_ends(data: bytes) -> list[int]:
    ends = [0]
    while ends[-1] < len(data):
        ends.append(ends[-1] + struct.unpack("<H", data[ends[-1] + 16 : ends[-1] + 18])[0] + 1)
    return ends[1:]


def test_a_damaged_bgzf_block_is_named(tmp_path: Path) -> None:
    data = bgzf(tmp_path, LONG)
    starts = [0, *block_ends(data)[:-2]]
    for start in starts:
        for place in (start + 40, start + 5000):
            problem, offsets = damaged(tmp_path / "x", flipped(data, place))
            assert problem.startswith("is corrupt")
            assert offsets[0] == start


@pytest.mark.parametrize(
    ("damage", "offset"),
    [
        (lambda data: flipped(data, len(data) - 8), 0),
        (lambda data: flipped(data, len(data) - 1), 0),
        (lambda data: data + b"garbage", None),
        (lambda data: data + b"\0\0garbage", None),
        (lambda data: data + b"\x1f", None),
        (lambda data: flipped(data, 2), 0),
    ],
    ids=["checksum", "size", "garbage", "garbage after zeros", "half a magic", "method"],
)
def test_gzip_damage(tmp_path: Path, damage: Callable[[bytes], bytes], offset: int | None) -> None:
    data = gzip.compress(TEXT)
    problem, offsets = damaged(tmp_path / "x", damage(data))
    assert problem.startswith("is corrupt")
    assert len(data) <= offsets[0] <= len(data) + 2 if offset is None else offsets[0] == offset


def test_every_flipped_byte_of_gzip_and_zstd_is_seen(tmp_path: Path) -> None:
    """But for bytes of a header that say nothing of the content: time, system, and the like."""
    for data, quiet in ((gzip.compress(TEXT[:300], mtime=0), range(3, 10)), (zstd(TEXT[:300]), range(0))):
        for place in set(range(4, len(data))) - set(quiet):
            (tmp_path / "x").write_bytes(flipped(data, place))
            with pytest.raises(InputError):
                content(tmp_path / "x")


def test_zstd_checksum_and_garbage(tmp_path: Path) -> None:
    data = zstd(TEXT)
    assert damaged(tmp_path / "x", flipped(data, len(data) - 1))[0].startswith("is corrupt")
    problem, offsets = damaged(tmp_path / "x", data + b"garbage")
    assert (problem[:10], offsets[0]) == ("is corrupt", len(data))


@pytest.mark.parametrize(("magic", "name"), [(b"BZh9", "bzip2"), (b"\xfd7zXZ\0", "xz"), (b"PK\x03\x04", "zip")])
def test_not_read(tmp_path: Path, magic: bytes, name: str) -> None:
    (tmp_path / "x").write_bytes(magic + bytes(50))
    with refused("unread-compression", where="x", names=name):
        content(tmp_path / "x")


def test_pipes() -> None:
    end, _ = os.pipe()
    with pytest.raises(InputError) as caught:
        content(Path(f"/dev/fd/{end}"))
    assert caught.value.kind == "not-a-regular-file"


@pytest.mark.parametrize("damage", [False, True])
@pytest.mark.parametrize("kind", ["plain", "gzip", "bgzf", "zstd"])
def test_standard_input(tmp_path: Path, kind: str, damage: bool) -> None:
    """Looked at first, then read in full; a bgzf cut between blocks is seen here too."""
    code = (
        "import sys; from pathlib import Path; from corpus.streams.compression import *\n"
        "try:\n"
        "    look_at(Path('-')); look_at(Path('-'))\n"
        "    with open_source(Path('-')) as stream: sys.stdout.buffer.write(stream.read())\n"
        "except InputError as error: print(error.kind, error.where)\n"
    )
    data = WHOLE[kind](tmp_path)
    data = data[:-28] if damage and kind == "bgzf" else data[:-1] if damage else data
    result = subprocess.run([sys.executable, "-c", code], input=data, capture_output=True, check=False)
    if damage and kind != "plain":
        assert result.stdout == b"compression-truncated -\n"
    else:
        assert result.stdout == (TEXT[:-1] if damage else TEXT)
