"""Whatever the bytes, a reader gives batches or an `InputError`, and nothing else."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from malformed import CASES
from reading import rows

from corpus.readers.formats import Slice, detect_format, read_slice, slices
from corpus.source_format import Format
from foundation.errors import InputError

WHOLE = [case.content for case in CASES if isinstance(case.result, list) and len(case.content) < 10_000]
TEXT = st.lists(st.sampled_from([b">", b"@", b"+", b"\n", b"\r", b"A", b"acgt", b" ", b"\0", b'{"text":"A"}', b"\xff"]))


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A whole file with some bytes replaced, cut out or put in."""
    data = bytearray(draw(st.sampled_from(WHOLE)))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        stop = start + draw(st.sampled_from([0, 1, 1, 4, 100]))
        data[start:stop] = draw(st.binary(max_size=4))
    return bytes(data)


ANY = st.one_of(st.binary(), TEXT.map(b"".join), damaged())


def read_somehow(path: Path, format: Format, markup: bool) -> None:
    for part in slices(path, format, 50):
        with contextlib.suppress(InputError):
            rows(read_slice(part, field=None, markup=markup))


@pytest.mark.parametrize("format", Format)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=ANY, markup=st.booleans())
@example(data=b"", markup=False)
def test_any_bytes(tmp_path: Path, format: Format, data: bytes, markup: bool) -> None:
    path = tmp_path / "x"
    path.write_bytes(data)
    with contextlib.suppress(InputError):
        detect_format(path)
    with contextlib.suppress(InputError):
        read_somehow(path, format, markup)


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=damaged())
def test_damaged_files(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x"
    path.write_bytes(data)
    with contextlib.suppress(InputError):
        whole = Slice(path=path, format=detect_format(path), start=0, stop=None)
        rows(read_slice(whole, field=None, markup=False))
