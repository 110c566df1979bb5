"""`genomic-llama launch`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from foundation.errors import InputError
from foundation.terminal import print_raw, warn


def launch(
    recipe: Annotated[str, typer.Argument(help="Recipe (llama3_8b_genomic) or configuration (train_8b_opengenome2).")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[key=value]...",
            help="Settings, as for training. launch.KEY=VALUE is for the site: launch.account=me launch.time=08:00:00.",
            show_default=False,
        ),
    ] = None,
    slurm: Annotated[
        bool, typer.Option("--slurm", help="Submit to Slurm with sbatch; containers run through pyxis and enroot.")
    ] = False,
    kubernetes: Annotated[bool, typer.Option("--kubernetes", help="Submit a Kubeflow TrainJob with kubectl.")] = False,
    skypilot: Annotated[bool, typer.Option("--skypilot", help="Submit a managed job of SkyPilot.")] = False,
    local: Annotated[bool, typer.Option("--local", help="Run on this machine.")] = False,
    site: Annotated[
        Path | None,
        typer.Option(help="YAML file with the site's values. Keys: docs/launch.md, docs/cloud.md.", show_default=False),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", "--dryrun", help="Print the script and stop.")] = False,
) -> None:
    """Write a job script for a training run, and submit it."""
    chosen = {"slurm": slurm, "kubernetes": kubernetes, "skypilot": skypilot, "local": local}
    targets = [name for name, wanted in chosen.items() if wanted]
    if len(targets) != 1:
        raise InputError(
            "one of --slurm, --kubernetes, --skypilot and --local is needed", fix="Give one.", kind="no-place-to-launch"
        )

    from launch.preflight.start import warn as warn_about
    from launch.submit.launch import make_script, memory_warning, submit

    job, where, script = make_script(
        recipe,
        overrides or [],
        target=targets[0],
        site_file=site,
        directory=Path.cwd().resolve(),
        submitted=not dry_run,
    )
    warn_about(job.config)
    if warning := memory_warning(job):
        warn(warning)
    if dry_run:
        from launch.submit.presence import report, requirements

        for line in report(requirements(job, where)):
            warn(line)
        print_raw(script)
        return
    sys.exit(submit(job, where, script, target=targets[0]))
