"""Every reason to refuse a run, in one list: training raises the first before NeMo is imported, the doctor prints all.

A check has a quick look, an `InputError` where the run cannot work, or a thorough one, which reports findings, or both.
`check_config` comes before all of them: it asks what no machine can do.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from configs.llama import LlamaArchitecture
from configs.schema import TrainConfig
from foundation.atomic import check_writable
from foundation.errors import InputError
from launch.preflight.checkpoints import checkpoint_findings
from launch.preflight.corpora import check_corpora, corpus_findings
from launch.preflight.devices import device_findings, find_gpus
from launch.preflight.engine import check_engine_is_here, check_engine_of_run, check_rates_of_run
from launch.preflight.finding import BROKEN, Finding, ok, refused
from launch.preflight.machine import check_machine, check_ranks
from launch.preflight.software import software_findings
from launch.preflight.system import run_directory, system_findings
from training.checkpointing.same_layout import check_same_layout, layout_of
from training.checkpointing.same_model import check_initial_weights
from training.checkpointing.same_run import check_resume


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run that is about to start. `started`: this process trains, and does not only start those that do.

    `own_checkpoints`: they are in `run_dir`, which NeMo's own overrides can change.
    """

    config: TrainConfig
    architecture: LlamaArchitecture
    sequence_length: int
    started: bool = True
    own_checkpoints: bool = True


@dataclass(frozen=True, kw_only=True)
class Check:
    """`quick`: what training looks at. `thorough`: what the doctor prints in its place. `after`: a check that this one
    would only repeat the problem of.
    """

    name: str
    quick: Callable[[Run], None] | None = None
    thorough: Callable[[Run], Iterator[Finding]] | None = None
    after: str = ""


def _check_resume(run: Run) -> None:
    check_engine_of_run(run.config)
    check_rates_of_run(run.config)
    check_resume(run.config, run.architecture, run.sequence_length)


CHECKS = (
    Check(name="engine", quick=lambda run: check_engine_is_here(run.config) if run.started else None),
    Check(name="ranks", quick=lambda run: check_ranks(run.config.hardware) if run.started else None),
    Check(
        name="GPUs",
        quick=lambda run: check_machine(run.config),
        thorough=lambda run: device_findings(run.config),
    ),
    Check(
        name="corpus",
        quick=lambda run: check_corpora(run.config),
        thorough=lambda run: corpus_findings(run.config),
    ),
    Check(name="initial weights", quick=lambda run: check_initial_weights(run.config, run.architecture)),
    Check(
        name="run directory",
        quick=lambda run: check_writable(Path(run.config.run_dir) / "config.yaml", given=Path(run.config.run_dir)),
        thorough=lambda run: run_directory(run.config, run.architecture),
    ),
    Check(
        name="resume",
        quick=lambda run: _check_resume(run) if run.own_checkpoints else None,
        after="corpus",
    ),
    Check(
        name="optimizer state",
        quick=lambda run: (
            check_same_layout(Path(run.config.run_dir) / "checkpoints", layout_of(run.config))
            if run.own_checkpoints
            else None
        ),
        after="resume",
    ),
    Check(name="checkpoints", thorough=lambda run: checkpoint_findings(run.config), after="resume"),
)


def refuse_first(run: Run) -> None:
    """Raise the first problem of a run. Errors: `InputError`."""
    for check in CHECKS:
        if check.quick is not None:
            check.quick(run)


def machine_findings(config: TrainConfig | None) -> Iterator[Finding]:
    """The machine by itself: packages, what the system gives and, where no run is asked about, its GPUs."""
    yield from software_findings(gpu=config.hardware.accelerator == "gpu" if config else bool(find_gpus()))
    if config is None:
        yield from device_findings(None)
    yield from system_findings()


def all_findings(run: Run) -> Iterator[Finding]:
    """Everything that the checks find, thoroughly."""
    broken: set[str] = set()
    for check in CHECKS:
        if check.after not in broken:
            found = list(check.thorough(run) if check.thorough is not None else _quick_finding(check, run))
            broken |= {check.name for finding in found if finding.status == BROKEN}
            yield from found
        else:
            broken.add(check.name)


def _quick_finding(check: Check, run: Run) -> Iterator[Finding]:
    assert check.quick is not None
    try:
        check.quick(run)
    except (InputError, OSError) as error:
        yield refused(check.name, error)
    else:
        yield ok(check.name, "no problem found")
