"""The pages in a browser, light and dark: nothing runs off the page, and both themes are drawn."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scored import score_records

from evaluation.regions import read_regions
from evaluation.report import build_report
from evaluation.score import write_score
from evaluation.suite.output import write_comparison
from evaluation.suite.result import Evaluation, Metric, TaskResult

CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--hide-scrollbars",
    "--force-device-scale-factor=1",
]  # fmt: skip

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed (Debian: apt install chromium)")


def screenshot(page: Path, out: Path, *, dark: bool, width: int = 1200, height: int = 1800) -> Any:
    """Pixels of `page`, [height, width, 3]."""
    from matplotlib.image import imread

    theme = ["--blink-settings=preferredColorScheme=0"] if dark else ["--blink-settings=preferredColorScheme=1"]
    command = [str(CHROMIUM), *FLAGS, *theme, f"--user-data-dir={out.parent}/profile", f"--screenshot={out}"]
    command += [f"--window-size={width},{height}", page.resolve().as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=180)
    return imread(out)[..., :3]


@pytest.fixture
def report(tiny_model: Any, corpus: Path, write_run: Callable[..., Path], tmp_path: Path) -> Path:
    write_score(score_records(tiny_model, read_regions(corpus, split="test"), split="test"), tmp_path / "score.json")
    build_report(write_run(), corpus, tmp_path / "score.json", tmp_path / "report.html", entropy_floor=1.9)
    return tmp_path / "report.html"


@pytest.fixture
def evaluation(tmp_path: Path) -> Path:
    def metric(kind: str, part: str, value: float) -> Metric:
        return Metric(
            kind=kind, name="a task", part=part, metric="bits per base", value=value, low=value - 0.05,
            high=value + 0.05, better="lower", baseline=1.9, baseline_name="Markov, order 3", count=12_345,
        )  # fmt: skip

    ones = []
    for step in (100, 200, 300):
        rows = [metric("likelihood", "", 2 - step / 1000)]
        rows += [metric("recall", f"{d} bases apart", 2 - step / 400 / d**0.2) for d in (64, 256, 1024)]
        task = TaskResult(
            kind="likelihood", name="a task", fingerprint="0", created="2026-01-01T00:00:00Z", seconds=1.0,
            metrics=tuple(rows),
        )  # fmt: skip
        ones.append(
            Evaluation(model=f"run/step={step}", step=step, parameters=10_000, weights="0", dtype="float32",
                       suite="demo", versions={"torch": "2"}, tasks=(task,))
        )  # fmt: skip
    write_comparison(ones, tmp_path / "index.html")
    return tmp_path / "index.html"


@pytest.mark.parametrize("name", ["report", "evaluation"])
def test_pages_are_drawn_light_and_dark(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    page = request.getfixturevalue(name)
    light, dark = (screenshot(page, tmp_path / f"{theme}.png", dark=theme == "dark") for theme in ("light", "dark"))
    for pixels, bright in ((light, True), (dark, False)):
        corner = pixels[5, 5].mean()
        assert (corner > 0.9) == bright
        assert (corner < 0.15) != bright
        assert pixels[:, :20].std() < 0.01  # the margins are empty: nothing runs off the page
        assert pixels[:, -20:].std() < 0.01
        drawn = np.abs(pixels[:1200] - pixels[5, 5]).max(axis=2) > 0.2
        assert 0.01 < drawn.mean() < 0.5
