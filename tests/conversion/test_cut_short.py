"""A checkpoint that somebody writes to while it is read: an error that names the file, not the end of the process."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from refusal import refused

from conversion.convert import convert
from conversion.files import mapped_file
from conversion.files.mapped_file import MappedFile, blocks, loaded
from conversion.inspection import verify_checkpoint
from foundation.errors import InputError


@pytest.fixture
def numbers(tmp_path: Path) -> Path:
    path = tmp_path / "numbers"
    path.write_bytes(np.arange(1 << 20, dtype="<u4").tobytes())
    return path


def test_what_is_read_is_what_the_view_is_of(numbers: Path) -> None:
    array = MappedFile(numbers).array(64, (3, 100, 1000), "float32")
    part = array.reshape(3, 10, -1, 1000)[1, 2:4]
    assert loaded(part).ravel().tolist() == list(range(16 + 120_000, 16 + 140_000))
    assert b"".join(map(bytes, blocks([part, np.ones(3, "<u2")]))) == loaded(part).tobytes() + b"\1\0" * 3


@pytest.mark.parametrize("left", [0, 4096, 2_000_000])
@pytest.mark.parametrize("read", [loaded, lambda array: list(blocks([array]))], ids=["loaded", "blocks"])
def test_a_file_cut_short_after_it_was_opened(left: int, read: Callable[[object], object], numbers: Path) -> None:
    file = MappedFile(numbers)
    array = file.array(0, (1 << 20,), "float32")
    os.truncate(numbers, left)
    with pytest.raises(InputError) as caught:
        read(array)
    assert (caught.value.where, caught.value.kind) == (numbers, "file-shrank")
    with pytest.raises(InputError):
        file.bytes((1 << 22) - 10, 10)


def test_a_file_cut_short_before_it_is_mapped(numbers: Path) -> None:
    file = MappedFile(numbers)
    os.truncate(numbers, 10)
    with pytest.raises(InputError) as caught:
        file.array(0, (1 << 20,), "float32")
    assert caught.value.kind == "file-shrank"


@pytest.mark.parametrize("kind", ["hf", "te", "nemo", "bridge"])
@pytest.mark.parametrize("work", ["verify", "convert", "convert to bfloat16"])
def test_while_it_is_verified_or_converted(
    kind: str, work: str, square_hf: Path, tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / kind
    convert(square_hf, source, to=kind)
    (source / "conversion.json").unlink()
    largest = max(source.rglob("*"), key=lambda path: path.stat().st_size)
    read_into = MappedFile.read_into

    def cut(self: MappedFile, target: memoryview, start: int) -> None:
        if self.path == largest and len(target) > 2_000:  # a weight, after all headers
            os.truncate(largest, start + 1_000)
        read_into(self, target, start)

    monkeypatch.setattr(mapped_file.MappedFile, "read_into", cut)
    with refused("file-shrank", where=largest):
        if work == "verify":
            verify_checkpoint(source)
        else:
            convert(source, out, to="nemo", dtype="bfloat16" if "bfloat16" in work else None)
    assert list(out.parent.iterdir()) == []
