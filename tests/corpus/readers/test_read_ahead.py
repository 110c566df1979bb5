"""`ReadAhead`: the same bytes and errors as the stream itself, and no thread left behind."""

import io
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusal import refused

from corpus.streams.compression import open_source
from corpus.streams.read_ahead import BLOCK, BLOCKS, ReadAhead
from foundation.errors import InputError


class Failing(io.RawIOBase):
    """`size` bytes, then an error."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:  # type: ignore[no-untyped-def]
        if not self._left:
            raise InputError("is cut", where="file", kind="cut")
        count = min(len(buffer), self._left)
        self._left -= count
        return count


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) == before


def ahead(source: io.RawIOBase) -> "closing[ReadAhead]":
    return closing(ReadAhead(source))


@settings(max_examples=30)
@given(st.integers(0, 3 * BLOCK * BLOCKS), st.lists(st.integers(1, 3 * BLOCK), min_size=1, max_size=5))
def test_bytes_are_those_of_the_stream(size: int, requests: list[int]) -> None:
    content = bytes(range(251)) * (size // 251 + 1)
    content = content[:size]
    with ahead(io.BytesIO(content)) as stream:  # type: ignore[arg-type]
        taken = b"".join(stream.read(count) or b"" for count in requests)
        assert taken + stream.readall() == content
        assert stream.read(1) == b"", "the end stays the end"


@pytest.mark.parametrize("size", [0, 5, BLOCK, BLOCKS * BLOCK + 1])
def test_an_error_comes_where_the_bytes_would_have(size: int) -> None:
    """A whole block at a time: of a block that fails, nothing."""
    taken = 0
    with refused("cut", where="file"), ahead(Failing(size)) as stream:
        while block := stream.read(1 << 16):
            taken += len(block)
    assert size - BLOCK < taken <= size


def test_closing_ends_a_thread_that_is_ahead() -> None:
    source = io.BytesIO(bytes(4 * BLOCKS * BLOCK))
    with ahead(source) as stream:  # type: ignore[arg-type]
        assert stream.read(1) == b"\0"
    assert source.tell() < len(source.getbuffer()), "not read to its end"


def test_closing_what_was_never_read() -> None:
    with ahead(Failing(0)):
        pass


def test_a_plain_file_is_read_and_observed_ahead(tmp_path: Path) -> None:
    content = bytes(range(256)) * 20_000
    (tmp_path / "plain.fa").write_bytes(content)
    seen, threads = bytearray(), set()

    def observe(block: memoryview) -> None:
        seen.extend(block)
        threads.add(threading.current_thread())

    with open_source(tmp_path / "plain.fa", observe, ahead=True) as stream:
        assert stream.read() == content
    assert seen == content
    assert threading.main_thread() not in threads
