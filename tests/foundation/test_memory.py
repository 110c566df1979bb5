"""A file that asks for more memory than there is: an error, in whichever library the allocation is."""

import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from refusal import refused

from foundation.memory import available_memory, bounded_memory

COMMAND = Path(sys.executable).with_name("genomic-llama")
LIMIT = 3 << 30


def test_what_is_free() -> None:
    lines = Path("/proc/meminfo").read_text().splitlines()
    total = int(next(line for line in lines if line.startswith("MemTotal")).split()[1]) << 10
    assert 0 < available_memory() < total


def test_an_allocation_beyond_it_is_an_error_and_the_limit_goes_away() -> None:
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with (
        refused("not-enough-memory", where="x.fa"),
        bounded_memory("x.fa"),
    ):
        np.empty(1 << 46, dtype=np.uint8)
    assert resource.getrlimit(resource.RLIMIT_DATA) == before


def bomb(path: Path) -> Path:
    """A few hundred bytes that stand for gigabytes."""
    if path.suffix == ".zst":
        head = {".fa": b">a\n", ".jsonl": b'{"text": "', ".fq": b"@a\n"}[path.suffixes[0]]
        with open(path, "wb") as file, zstandard.ZstdCompressor().stream_writer(file) as stream:
            stream.write(head)
            for _ in range(4_000):
                stream.write(b"A" * (1 << 20))
    elif path.stem == "dictionary":  # 200,000 rows of one value of a megabyte
        values = pa.DictionaryArray.from_arrays(pa.array([0] * 200_000, pa.int32()), pa.array(["A" * (1 << 20)]))
        pq.write_table(pa.table({"text": values}), path, compression="zstd", dictionary_pagesize_limit=8 << 20)
    else:  # values that differ from the one before in nothing
        table = pa.table({"text": pa.array(["A" * (1 << 18)] * 3_000)})
        pq.write_table(table, path, compression="zstd", use_dictionary=False, column_encoding="DELTA_BYTE_ARRAY")
        pq.write_table(pa.concat_tables([table] * 5), path, compression="zstd", use_dictionary=False,
                       column_encoding="DELTA_BYTE_ARRAY")  # fmt: skip
    return path


@pytest.mark.parametrize(
    "name",
    [
        "dictionary.parquet",
        "delta.parquet",
        pytest.param("line.fa.zst", marks=pytest.mark.torture),
        pytest.param("line.jsonl.zst", marks=pytest.mark.torture),
        pytest.param("line.fq.zst", marks=pytest.mark.torture),
    ],
)
def test_a_bomb_is_refused(name: str, tmp_path: Path) -> None:
    source = bomb(tmp_path / name)
    assert source.stat().st_size < 200_000
    result = subprocess.run(
        [COMMAND, "prepare", source, "--out", tmp_path / "corpus"],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (LIMIT, LIMIT)),
    )
    assert result.returncode == 1, result.stderr[-2000:]
    assert f"error: {source}: needs more memory than" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "corpus").exists()
