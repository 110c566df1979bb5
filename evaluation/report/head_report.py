"""The page about a run that trained a head: its validation metrics, compared with baselines."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from configs.heads import MEASURES
from evaluation.prediction.evaluating import WORDS
from evaluation.report.curve import smooth, thin
from evaluation.report.figures import label_right
from evaluation.report.run_log import RunLog, Validation
from evaluation.report.speed import wall_time_rows
from evaluation.report.stops import describe_stops, read_stops
from evaluation.report.tiles import Tile
from foundation.errors import InputError
from foundation.pages.figure import ACCENT, FAINT, INK, MUTED, canvas, to_svg
from foundation.pages.quantities import duration, exact, short
from foundation.untrusted import read_yaml

KINDS = {
    "classify": "One class per sequence", "multilabel": "Several labels per sequence",
    "regress": "Numbers per sequence", "tokens": "One class per base", "track": "One number per base",
}  # fmt: skip


def head_of(run: Path) -> Mapping[str, Any] | None:
    """The settings of the head that the run in directory `run` trains; None of a language model."""
    settings = read_yaml(Path(run) / "config.yaml")
    head = settings.get("head") if isinstance(settings, dict) else None
    return head if isinstance(head, dict) and head.get("kind") in KINDS else None


def head_page(run: Path, log: RunLog, head: Mapping[str, Any]) -> dict[str, Any]:
    """What the template shows. Errors: `InputError` where there is no validation yet."""
    from markupsafe import Markup

    measured = [one for one in log.validations if one.validation]
    if not measured:
        fix = "Wait for trainer.validate_every steps."
        raise InputError("has no validation with measures", where=run, fix=fix, kind="no-validation")
    names = [name for name in MEASURES[head["kind"]] if any(name in (one.validation or {}) for one in measured)]
    asked = head.get("stop_metric")
    main = asked if asked in names else next(name for name in ("auroc", "spearman", *names) if name in names)
    baselines = next((one.baselines for one in measured if one.baselines), {})
    return {
        "title": "/".join(Path(run).resolve().parts[-2:]),
        "answer": _answer(main, measured, baselines),
        "subtitle": _subtitle(head, log),
        "tiles": {"large": _headline(main, measured, baselines), "small": _costs(log)},
        "measure": WORDS[main],
        "measure_svg": Markup(_measure_curve(main, measured, baselines)),
        "baseline_names": list(baselines),
        "measures": [_row(name, measured, baselines) for name in names],
        "loss_svg": Markup(_loss_curve(log)),
        "numbers": head["kind"] in ("regress", "track"),
        "stops": describe_stops(read_stops(run)),
        "wall_time": wall_time_rows(log),
        "config": log.config,
    }


def _subtitle(head: Mapping[str, Any], log: RunLog) -> str:
    labels = ", ".join(str(one) for one in head.get("labels") or [])
    source = head.get("bigwig") or head.get("train")
    how = " The head alone was trained." if head.get("freeze_body") else ""
    named = Path(str(source)).name
    return f"{KINDS[head['kind']]} ({labels}, from {named}). {log.lineage.sentence}{how}".strip()


def _answer(main: str, measured: Sequence[Validation], baselines: Mapping[str, Mapping[str, float]]) -> str:
    """What the page says, in one sentence."""
    newest = _newest(main, measured)
    start = f"With a validation {WORDS[main]} of {newest:.3f} the model"
    found = {name: values[main] for name, values in baselines.items() if main in values}
    if not found:
        return f"{start} was compared with nothing simpler."
    name = max(found, key=lambda one: found[one])
    what = "beats" if newest > found[name] else "does not beat"
    return f"{start} {what} the best of what needs no model ({name}, {found[name]:.3f})."


def _headline(main: str, measured: Sequence[Validation], baselines: Mapping[str, Mapping[str, float]]) -> list[Tile]:
    newest, (best, step) = _newest(main, measured), _best(main, measured)
    tiles = [
        Tile(
            label=f"Validation {WORDS[main]}",
            value=f"{newest:.4f}",
            note=f"at step {exact(measured[-1].step)}; the best is {best:.4f}, at step {exact(step)}",
        )
    ]
    found = {name: values[main] for name, values in baselines.items() if main in values}
    if found:
        name = max(found, key=lambda one: found[one])
        difference = newest - found[name]
        tiles.append(
            Tile(
                label="Against what needs no model",
                value=f"{difference:+.4f}".replace("-", "\N{MINUS SIGN}"),
                note=f"The best of the baselines, {name}, has {found[name]:.4f}.",
                mood="good" if difference > 0 else "bad",
            )
        )
    return tiles


def _costs(log: RunLog) -> list[Tile]:
    last = log.steps[-1]
    parameters = log.lineage.parameters
    speed = [one.samples_per_second for one in log.steps if one.samples_per_second is not None]
    return [
        Tile(label="Parameters", value=short(parameters), note=exact(parameters)) if parameters else
        Tile(label="Parameters", value="unknown", note="its record does not say"),
        Tile(label="Steps", value=exact(last.step), note=f"{short(log.tokens)} bases"),
        Tile(label="Training time", value=duration(log.seconds), note="sum of the steps, without start-up"),
        Tile(label="Training speed", value=short(float(np.median(speed or [0]))), note="samples per second, median"),
    ]  # fmt: skip


def _row(name: str, measured: Sequence[Validation], baselines: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    best, step = _best(name, measured)
    return {
        "name": WORDS[name],
        "newest": f"{_newest(name, measured):.4f}",
        "best": f"{best:.4f}",
        "step": exact(step),
        "baselines": [f"{values[name]:.4f}" if name in values else "none" for values in baselines.values()],
    }


def _values(name: str, measured: Sequence[Validation]) -> list[tuple[int, float]]:
    return [(one.step, one.validation[name]) for one in measured if one.validation and name in one.validation]


def _newest(name: str, measured: Sequence[Validation]) -> float:
    return _values(name, measured)[-1][1]


def _best(name: str, measured: Sequence[Validation]) -> tuple[float, int]:
    step, value = max(_values(name, measured), key=lambda one: one[1])
    return value, step


def _measure_curve(name: str, measured: Sequence[Validation], baselines: Mapping[str, Mapping[str, float]]) -> str:
    """The measure of each validation, with those of the baselines as lines."""
    steps, values = zip(*_values(name, measured), strict=True)
    figure, axes = canvas(height=3.4)
    lines = [(found[name], baseline) for baseline, found in baselines.items() if name in found]
    for value, _ in lines:
        axes.axhline(value, color=MUTED, linewidth=1, dashes=(4, 3))
    axes.plot(steps, values, color=ACCENT, linewidth=2, marker="o", markersize=5)
    axes.set(xlim=(0, steps[-1] * 1.01), xlabel="optimizer step", ylabel=WORDS[name])
    axes.margins(y=0.1)
    _whole_steps(axes)
    labels = [(value, f"{text} {value:.3f}", MUTED) for value, text in lines]
    label_right(axes, [*labels, (values[-1], f"model {values[-1]:.3f}", ACCENT)])
    return to_svg(figure, "measure", f"{WORDS[name]} of the validations against the step")


def _loss_curve(log: RunLog) -> str:
    steps, losses = np.array([one.step for one in log.steps]), np.array([one.loss for one in log.steps])
    alone = "o" if len(steps) == 1 else None
    figure, axes = canvas(height=3.0)
    axes.plot(*thin(steps, losses), color=FAINT, linewidth=1, marker=alone)
    axes.plot(*thin(steps, smooth(losses)), color=ACCENT, linewidth=2)
    points = [(one.step, one.validation_loss) for one in log.validations]
    axes.plot(*zip(*points, strict=True), "o", color=INK, markersize=4.5, linestyle="none")
    axes.set(xlim=(0, max(int(steps[-1]), points[-1][0]) * 1.01), xlabel="optimizer step", ylabel="loss")
    _whole_steps(axes)
    return to_svg(figure, "loss", "Loss against the step")


def _whole_steps(axes: Any) -> None:
    axes.locator_params(axis="x", integer=True)
    axes.xaxis.set_major_formatter("{x:,.0f}")
