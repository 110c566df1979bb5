"""Whatever a stranger's file holds, its reader gives a result or an `InputError`.

The cases run in a process that can be lost: an abort, a hang, or more memory than allowed is a failure like another
exception. `support/fuzz_targets.py` lists what is fuzzed; what was found is in docs/reliability.md.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SUPPORT = Path(__file__).parent / "support"
ROOT = SUPPORT.parents[1]


def fuzz(way: str, folder: Path, seed: int, count: int, *targets: str, seconds: int = 600) -> dict[str, Any]:
    """The summary of `count` cases of each target, all of them unless named; none may have failed."""
    command = [sys.executable, SUPPORT / "fuzz.py", way, folder, str(seed), str(count), *targets]
    result = subprocess.run(
        list(map(str, command)),
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT}:{SUPPORT}", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    summary: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    messages = folder / "messages"
    assert summary["failures"] == {}, messages.read_text()[:5000] if messages.exists() else result.stderr[-3000:]
    return summary


def test_damaged_files(tmp_path: Path) -> None:
    assert fuzz("mutate", tmp_path, 0, 25)["cases"] > 900


def test_coverage_guided(tmp_path: Path) -> None:
    """A look that the guide works: from the seeds it finds inputs that reach more code."""
    fuzz("atheris", tmp_path, 0, 400, "x.vcf", "common.pt")
    assert all(len(list(found.iterdir())) > 4 for found in (tmp_path / "coverage").iterdir())


@pytest.mark.torture
@pytest.mark.timeout(0)
def test_damaged_files_at_length(tmp_path: Path) -> None:
    assert fuzz("mutate", tmp_path, 1000, 2_200, seconds=24 * 3600)["cases"] > 90_000


@pytest.mark.torture
@pytest.mark.timeout(0)
def test_coverage_guided_at_length(tmp_path: Path) -> None:
    assert fuzz("atheris", tmp_path, 1, 600, seconds=24 * 3600)["cases"] > 24_000
