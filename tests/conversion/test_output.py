"""Outputs are whole or not there: existing ones, full disks, overlaps with the input, bits that came back wrong."""

import errno
import json
import os
import shutil
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest
from refusal import refused

from conversion.convert import convert
from conversion.files.flushed_file import FlushedFile


def test_an_existing_output_is_kept(small_nemo: Path, small_hf: Path, out: Path) -> None:
    out.mkdir()
    (out / "mine").write_text("precious")
    for to, source in (("hf", small_nemo), ("nemo", small_hf)):
        with refused("output-exists", where=out):
            convert(source, out, to=to)
        assert [path.name for path in out.parent.rglob("*")] == ["out", "mine"]


def test_an_existing_output_is_replaced_when_asked(small_nemo: Path, small_hf: Path, out: Path) -> None:
    out.mkdir()
    (out / "mine").write_text("old")
    with refused("output-of-another-kind", where=out, names="conversion.json"):
        convert(small_hf, out, overwrite=True, to="nemo")
    (out / "mine").unlink()
    convert(small_hf, out, overwrite=True, to="nemo")
    convert(small_nemo, out, overwrite=True, to="hf")
    assert not (out / "weights").exists()
    assert (out / "model.safetensors").is_file()
    assert list(out.parent.iterdir()) == [out]


def test_the_input_is_never_the_output(nemo: Path, hf: Path) -> None:
    for to, source in (("hf", nemo), ("nemo", hf)):
        for output in (source, source / "inside", source.parent):
            with refused("output-overlaps-input", where=output, names=str(source)):
                convert(source, output, to=to, overwrite=True)
        assert source.is_dir()


def test_too_little_space_is_told_before_the_start(
    small_nemo: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10, 9, 1000))
    with refused("not-enough-disk", where=out):
        convert(small_nemo, out, to="hf")
    assert list(out.parent.iterdir()) == []


@pytest.mark.parametrize("room", [0, 10_000, 60_000])
def test_a_disk_that_fills_up_leaves_nothing(
    room: int, square_hf: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = FlushedFile.write

    def full(self: FlushedFile, data: Any) -> None:
        if self.position + memoryview(data).nbytes > room:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(self, data)

    monkeypatch.setattr(FlushedFile, "write", full)
    for to in ("hf", "nemo", "te", "bridge"):
        with refused("disk-full", where=out):
            convert(square_hf, out, to=to)
        assert list(out.parent.iterdir()) == []


def test_a_disk_that_tells_it_only_when_it_is_synced(
    square_hf: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fdatasync", full)
    monkeypatch.setattr(os, "fsync", full)
    with refused("disk-full", where=out):
        convert(square_hf, out, to="hf")
    assert list(out.parent.iterdir()) == []


@pytest.mark.parametrize("to", ["hf", "nemo", "te", "bridge"])
def test_a_flipped_bit_is_found_before_the_output_gets_its_name(
    to: str, square_hf: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    close = FlushedFile.close

    def damage(self: FlushedFile, **options: Any) -> None:
        close(self, **options)
        if self.path.suffix in (".safetensors", ".distcp"):
            data = bytearray(self.path.read_bytes())
            data[len(data) // 2] ^= 1
            self.path.write_bytes(data)

    monkeypatch.setattr(FlushedFile, "close", damage)
    with refused("tensor-differs", names="'model.layers."):
        convert(square_hf, out, to=to)
    assert list(out.parent.iterdir()) == []


def test_an_unknown_dtype(small_nemo: Path, out: Path) -> None:
    with refused("dtype", names="'bfloat'", fix="'bfloat16'"):
        convert(small_nemo, out, dtype="bfloat", to="hf")
    assert list(out.parent.iterdir()) == []


def test_a_value_that_float16_cannot_hold(hf: Path, tmp_path: Path, out: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(hf / "model.safetensors")
    tensors["model.norm.weight"][3] = 70_000.0
    save_file(tensors, hf / "model.safetensors", metadata={"format": "pt"})
    convert(hf, tmp_path / "large", to="nemo")
    with refused("dtype-overflow", names="'model.norm.weight'"):
        convert(tmp_path / "large", out, dtype="float16", to="hf")
    assert list(out.parent.iterdir()) == []
    convert(tmp_path / "large", out, dtype="bfloat16", to="hf")
    assert json.loads((out / "config.json").read_text())["dtype"] == "bfloat16"
