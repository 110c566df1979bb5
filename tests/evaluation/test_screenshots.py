"""The pages in a browser, light and dark, of ordinary and of degenerate input: nothing runs off the page."""

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from corpora import prepare
from scored import score_records

from corpus.card.page import write_card
from evaluation.likelihood.regions import Region, read_regions
from evaluation.likelihood.score import write_score
from evaluation.mutation.mutants import Kinds
from evaluation.mutation.mutation_map import mutate_regions, plan_mutation_windows
from evaluation.mutation.page import write_page
from evaluation.report.report import build_head_report, build_report
from evaluation.suite.output import write_comparison
from evaluation.suite.result import Evaluation, Metric, TaskResult
from evaluation.zero_shot.board.leaderboard import read_leaderboard
from evaluation.zero_shot.board.page import render_leaderboard
from evaluation.zero_shot.data import TaskData
from evaluation.zero_shot.result import Measure, items_path, items_table, write_items, write_result
from evaluation.zero_shot.result import TaskResult as OneResult
from evaluation.zero_shot.spec import Published, SourceFile, TaskSpec
from foundation.pages.page import write_texts
from tokenizer.sequence import encode

CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--hide-scrollbars",
    "--force-device-scale-factor=1",
]  # fmt: skip

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed (Debian: apt install chromium)")


WIDTH, HEIGHT = 1200, 1800


def screenshots(pages: list[Path], out: Path, *, dark: bool) -> list[Any]:
    """Pixels of the top of each page, [height, width, 3], from one browser: it takes longer to start than to draw."""
    frames = [f'<iframe src="{page.resolve().as_uri()}" width="{WIDTH}" height="{HEIGHT}"></iframe>' for page in pages]
    style = "<style>body { margin: 0 } iframe { border: 0; display: block }</style>"
    (out.parent / "frames.html").write_text(f"<!doctype html>{style}{''.join(frames)}")
    whole = screenshot(out.parent / "frames.html", out, dark=dark, width=WIDTH, height=HEIGHT * len(pages))
    return [whole[HEIGHT * number : HEIGHT * (number + 1)] for number in range(len(pages))]


def screenshot(page: Path, out: Path, *, dark: bool, width: int, height: int) -> Any:
    from matplotlib.image import imread

    theme = ["--blink-settings=preferredColorScheme=0"] if dark else ["--blink-settings=preferredColorScheme=1"]
    command = [str(CHROMIUM), *FLAGS, *theme, f"--user-data-dir={out.parent}/profile", f"--screenshot={out}"]
    command += [f"--window-size={width},{height}", page.resolve().as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=180)
    return imread(out)[..., :3]


@pytest.fixture
def reports(tiny_model: Any, corpus: Path, write_run: Callable[..., Path], tmp_path: Path) -> list[Path]:
    """One of a run of forty steps, one of a run of one."""
    write_score(score_records(tiny_model, read_regions(corpus, split="test"), split="test"), tmp_path / "score.json")
    found = [tmp_path / "report.html", tmp_path / "one_step.html"]
    for path, steps, floor in zip(found, (40, 1), (1.9, None), strict=True):
        build_report(write_run(f"run{steps}", steps=steps), corpus, tmp_path / "score.json", path, entropy_floor=floor)
    return found


def _comparison(path: Path, steps: list[int], name: str) -> Path:
    def metric(kind: str, part: str, value: float, name: str = name) -> Metric:
        return Metric(
            kind=kind, name=name, part=part, metric="bits per base", value=value, low=value - 0.05,
            high=value + 0.05, better="lower", baseline=1.9, baseline_name="Markov, order 3", count=12_345,
        )  # fmt: skip

    ones = []
    for step in steps:
        rows = [metric("likelihood", "", 2 - step / 1000, f"{name}{number}") for number in range(6)]
        rows += [metric("recall", f"{d} bases apart", 2 - step / 400 / d**0.2) for d in (64, 256, 1024)]
        task = TaskResult(
            kind="likelihood", name="a task", fingerprint="0", protocol="0", created="2026-01-01T00:00:00Z",
            seconds=1.0, metrics=tuple(rows), unscored={},
        )  # fmt: skip
        ones.append(
            Evaluation(model=f"run/step={step}", step=step, parameters=10_000, weights="0", dtype="float32",
                       suite="demo", versions={"torch": "2"}, tasks=(task,), others=(), run="run")
        )  # fmt: skip
    write_comparison(ones, path)
    return path


@pytest.fixture
def evaluations(tmp_path: Path) -> list[Path]:
    """One of three checkpoints, one of fifty and long names, one of one checkpoint."""
    return [
        _comparison(tmp_path / "three.html", [100, 200, 300], "a task"),
        _comparison(tmp_path / "fifty.html", list(range(10, 510, 10)), "GCF_000001405.40_GRCh38.p14_genomic_part_"),
        _comparison(tmp_path / "one.html", [100], "a task"),
    ]


@pytest.fixture
def card(tmp_path: Path) -> Path:
    """Of a corpus of one document."""
    (tmp_path / "a_genome_whose_name_is_longer_than_anybody_would_like_to_read.fa").write_text(">a\n" + "ACGT" * 250)
    prepare(list(tmp_path.glob("a_genome*.fa")), tmp_path / "one_document", validation_fraction=0.0)
    return write_card(tmp_path / "one_document", tmp_path / "card")[0]


