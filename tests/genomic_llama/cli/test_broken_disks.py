"""Every command that writes, on a disk that is full, fills up or is read-only: one clear error, the old state stays."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from corpora import prepare

from conversion.convert import convert
from corpus.synthetic import write_synthetic_genome

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT / "tests" / "conversion"))

from by_hand import save_llama  # noqa: E402

NAMESPACE = ("unshare", "--map-root-user", "--mount")


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A genome, a corpus, a model in two formats and a suite."""
    if subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no mount namespace can be made here")
    write_synthetic_genome(tmp_path / "genome.fa", contigs=12, contig_length=3_000)
    write_synthetic_genome(tmp_path / "other.fa", contigs=12, contig_length=3_000, seed=1)
    prepare([tmp_path / "genome.fa"], tmp_path / "corpus", validation_fraction=0.25)
    prepare([tmp_path / "other.fa"], tmp_path / "other", validation_fraction=0.25)
    convert(save_llama(tmp_path / "model", head_dim=8), tmp_path / "nemo", to="nemo")
    (tmp_path / "suite.yaml").write_text("recall: [{distances: [64], samples: 1}]\n")
    return tmp_path


FULL = ("No space left on device", "the disk is full", "are needed")
WORDS = {"full": FULL, "fills up": FULL, "read-only": ("Read-only file system",)}


def test_broken_disks(work: Path) -> None:
    program = [*NAMESPACE, sys.executable, str(ROOT / "tests" / "support" / "broken_disk.py"), str(work)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = subprocess.run(program, capture_output=True, text=True, check=False, cwd=ROOT, env=environment)
    assert run.returncode == 0, run.stderr[-3000:]
    found: dict[str, Any] = json.loads(run.stdout)
    assert found.keys() == WORDS.keys()
    for kind, results in found.items():
        assert len(results) == (10 if kind == "fills up" else 19)
        for name, result in results.items():
            about = (kind, name, result)
            assert result["status"] == 1, about
            assert result["said"].count("error: ") == 1, about
            assert any(word in result["said"] for word in WORDS[kind]), about
            assert f"{work}/disk {kind}" in result["said"], about
            # What a run of variants resumes from.
            kept = ".partial"
            assert not [path for path, _ in result["changed"] if not path.endswith(kept)], about
