"""Genomes to prepare: small ones written here, and real ones where they are at hand."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

REAL = Path(__file__).parents[3] / "shared" / "data"

WriteFasta = Callable[..., Path]


@pytest.fixture
def write_fasta(tmp_path: Path) -> WriteFasta:
    """Write records (name to sequence) to a file in `tmp_path`, sixty columns a line."""

    def write(records: dict[str, bytes], name: str = "genome.fa") -> Path:
        lines = []
        for record, sequence in records.items():
            lines.append(b">" + record.encode())
            lines += [sequence[start : start + 60] for start in range(0, len(sequence), 60)]
        path = tmp_path / name
        path.write_bytes(b"\n".join(lines) + b"\n")
        return path

    return write


@pytest.fixture(scope="session")
def contigs() -> dict[str, bytes]:
    """Forty contigs of 50 to 900 bases, with soft-masked runs and some N."""
    random = np.random.default_rng(7)
    letters = np.frombuffer(b"ACGTacgtNR", dtype=np.uint8)
    shares = [0.2] * 4 + [0.0425] * 4 + [0.02, 0.01]
    return {
        f"contig{number}": letters[random.choice(10, size=random.integers(50, 900), p=shares)].tobytes()
        for number in range(40)
    }


@pytest.fixture(scope="session")
def real_fasta() -> list[Path]:
    """The FASTA files of real sequences that lie beside the checkout."""
    files = sorted(REAL.glob("*.fasta"))
    if not files:
        pytest.skip("no real sequences in ../shared/data")
    return files
