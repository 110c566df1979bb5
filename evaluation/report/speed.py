"""What the report says of a run's speed, of where its wall time went, and of each source of a blend."""

import statistics
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from evaluation.report.curve import smooth, thin
from evaluation.report.run_log import RunLog
from foundation.pages.figure import ACCENT, FAINT, MUTED, canvas, to_svg
from foundation.pages.quantities import duration, short


def speed_curve(log: RunLog) -> str:
    """Tokens a second against the step, and MFU on the right where it is known: the one is a multiple of the other."""
    steps = np.array([step.step for step in log.steps])
    speeds = np.array([step.tokens / step.seconds for step in log.steps])
    figure, axes = canvas(height=2.6)
    alone = len(steps) == 1
    axes.plot(*thin(steps, speeds), color=FAINT, linewidth=1)
    axes.plot(*thin(steps, smooth(speeds)), color=ACCENT, linewidth=2, marker="o" if alone else None, clip_on=not alone)
    axes.set(xlabel="optimizer step", ylabel="tokens per second", xlim=(0, int(steps[-1])), ylim=(0, None))
    axes.locator_params(axis="x", integer=True)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.yaxis.set_major_formatter(lambda value, _: short(value))
    if (factor := _mfu_of_a_token(log)) is not None:
        right = axes.secondary_yaxis(
            "right", functions=(partial(np.multiply, factor), partial(np.multiply, 1 / factor))
        )
        right.yaxis.set_major_formatter("{x:.0%}")
        right.set_ylabel("MFU", color=MUTED, size=9)
        right.tick_params(colors=MUTED, labelsize=9, length=0, pad=6)
        right.spines["right"].set_visible(False)
    return to_svg(figure, "speed", "Tokens a second against the step")


def speed_note(log: RunLog) -> str:
    """Medians and peaks in a sentence or two."""
    notes = [f"Median {short(log.tokens_per_second)} tokens per second"]
    for name, unit in (("bases_per_second", "bases per second"), ("tflops_per_device", "model TFLOP/s on each device")):
        if values := _values(log, name):
            notes.append(f"{short(statistics.median(values))} {unit}")
    if values := _values(log, "mfu"):
        notes.append(f"{statistics.median(values):.1%} MFU (causal)")
    if values := _values(log, "peak_memory_gib"):
        notes.append(f"{max(values):.1f} GiB at most on the first device")
    return ", ".join(notes) + "."


def wall_time_rows(log: RunLog) -> Sequence[tuple[str, str, str]]:
    """What, how long, which share; training first. None for logs without times."""
    whole = sum(log.wall_time.values())
    spent = [(name, seconds) for name, seconds in log.wall_time.items() if seconds > 0.001 * whole]
    return [(name, duration(seconds), f"{seconds / whole:.1%}") for name, seconds in spent]


def source_rows(log: RunLog) -> Sequence[dict[str, Any]]:
    """Bits per base of each source in the newest validation that has them."""
    measured = [point for point in log.validations if point.validation_bits_per_base_by_source]
    if not measured:
        return []
    tables = [point.validation_bits_per_base_by_source or {} for point in measured]
    best = {name: min(value for table in tables if (value := table.get(name)) is not None) for name in _names(tables)}
    newest = tables[-1]
    return [{"name": name, "last": f"{newest[name]:.4f}", "best": f"{best[name]:.4f}"} for name in _names([newest])]


def _names(tables: Sequence[Mapping[str, float | None]]) -> list[str]:
    """Sources that have a value in any of `tables`."""
    return list(dict.fromkeys(name for table in tables for name, value in table.items() if value is not None))


def _values(log: RunLog, name: str) -> list[float]:
    return [value for step in log.steps if (value := getattr(step, name)) is not None]


def _mfu_of_a_token(log: RunLog) -> float | None:
    """MFU of one token a second, the same at every step."""
    last = log.steps[-1]
    return last.mfu / last.tokens_per_second if last.mfu and last.tokens_per_second else None
