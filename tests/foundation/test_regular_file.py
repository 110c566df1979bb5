"""Pipes, sockets and devices in the place of files: refused at once, by every reader of a file that a user names."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from conversion.files.mapped_file import MappedFile
from corpus.exclusion.accession_list import AccessionList
from corpus.readers.formats import detect_format
from corpus.streams.compression import ObservedFile, open_source
from corpus.streams.inputs import expand_inputs
from foundation.checksum import sha256, xxh3_128
from foundation.errors import InputError
from foundation.regular_file import open_regular
from foundation.untrusted import read_json, read_text, read_yaml


def make_pipe(folder: Path) -> Path:
    os.mkfifo(folder / "x")
    return folder / "x"


def make_socket(folder: Path) -> Path:
    os.chdir(folder)  # its path has 107 bytes at the most
    socket.socket(socket.AF_UNIX).bind("x")
    return folder / "x"


def make_device(folder: Path) -> Path:
    return Path("/dev/zero")


def make_link(folder: Path) -> Path:
    (folder / "x").symlink_to("/dev/zero")
    return folder / "x"


def source(path: Path) -> None:
    with open_source(path):
        pass


READERS: list[Callable[[Path], object]] = [
    open_regular, MappedFile, AccessionList, detect_format, source, sha256, xxh3_128, read_json, read_text,
    read_yaml, lambda path: ObservedFile(path, None), lambda path: expand_inputs([f"@{path}"]),
]  # fmt: skip


@pytest.mark.timeout(20)
@pytest.mark.parametrize("make", [make_pipe, make_socket, make_device, make_link])
@pytest.mark.parametrize("read", READERS)
def test_no_reader_waits_for_what_is_no_file(
    read: Callable[[Path], object], make: Callable[[Path], Path], tmp_path: Path
) -> None:
    path = make(tmp_path)
    with pytest.raises(InputError) as caught:
        read(path)
    assert caught.value.kind == "not-a-regular-file"
    assert str(path) in str(caught.value)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", ["/dev/stdin", "/dev/fd/0", "pipe"])
def test_prepare_says_how_to_pipe(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    command = [Path(sys.executable).with_name("genomic-llama"), "prepare", name, "--out", "corpus"]
    result = subprocess.run(command, cwd=tmp_path, input="", capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert f"error: {name}: is a pipe" in result.stderr
    assert "standard input as -" in result.stderr
    assert not (tmp_path / "corpus").exists()


def test_standard_input_that_does_not_block_is_read_to_its_end(tmp_path: Path) -> None:
    """Another program may have set it so; what has not come yet must not look like the end."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    command = [Path(sys.executable).with_name("genomic-llama"), "prepare", "-", "--out", "corpus"]
    with subprocess.Popen([*command, "--validation-fraction", "0"], cwd=tmp_path, stdin=reader) as process:
        os.write(writer, b">a\n" + b"ACGT" * 100)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(3)
        os.write(writer, b"ACGT" * 100 + b"\n")
        os.close(writer)
    assert process.returncode == 0
    assert '"bases": 800' in (tmp_path / "corpus" / "manifest.json").read_text()
