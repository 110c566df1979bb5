"""Checkpoints of a run of Megatron-Bridge: `checkpoints/iter_0000003`, whole when it has `manifest.json`."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from megatron.bridge.training.callbacks import Callback

from conversion.locate import iterations
from conversion.manifest import NAME as MANIFEST
from conversion.manifest import read_manifest
from foundation.errors import InputError
from training.checkpointing.seal import damage, seal
from training.data.order import check_same


class Sealed(Callback):  # type: ignore[misc]
    """Seals each checkpoint when Bridge has written it, as `training.checkpointing.seal` does. Collective."""

    def __init__(self, folder: Path, trained_with: Mapping[str, Any], run_id: Callable[[], str]) -> None:
        self._folder, self._trained_with, self._run_id = folder, dict(trained_with), run_id

    def on_checkpoint_save(self, context: Any) -> None:
        step = context.state.train_state.step
        seal(self._folder / f"iter_{step:07d}", step, self._trained_with, run=self._run_id())


def newest_sealed(folder: Path) -> tuple[int, Path] | None:
    """Step and directory of the newest whole checkpoint; None where there is none."""
    return max((one for one in iterations(folder).items() if (one[1] / MANIFEST).is_file()), default=None)


def check_resumed(checkpoint: Path, trained_with: Mapping[str, Any]) -> None:
    """Check that a run may resume from `checkpoint`, and that its files are intact. Collective.

    Errors: `InputError` for a damaged one, and for one that was trained with something else.
    """
    manifest = read_manifest(checkpoint)
    assert manifest is not None
    check_same(manifest.trained_with, trained_with, where=checkpoint)
    for problem in damage(checkpoint, manifest):
        fix = "Remove it, and the run resumes from an older one. Or copy it again."
        raise InputError(problem, where=checkpoint, fix=fix, kind="checkpoint-damaged")