@pytest.fixture
def head(write_head_run: Callable[..., Path], tmp_path: Path) -> Path:
    """Of a run that trains a head."""
    build_head_report(write_head_run(), tmp_path / "head.html")
    return tmp_path / "head.html"


@pytest.fixture
def mutations(tiny_model: Any, tmp_path: Path) -> Path:
    """The map of two regions, with deletions and tiles."""
    contig = encode("".join(np.random.default_rng(2).choice(list("ACGT"), size=90)))
    regions = [Region(name=f"r{start}", contig="c", start=start, ids=contig[start : start + 30]) for start in (0, 50)]
    kinds, placement = Kinds(deletions=(1,), tile=5), plan_mutation_windows(24)
    maps = list(mutate_regions(tiny_model, regions, {"c": contig}, placement, kinds))
    settings = {"model": "tiny", "genome": "g.fa", "length": "24", "strand": "both", "dtype": "float32"}
    write_page(maps, tmp_path / "map.html", settings)
    return tmp_path / "map.html"


@pytest.fixture
def leaderboard(tmp_path: Path) -> Path:
    """Of models of long names, with published rows, a task that failed, and one without data."""
    published = Published(model="Evo 2 7B", metric="AUROC", value=0.875, source="a paper, table 1")
    file = SourceFile(path="some/folder/of/variants.parquet", url=f"https://example.org/{'long/' * 30}f.parquet")
    out, tasks = tmp_path / "leaderboard", []
    for name in ("variants", "broken", "absent"):
        spec = TaskSpec(
            title=f"A task of {name}, with a title of some length", kind="variants", layout="traitgym", name=name,
            statistics=("AUROC",), seen="nothing", files=(file,), published=(published,),
        )  # fmt: skip
        tasks.append(TaskData(spec=spec, folder=tmp_path, paths=(None if name == "absent" else tmp_path,)))
    for number in range(3):
        model = f"runs-a_model_whose_name_is_longer_than_anybody_would_like_to_read-step={number}"
        value = 0.45 + number / 10
        measures = [
            Measure(metric="AUROC", part=part, value=value, low=value - 0.1, high=value + 0.1, count=12_345, chance=0.5)
            for part in ("", "missense", "missense SNV")
        ]
        result = OneResult(
            task="variants", title="t", model=model, weights="0", run=None, step=number, parameters=10_000,
            dtype="float32", versions={"torch": "2"}, measures=tuple(measures), left_out={"REF differs": 2},
            notes=("windows of 64 bases, in place of 8,192",),
        )  # fmt: skip
        write_result(result, out / model)
        items: dict[str, list[Any]] = {"label": [True, False] * 10, "cluster": list(range(20))}
        scores = [(7 * item + number) % 20 / 20 for item in range(20)]
        write_items(items_table(items | {"score": scores}), items_path(out / model, "variants"))
        failed = f"/a/folder{'/of/folders' * 20}/f.parquet, row 5: pos is not a position"
        write_result(replace(result, task="broken", measures=(), failed=failed), out / model)
    write_texts({out / "index.html": render_leaderboard(read_leaderboard(out, tasks))})
    return out / "index.html"


@pytest.fixture
def pages(
    reports: list[Path], evaluations: list[Path], card: Path, mutations: Path, head: Path, leaderboard: Path
) -> list[Path]:
    return [*reports, *evaluations, card, mutations, head, leaderboard]


NARROW = 420


def test_pages_fit_a_telephone(pages: list[Path], tmp_path: Path) -> None:
    """Frames of 420 pixels side by side, since a browser has no window so narrow, and one is quicker than many."""
    frames = [f'<iframe src="{page.resolve().as_uri()}" width="{NARROW}" height="1800"></iframe>' for page in pages]
    style = "<style>body { margin: 0; display: flex } iframe { border: 0; flex: none }</style>"
    (tmp_path / "frames.html").write_text(f"<!doctype html>{style}{''.join(frames)}")
    width = NARROW * len(pages)
    whole = screenshot(tmp_path / "frames.html", tmp_path / "narrow.png", dark=True, width=width, height=1800)
    for number, page in enumerate(pages):
        pixels = whole[:, NARROW * number : NARROW * (number + 1)]
        assert pixels[:, 408:].std() < 0.01, page  # the page's margin: nothing runs off it
        assert (np.abs(pixels[:, :408] - pixels[2, 2]).max(axis=2) > 0.2).mean() > 0.02, page


def test_pages_are_drawn_light_and_dark(pages: list[Path], tmp_path: Path) -> None:
    light, dark = (screenshots(pages, tmp_path / f"{theme}.png", dark=theme == "dark") for theme in ("light", "dark"))
    for page, pixels, bright in [
        *zip(pages, light, [True] * len(pages), strict=True),
        *zip(pages, dark, [False] * len(pages), strict=True),
    ]:
        corner = pixels[5, 5].mean()
        assert (corner > 0.9) == bright, page
        assert (corner < 0.15) != bright, page
        assert pixels[:, :20].std() < 0.01, page  # the margins are empty: nothing runs off the page
        assert pixels[:, -20:].std() < 0.01, page
        drawn = np.abs(pixels[:1200] - pixels[5, 5]).max(axis=2) > 0.2
        assert 0.01 < drawn.mean() < 0.5, page
