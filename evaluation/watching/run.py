"""What a watcher needs to know of a run: its whole checkpoints, and whether more will come."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conversion.locate import newest_first, step_of
from conversion.manifest import NAME as MANIFEST
from conversion.manifest import read_manifest
from evaluation.report.stops import read_stops
from foundation.errors import InputError
from foundation.metrics_log import NAME as METRICS
from foundation.metrics_log import read_metrics
from foundation.untrusted import read_yaml


@dataclass(frozen=True, kw_only=True)
class Sealed:
    """A whole checkpoint: its directory, its step, and the id of the run that wrote it, "" where that is not known."""

    path: Path
    step: int
    run: str


def sealed_checkpoints(run: Path) -> list[Sealed]:
    """Those that were written to their end and are still there, the oldest first: they are removed first."""
    found = []
    for path in reversed(newest_first(run / "checkpoints")):
        if path.is_symlink():
            continue
        try:
            manifest = read_manifest(path)
        except (InputError, OSError):
            continue  # on its way out, or damaged, which whoever trains says
        if manifest is not None and manifest.step == step_of(path):
            found.append(Sealed(path=path, step=manifest.step, run=manifest.run))
    return found


def is_there(checkpoint: Path) -> bool:
    """Whether it is still a whole checkpoint."""
    return (checkpoint / MANIFEST).is_file()


def settings_of(run: Path) -> dict[str, Any]:
    """Of its `config.yaml`; empty where there is none yet."""
    try:
        content = read_yaml(run / "config.yaml")
    except InputError:
        return {}
    return content if isinstance(content, dict) else {}


def has_ended(run: Path) -> str:
    """Why no more checkpoints will come, as a clause; "" where some may.

    A run is at its end after its last step, or where its newest stop asked for no other start and nothing was logged
    since. One that was killed says nothing: see `--idle-minutes`.
    """
    rows = _rows(run)
    trainer = settings_of(run).get("trainer")
    last = trainer.get("max_steps") if isinstance(trainer, dict) else None
    done = max((row["step"] for row in rows if "loss" in row and isinstance(row.get("step"), int)), default=0)
    if isinstance(last, int) and done >= last:
        return f"it has made its {last:,} steps"
    stops = read_stops(run)
    newest = max((row["time"] for row in rows if isinstance(row.get("time"), (int, float))), default=0.0)
    if stops and not stops[-1].requeue and stops[-1].time >= newest:
        return f"it stopped: {stops[-1].reason}"
    return ""


def _rows(run: Path) -> list[dict[str, Any]]:
    try:
        return [row for _, row in read_metrics(run / METRICS).rows]
    except OSError:
        return []
