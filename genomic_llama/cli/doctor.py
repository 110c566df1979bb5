"""`genomic-llama doctor`."""

import sys
from typing import Annotated

import typer

from foundation.terminal import print_text


def doctor(
    recipe: Annotated[
        str | None,
        typer.Argument(help="Recipe or configuration to check; without one, only the machine.", show_default=False),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[key=value]...", help="Settings, as for training.", show_default=False),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check packages, GPUs, disk and corpus before a run. Exits with 1 if something will not work.

    It checks the machine it runs on. On a cluster, run it inside a job.
    """
    from launch.preflight.examine import as_json, as_text, examine
    from launch.preflight.finding import BROKEN

    findings = list(examine(recipe, overrides or ()))
    print_text(as_json(findings) if json else as_text(findings))
    if any(finding.status == BROKEN for finding in findings):
        sys.exit(1)
