"""The built-in corpus, which every run makes where there is none."""

import subprocess
import sys
from pathlib import Path

from corpus.manifest import verify


def test_runs_that_start_together_share_one(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from corpus.synthetic import ensure_synthetic_corpus as e; "
    command = [sys.executable, "-c", code + "e(Path(sys.argv[1]))", tmp_path / "corpus"]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    errors = [process.communicate(timeout=300)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], errors
    verify(tmp_path / "corpus")
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]
