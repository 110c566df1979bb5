"""docs/python.md runs from top to bottom, in a folder with a model as `make demo` leaves it."""

import re
from pathlib import Path

import numpy as np
import pytest
from tiny_llama import save_tiny_llama

PAGE = Path(__file__).parents[3] / "docs" / "python.md"


def test_the_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    save_tiny_llama(tmp_path / "demo" / "model", positions=256)
    bases = "".join(np.random.default_rng(0).choice(list("ACGT"), size=2400))
    lines = [bases[start : start + 80] for start in range(0, len(bases), 80)]
    (tmp_path / "demo" / "genome.fa").write_text("\n".join([">one", *lines]) + "\n")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert len(blocks) >= 9
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    printed = capsys.readouterr()
    assert printed.err == ""
    assert "not-dna | sequence 'sequence1' | To read a FASTA file" in printed.out
    assert "bits_per_base" in printed.out
    assert "(4, 30)" in printed.out
