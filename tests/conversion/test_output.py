"""Outputs are whole or not there: existing ones, full disks, overlaps with the input, bits that came back wrong."""

import errno
import json
import shutil
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest
import torch

from conduct.errors import InputError
from conversion.convert import to_hf, to_nemo
from conversion.dcp_writer import DcpWriter
from conversion.safetensors_writer import SafetensorsWriter


def test_an_existing_output_is_kept(small_nemo: Path, small_hf: Path, out: Path) -> None:
    out.mkdir()
    (out / "mine").write_text("precious")
    for convert, source in ((to_hf, small_nemo), (to_nemo, small_hf)):
        with pytest.raises(InputError, match="already exists"):
            convert(source, out)
        assert [path.name for path in out.parent.rglob("*")] == ["out", "mine"]


def test_an_existing_output_is_replaced_when_asked(small_nemo: Path, small_hf: Path, out: Path) -> None:
    out.mkdir()
    (out / "mine").write_text("old")
    with pytest.raises(InputError, match=r"has no conversion\.json, so it is not replaced"):
        to_nemo(small_hf, out, overwrite=True)
    (out / "mine").unlink()
    to_nemo(small_hf, out, overwrite=True)
    to_hf(small_nemo, out, overwrite=True)
    assert not (out / "weights").exists()
    assert (out / "model.safetensors").is_file()
    assert list(out.parent.iterdir()) == [out]


def test_the_input_is_never_the_output(nemo: Path, hf: Path) -> None:
    for convert, source in ((to_hf, nemo), (to_nemo, hf)):
        for output in (source, source / "inside", source.parent):
            with pytest.raises(InputError, match="overlaps the input"):
                convert(source, output, overwrite=True)
        assert source.is_dir()


def test_too_little_space_is_told_before_the_start(
    small_nemo: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10, 9, 1000))
    with pytest.raises(InputError, match="are needed") as caught:
        to_hf(small_nemo, out)
    assert str(out) in str(caught.value)
    assert list(out.parent.iterdir()) == []


class FullAfter:
    """A file on a disk that is full after `room` bytes."""

    def __init__(self, file: Any, room: int) -> None:
        self.file, self.room = file, room

    def write(self, data: Any) -> int:
        self.room -= memoryview(data).nbytes
        if self.room < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return int(self.file.write(data))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


@pytest.mark.parametrize("room", [0, 10_000, 60_000])
def test_a_disk_that_fills_up_leaves_nothing(
    room: int, small_nemo: Path, small_hf: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path_open = Path.open

    def full(self: Path, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        file = path_open(self, mode, *args, **kwargs)
        return FullAfter(file, room) if mode == "wb" else file

    monkeypatch.setattr(Path, "open", full)
    for convert, source in ((to_hf, small_nemo), (to_nemo, small_hf)):
        with pytest.raises(InputError, match="the disk is full") as caught:
            convert(source, out)
        assert str(out) in str(caught.value)
        assert list(out.parent.iterdir()) == []


def test_a_flipped_bit_is_found_before_the_output_gets_its_name(
    small_nemo: Path, small_hf: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flipping(write: Any) -> Any:
        def flip(self: Any, key: Any, tensor: torch.Tensor) -> None:
            tensor = tensor.clone()
            tensor.view(torch.uint8).flatten()[0] ^= 1
            write(self, key, tensor)

        return flip

    for writer, convert, source in ((SafetensorsWriter, to_hf, small_nemo), (DcpWriter, to_nemo, small_hf)):
        monkeypatch.setattr(writer, "write", flipping(writer.write))
        with pytest.raises(InputError, match=r"'embedding.word_embeddings.weight' reads back differently"):
            convert(source, out)
        assert list(out.parent.iterdir()) == []


def test_an_unknown_dtype(small_nemo: Path, out: Path) -> None:
    with pytest.raises(InputError, match="Did you mean 'bfloat16'"):
        to_hf(small_nemo, out, dtype="bfloat")
    assert list(out.parent.iterdir()) == []


def test_a_value_that_float16_cannot_hold(hf: Path, tmp_path: Path, out: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(hf / "model.safetensors")
    tensors["model.norm.weight"][3] = 70_000.0
    save_file(tensors, hf / "model.safetensors", metadata={"format": "pt"})
    to_nemo(hf, tmp_path / "large")
    with pytest.raises(InputError, match=r"'decoder.final_layernorm.weight' has values too large for float16"):
        to_hf(tmp_path / "large", out, dtype="float16")
    assert list(out.parent.iterdir()) == []
    to_hf(tmp_path / "large", out, dtype="bfloat16")
    assert json.loads((out / "config.json").read_text())["dtype"] == "bfloat16"
