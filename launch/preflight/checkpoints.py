"""What a run would go on from, or why it would be refused: from the names, sizes and manifests of its checkpoints."""

from collections.abc import Iterator
from pathlib import Path

from configs.schema import TrainConfig
from conversion.listing import DAMAGED, WHOLE, Listed, list_checkpoints
from foundation.errors import InputError
from launch.preflight.finding import Finding, broken, ok, refused, warning
from training.checkpointing.lock import holder
from training.checkpointing.same_run import lost_step, newest_whole

WHAT = "checkpoints"


def checkpoint_findings(config: TrainConfig) -> Iterator[Finding]:
    """The newest whole step of the run directory, and all that is not whole."""
    run = Path(config.run_dir)
    if process := holder(run):
        yield broken("run directory", f"another process trains in {run} ({process})", "Wait for it, or end it.")
    listed: list[Listed] = []
    try:
        listed = list_checkpoints(run / "checkpoints")
        newest_whole(run / "checkpoints")
        lost = lost_step(run)
    except (InputError, OSError) as error:
        yield refused(WHAT, error)
    else:
        yield from _resumed(config, listed, lost)
    if others := [one for one in listed if one.state != WHOLE]:
        yield warning(WHAT, "incomplete or damaged: " + "; ".join(_describe(one) for one in others), _FIX)


def _resumed(config: TrainConfig, listed: list[Listed], lost: int | None) -> Iterator[Finding]:
    """Of a run that may go on from what is `listed`; `lost`: the step of which its log tells and it has nothing."""
    whole = [one for one in listed if one.state == WHOLE]
    if not whole and any(one.state == DAMAGED for one in listed):
        fix = "Copy one again, or start another run from undamaged weights (init_from)."
        yield broken(WHAT, "all are damaged, so the run would be refused", fix)
    else:
        yield ok(WHAT, _start(config, whole))
    if lost:
        found = f"there is none, but the run log reaches step {lost}: the run starts from the beginning"
        yield warning(WHAT, found, "Check that the disk of the checkpoints is mounted.")
    if whole and whole[0].step >= config.trainer.max_steps:
        found = f"step {whole[0].step} of {config.trainer.max_steps} is done"
        yield warning(WHAT, found, "Raise trainer.max_steps to continue, or choose another run_dir.")


_FIX = "genomic-llama checkpoint info RUN lists them, and docs/reliability.md says what becomes of each."


def _start(config: TrainConfig, whole: list[Listed]) -> str:
    if whole:
        unused = f"; init_from={config.init_from} is not used" if config.init_from else ""
        return f"resumes from {whole[0].name}, the newest of {len(whole)} complete ones{unused}"
    return f"none: starts from the weights of {config.init_from}" if config.init_from else "none: starts at step 0"


def _describe(one: Listed) -> str:
    return f"{one.name} ({one.state}{': ' + one.note if one.note else ''})"
