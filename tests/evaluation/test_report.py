"""The report is one page that needs nothing, says the numbers, and takes no orders from a record's name."""

import dataclasses
import json
import math
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from corpora import prepare
from refusal import refused
from scored import score_records

from evaluation.baselines.baseline import markov_baselines
from evaluation.baselines.kmers import count_kmers
from evaluation.baselines.markov import fit_chains
from evaluation.digest import Identity
from evaluation.likelihood.regions import letters_scored, read_regions
from evaluation.likelihood.score import Score, read_score, write_score
from evaluation.report.report import build_report

WriteRun = Callable[..., Path]

HOSTILE = "<script>alert(1)</script>\"'&x"
_LOADING = ("src", "href", "xlink:href", "srcset", "data", "action", "poster", "style")


class _Page(HTMLParser):
    """Tags, attributes and visible text of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags, self.attributes, self.ids, self.text = [], [], [], ""
        self._open: list[str] = []
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self.ids += [value for name, value in attrs if name == "id"]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def score_file(tiny_model: Any, corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scored") / "score.json"
    documents = read_regions(corpus, split="test")
    write_score(score_records(tiny_model, documents, name="tiny", source="corpus", split="test"), path)
    return path


@pytest.fixture
def write_changed(score_file: Path, tmp_path: Path) -> Callable[..., Path]:
    def write(**changes: Any) -> Path:
        score = dataclasses.replace(read_score(score_file), **changes)
        write_score(score, tmp_path / "changed.json")
        return tmp_path / "changed.json"

    return write


def test_the_numbers_are_on_the_page(corpus: Path, score_file: Path, write_run: WriteRun, tmp_path: Path) -> None:
    build_report(write_run("my-run"), corpus, score_file, tmp_path / "report.html", entropy_floor=1.9)
    page, score = _Page(tmp_path / "report.html"), read_score(score_file)
    baselines = markov_baselines(corpus, score)
    for expected in (
        "my-run",
        f"{score.bits_per_base:.3f}",
        f"{score.bits_per_base:.4f}",
        *(f"{chain.bits_per_base:.4f}" for chain in baselines.scores),
        f"order {baselines.best.order}",
        "does not beat",  # a random model
        f"{score.parameters:,}",
        "1 min 20 s",
        "2.05 k",
        "max_steps: 40",
        "genome.fa",
        "entropy floor 1.900",
        "uniform guess 2.000",
        *(record.name for record in score.records if record.bases_scored),
    ):
        assert expected in page.text, expected
    assert "entropy floor" in page.text
    assert page.tags.count("svg") == 3


def test_each_record_is_compared_with_the_best_chain(
    corpus: Path, score_file: Path, write_run: WriteRun, tmp_path: Path
) -> None:
    build_report(write_run(), corpus, score_file, tmp_path / "report.html")
    page, score = (tmp_path / "report.html").read_text("utf-8"), read_score(score_file)
    rows = re.findall(r'<tr><td class="name">([^<]*)</td>((?:<td class="n[^>]*>[^<]*</td>){4})</tr>', page)
    shown = {name: re.findall(r">([^<]*)</td>", cells) for name, cells in rows}
    baselines = markov_baselines(corpus, score)
    regions = read_regions(corpus, split="train")
    chains = fit_chains(count_kmers(map(letters_scored, regions), order=baselines.scores[-1].order))
    nats = {
        region.name: chains.score(letters_scored(region)).nats[baselines.best.order]
        for region in read_regions(corpus, split="test")
    }
    for record in (record for record in score.records if record.bases_scored):
        chain = nats[record.name] / math.log(2) / record.bases_scored
        difference = f"{record.bits_per_base - chain:+.3f}".replace("-", "\N{MINUS SIGN}")
        expected = [f"{record.bits_per_base:.3f}", f"{chain:.3f}", difference, f"{record.bases_scored:,}"]
        assert shown[record.name] == expected


def test_relatives_on_both_sides_of_a_split_show(tiny_model: Any, write_run: WriteRun, tmp_path: Path) -> None:
    """A held-out genome that is a copy of one in train, with 1% of other bases, and another that is not."""
    random = np.random.default_rng(4)
    train, stranger = (random.choice(list(b"ACGT"), size=size).astype(np.uint8) for size in (30_000, 1_500))
    copy = np.where(random.random(1_500) < 0.01, ord("A"), train[9_000:10_500]).astype(np.uint8)
    records = {"train": train, "copy": copy, "stranger": stranger}
    (tmp_path / "g.fa").write_text("".join(f">{name}\n{ids.tobytes().decode()}\n" for name, ids in records.items()))
    (tmp_path / "held.txt").write_text("copy\nstranger\n")
    prepare([tmp_path / "g.fa"], tmp_path / "corpus", validation_fraction=0, validation_list=tmp_path / "held.txt")
    regions = read_regions(tmp_path / "corpus", split="validation")
    write_score(score_records(tiny_model, regions, source="corpus", split="validation"), tmp_path / "s.json")
    build_report(write_run(), tmp_path / "corpus", tmp_path / "s.json", tmp_path / "report.html")
    found = markov_baselines(tmp_path / "corpus", read_score(tmp_path / "s.json"))
    assert found.best.order >= 9
    bits = {record.name: record.baseline or 0.0 for record in found.records}
    assert 0 < bits["copy"] < 1.4
    assert bits["stranger"] > 1.95
    text = _Page(tmp_path / "report.html").text
    assert "relatives on both sides of the split" in text
    assert "of the 32-mers of validation are in train too" in text


def test_the_floor_is_left_out_where_it_is_not_known(
    corpus: Path, score_file: Path, write_run: WriteRun, tmp_path: Path
) -> None:
    build_report(write_run(), corpus, score_file, tmp_path / "report.html")
    assert "entropy floor" not in _Page(tmp_path / "report.html").text


def test_nothing_is_loaded_and_no_script_runs(
    corpus: Path, score_file: Path, write_run: WriteRun, tmp_path: Path
) -> None:
    build_report(write_run(), corpus, score_file, tmp_path / "report.html", entropy_floor=1.9)
    page, text = _Page(tmp_path / "report.html"), (tmp_path / "report.html").read_text("utf-8")
    assert not {"script", "link", "iframe", "object", "embed", "base", "img", "image"} & set(page.tags)
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    for _, name, value in page.attributes:
        if name in _LOADING:
            assert "//" not in value
            assert all(link.startswith("#") for link in re.findall(r"url\(([^)]*)\)", value))
    assert not re.search(r"https?://(?!www\.w3\.org/)", text)
    assert "@import" not in text
    assert len(page.ids) == len(set(page.ids))  # the figures do not share a clip path
    assert "prefers-color-scheme: dark" in text
    assert not re.search(r"#0[1-6]0[1-6]0[1-6]\b", text)  # every stand-in colour became a variable


def test_hostile_texts_are_escaped(tiny_model: Any, corpus: Path, write_run: WriteRun, tmp_path: Path) -> None:
    fasta = tmp_path / "strange.fa"
    fasta.write_text(f">{HOSTILE}\nACGTTGCAACGT\n")
    documents = read_regions(fasta)
    write_score(score_records(tiny_model, documents, name=HOSTILE, source=str(fasta)), tmp_path / "score.json")
    run = write_run("<b>run", config=f"note: |\n  </pre>{HOSTILE}\n")
    build_report(run, corpus, tmp_path / "score.json", tmp_path / "report.html")
    page = _Page(tmp_path / "report.html")
    assert "script" not in page.tags
    assert "b" not in page.tags
    assert page.text.count(HOSTILE) == 3  # the model, the record, the configuration: as text


def test_a_score_of_other_sequence_is_refused(
    corpus: Path, score_file: Path, write_run: WriteRun, write_changed: Callable[..., Path], tmp_path: Path
) -> None:
    score, run, out = read_score(score_file), write_run(), tmp_path / "report.html"
    with refused("score-of-other-records"):
        build_report(run, corpus, write_changed(records=score.records[::-1]), out)
    first = dataclasses.replace(score.records[0], bases_scored=score.records[0].bases_scored - 1)
    with refused("score-base-count"):
        build_report(run, corpus, write_changed(records=(first, *score.records[1:])), out)
    with refused("entropy-floor", names="2.5"):
        build_report(run, corpus, score_file, out, entropy_floor=2.5)
    assert not out.exists()


def test_a_score_on_the_training_split_is_called_that(
    corpus: Path, tiny_model: Any, write_run: WriteRun, tmp_path: Path
) -> None:
    score: Score = score_records(
        tiny_model, read_regions(corpus, split="train"), name="tiny", source="corpus", split="train"
    )
    write_score(score, tmp_path / "score.json")
    build_report(write_run(), corpus, tmp_path / "score.json", tmp_path / "report.html")
    text = _Page(tmp_path / "report.html").text
    assert "Training-split bits per base" in text
    assert "not held out" in text


RUN, OTHER = "0123456789abcdef", "fedcba9876543210"


def recorded(parameters: int, **more: Any) -> str:
    """A config.yaml of `RUN`."""
    return json.dumps({"run_id": RUN, "model": {"parameters": parameters}, **more})  # which is YAML too


@pytest.mark.parametrize(
    ("identity", "parameters", "kind"),
    [
        ({"run": OTHER, "step": 20}, 0, "score-of-another-run"),
        ({"run": RUN, "step": 41}, 0, "score-after-the-log"),
        ({"run": RUN, "step": 20}, 1, "score-of-another-model"),
        ({"run": None, "step": None}, 1, "score-of-another-model"),
    ],
)
def test_a_score_of_another_run_is_refused(
    corpus: Path, score_file: Path, write_run: WriteRun, write_changed: Callable[..., Path], tmp_path: Path,
    identity: dict[str, Any], parameters: int, kind: str,
) -> None:  # fmt: skip
    run = write_run(config=recorded(read_score(score_file).parameters + parameters))
    with refused(kind, where=tmp_path / "changed.json"):
        build_report(run, corpus, write_changed(identity=Identity(**identity)), tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_a_score_is_drawn_at_its_own_step(
    corpus: Path, score_file: Path, write_run: WriteRun, write_changed: Callable[..., Path], tmp_path: Path
) -> None:
    """And a run that is not known to be the model's is said to be that, on the page and to the caller."""
    run = write_run(config=recorded(read_score(score_file).parameters))
    pages = []
    for step in (20, 40):
        path = write_changed(identity=Identity(run=RUN, step=step))
        assert build_report(run, corpus, path, tmp_path / "report.html") == ""
        pages.append((tmp_path / "report.html").read_text("utf-8"))
    assert "of step 20 (the run has 40)" in pages[0]
    assert "of step 40, " in pages[1]
    first, second = (page.split("<svg")[1] for page in pages)
    assert first != second
    doubt = build_report(run, corpus, score_file, tmp_path / "report.html")
    assert "Nothing proves that the scored model comes from this run" in doubt
    assert doubt in _Page(tmp_path / "report.html").text


