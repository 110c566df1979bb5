"""One self-contained page about a training run: `report.html`, without a script, a font or anything from a network."""

import platform
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.baselines.baseline import UNIFORM_BITS, Baselines, markov_baselines
from evaluation.likelihood.score import Score, read_score
from evaluation.report.chains import baseline_rows, markov_note
from evaluation.report.corpus_view import view_corpus
from evaluation.report.evaluations import Curves, curve_figures, curve_rows, curves_of
from evaluation.report.figures import baseline_bars, loss_curve
from evaluation.report.fit import check_fit
from evaluation.report.head_report import head_of, head_page
from evaluation.report.model_card import find_model, model_card
from evaluation.report.records import record_tables, records_note
from evaluation.report.run_log import RunLog, read_run_log
from evaluation.report.speed import source_rows, speed_curve, speed_note, wall_time_rows
from evaluation.report.stops import describe_stops, read_stops
from evaluation.report.tiles import costs, headline
from evaluation.report.verdict import answer
from foundation.errors import InputError
from foundation.pages.page import render_page, write_texts
from foundation.pages.quantities import exact, short
from foundation.versions import version_shown

_PACKAGES = ("genomic-llama", "torch", "nemo-toolkit", "megatron-core", "transformers", "numpy", "matplotlib")


def build_report(
    run: Path,
    corpus: Path,
    score: Path,
    out: Path,
    *,
    entropy_floor: float | None = None,
    card: Path | None = None,
) -> str:
    """Write `out`, an HTML file, about the run in directory `run`, trained on `corpus` and scored in `score`.

    `entropy_floor` is the entropy of the source in bits per base, where it is known (a made-up genome). Markov chains
    are fitted here. `card`: a Markdown file to write about the model; both are written, or none. Returns a warning
    where nothing shows that run and score belong together, else "".
    Errors: `InputError` for inputs that are missing, broken, or not of one another.
    """
    if entropy_floor is not None and not 0 <= entropy_floor <= UNIFORM_BITS:
        raise InputError(f"entropy floor {entropy_floor} is outside [0, 2] bits per base", kind="entropy-floor")
    log, result = read_run_log(run), read_score(score)
    doubt = check_fit(result, score, log, run)
    found = find_model(result, score, card) if card else None
    baselines = markov_baselines(corpus, result)
    page = {
        "title": "/".join(Path(run).resolve().parts[-2:]),
        "answer": answer(result.bits_per_base, baselines.best),
        "subtitle": _subtitle(result, log, doubt),
        "tiles": {"large": headline(result, baselines, entropy_floor), "small": costs(log, result)},
        **_training(log, result, baselines, entropy_floor, curves_of(log, Path(run))),
        "stops": describe_stops(read_stops(run)),
        **_scores(result, baselines, entropy_floor),
        "corpus": view_corpus(corpus),
        "definitions": _definitions(result),
        "versions": [_date(), *_versions()],
        "config": log.config,
    }
    texts = {out: render_page(Path(__file__).parent / "templates" / "report.html.j2", page)}
    if card and found:
        texts[card] = model_card(*found, log=log, corpus=corpus, score=result, baselines=baselines)
    write_texts(texts)
    return doubt


def build_head_report(run: Path, out: Path) -> None:
    """Write `out`, an HTML file, about the run in directory `run`, which trains a head.

    Errors: `InputError` for a run that is broken, is of a language model, or has no validation yet.
    """
    if (head := head_of(run)) is None:
        fix = "Give --corpus and --score: the corpus that it was trained on, and what `genomic-llama score` wrote."
        raise InputError("trains a language model", where=run, fix=fix, kind="run-without-head")
    page = {**head_page(run, read_run_log(run), head), "versions": [_date(), *_versions()]}
    write_texts({out: render_page(Path(__file__).parent / "templates" / "head_report.html.j2", page)})


