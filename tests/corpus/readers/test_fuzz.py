"""Whatever the bytes, a reader gives batches or an `InputError`, and nothing else.

Bytes that no file begins with; whole files with damage are those of tests/test_fuzz.py, which has every reader.
"""

import contextlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from reading import rows

from corpus.readers.formats import detect_format, read_slice, slices
from corpus.source_format import Format
from foundation.errors import InputError

TEXT = st.lists(st.sampled_from([b">", b"@", b"+", b"\n", b"\r", b"A", b"acgt", b" ", b"\0", b'{"text":"A"}', b"\xff"]))


ANY = st.one_of(st.binary(), TEXT.map(b"".join))


def read_somehow(path: Path, format: Format, markup: bool) -> None:
    for part in slices(path, format, 50):
        with contextlib.suppress(InputError):
            rows(read_slice(part, field=None, markup=markup))


@pytest.mark.parametrize("format", Format)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=ANY, markup=st.booleans())
@example(data=b"", markup=False)
def test_any_bytes(tmp_path: Path, format: Format, data: bytes, markup: bool) -> None:
    path = tmp_path / "x"
    path.write_bytes(data)
    with contextlib.suppress(InputError):
        detect_format(path)
    with contextlib.suppress(InputError):
        read_somehow(path, format, markup)