@pytest.mark.parametrize("steps", [1, 2, 41])
def test_short_runs_are_drawn_too(
    corpus: Path, score_file: Path, write_run: WriteRun, tmp_path: Path, steps: int
) -> None:
    build_report(write_run(steps=steps), corpus, score_file, tmp_path / "report.html")
    assert "nan" not in (tmp_path / "report.html").read_text("utf-8").lower().replace("nanobio", "")


def test_a_log_that_was_damaged_and_diverged_is_drawn_and_said(
    corpus: Path, score_file: Path, write_run: WriteRun, tmp_path: Path
) -> None:
    run = write_run()
    lines = (run / "metrics.jsonl").read_text().splitlines()
    changed = [json.dumps(json.loads(line) | {"loss": None, "grad_norm": None}) for line in lines[9:12]]
    (run / "metrics.jsonl").write_text("\n".join([*lines[:9], *changed, "\0\0", *lines[12:]]) + "\n")
    build_report(run, corpus, score_file, tmp_path / "report.html")
    text = _Page(tmp_path / "report.html").text
    assert "3 steps have no finite loss" in text
    assert "1 damaged line is left out of the log" in text


def test_the_page_says_how_often_a_run_was_stopped(
    corpus: Path, score_file: Path, write_run: WriteRun, tmp_path: Path
) -> None:
    run = write_run()
    build_report(run, corpus, score_file, tmp_path / "report.html")
    assert "asked to be started again" not in _Page(tmp_path / "report.html").text
    stop = {"time": 1.0, "job": "7", "attempt": "7.0", "step": 2, "status": 75, "requeue": True}
    (run / "stops.jsonl").write_text(json.dumps({**stop, "reason": f"SIGUSR1 {HOSTILE}"}) + "\n")
    build_report(run, corpus, score_file, tmp_path / "report.html")
    page = _Page(tmp_path / "report.html")
    assert f"Stopped once, and asked to be started again 1 of 1: SIGUSR1 {HOSTILE} (status 75)." in page.text
    assert "script" not in page.tags