def _training(log: RunLog, score: Score, baselines: Baselines, floor: float | None, curves: Curves) -> dict[str, Any]:
    from markupsafe import Markup

    loss_svg, above = loss_curve(
        log, held_out=score.bits_per_base, step=score.identity.step, best=baselines.best, floor=floor
    )
    return {
        "loss_svg": Markup(loss_svg),
        "loss_note": _loss_note(log, above),
        "validations": bool(log.validations),
        "source_losses": source_rows(log),
        "evaluation_figures": curve_figures(curves),
        "evaluation_rows": curve_rows(curves),
        "speed_svg": Markup(speed_curve(log)),
        "speed_note": speed_note(log),
        "wall_time": wall_time_rows(log),
    }


def _scores(score: Score, baselines: Baselines, floor: float | None) -> dict[str, Any]:
    from markupsafe import Markup

    return {
        "bars_svg": Markup(baseline_bars(baselines.scores, held_out=score.bits_per_base, floor=floor)),
        "markov_note": markov_note(baselines),
        "baselines": baseline_rows(score, baselines, floor),
        "records": record_tables(baselines),
        "records_note": records_note(score, baselines),
    }


def _subtitle(score: Score, log: RunLog, doubt: str) -> str:
    where = f"the {score.split} split of {Path(score.source).name}" if score.split else Path(score.source).name
    step, last = score.identity.step, log.steps[-1].step
    at = "" if step is None else f" of step {exact(step)}" + (f" (the run has {exact(last)})" if step < last else "")
    model = f"Model {score.model}{at}, {short(score.parameters)} parameters, scored in {score.dtype} on {where}."
    return " ".join(filter(None, (model, log.lineage.sentence, doubt)))


def _loss_note(log: RunLog, above: int) -> str:
    notes = ["A training loss has EOS in it and is weighted as configured, so it is not quite bits per base."]
    if above:
        notes.append(f"The loss of {exact(above)} early or unusual steps is above the figure.")
    if gaps := sum(not np.isfinite(step.loss) for step in log.steps):
        notes.append(f"{exact(gaps)} step{' has' if gaps == 1 else 's have'} no finite loss, a gap in the figure.")
    if log.damaged:
        notes.append(f"{exact(log.damaged)} damaged line{' is' if log.damaged == 1 else 's are'} left out of the log.")
    if log.torn:
        notes.append("The log's last line is cut off: the run was stopped while writing it.")
    return " ".join(notes)


def _definitions(score: Score) -> Sequence[tuple[str, str]]:
    over = "A, C, G and T" if score.alphabet == "acgt" else "all 256 ids"
    return (
        ("Bits per base", "The sum of the natural-log losses of all scored bases, divided by ln 2 and by their number: "
         f"token-weighted, not a mean of records. The softmax is over {over}, in fp32; sums are in fp64."),
        ("Scored bases", "A, C, G and T, after upper-casing. The first base of a record has no score, since nothing "
         "stands before it (no BOS). N and other codes are context only. EOS is not counted."),
        ("Long records", f"Windows of {exact(score.context_length)} bases, moved by {exact(score.stride)}: every base "
         f"is scored once, with {exact(score.context_length - score.stride)} bases or more before it where there are."),
        ("Markov chain", "Order k predicts a base from the k before it, from counts plus 1/2 (Krichevsky and Trofimov, "
         "1981). Where fewer than k are known (a record's start, after an N), the chain of that lower order is used."),
        ("Perplexity", "2 to the bits per base."),
        ("Entropy floor", "The entropy of the source itself, in bits per base: no model does better on average. It is "
         "known for made-up sequence only."),
        ("Training speed", "Tokens of a global batch, padding too, over the step's wall time, median over the steps."),
        ("MFU", "Model FLOPs a second over the peak of the device, causal attention counted as the half that is "
         "needed. Recomputed activations do not count (Chowdhery et al. 2022)."),
        ("Wall time", "From the first start of the run to the last line of its log, through all restarts. The share of "
         "training is the goodput: steps that were done again after a restart are not in it."),
    )  # fmt: skip


def _date() -> tuple[str, str]:
    return "Date", f"{datetime.now(timezone.utc):%d %B %Y, %H:%M} UTC"


def _versions() -> list[tuple[str, str]]:
    return [("Python", platform.python_version()), *((package, version_shown(package)) for package in _PACKAGES)]
