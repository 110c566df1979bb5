"""`genomic-llama launch`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from foundation.errors import InputError
from foundation.terminal import print_raw, warn


def launch(
    recipe: Annotated[
        str, typer.Argument(help="A recipe, llama3_8b_genomic, or a configuration, train_8b_opengenome2.")
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[key=value]...",
            help="As for training; launch.KEY=VALUE is the site's: launch.account=me launch.time=08:00:00.",
            show_default=False,
        ),
    ] = None,
    slurm: Annotated[bool, typer.Option("--slurm", help="sbatch; containers through pyxis and enroot.")] = False,
    kubernetes: Annotated[bool, typer.Option("--kubernetes", help="kubectl; a TrainJob of Kubeflow.")] = False,
    skypilot: Annotated[bool, typer.Option("--skypilot", help="sky; a managed job.")] = False,
    local: Annotated[bool, typer.Option("--local", help="This machine.")] = False,
    site: Annotated[
        Path | None, typer.Option(help="YAML file with the site's values. Keys: docs/launch.md.", show_default=False)
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the script and stop.")] = False,
) -> None:
    """Write the script of a training job, and submit it."""
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
