"""`genomic-llama doctor`."""

import sys
from typing import Annotated

import typer

from foundation.terminal import print_text


def doctor(
    recipe: Annotated[
        str | None,
        typer.Argument(help="A recipe, or a configuration, to be run here.", show_default="the machine alone"),
    ] = None,
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[key=value]...", help="As for training.", show_default=False)
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Tell what will not work here, before a run finds out: packages, GPUs, disk, corpus; exits with 1 then.

    Looks at this machine: on a cluster run it in a job.
    """
    from launch.preflight.examine import as_json, as_text, examine
    from launch.preflight.finding import BROKEN

    findings = list(examine(recipe, overrides or ()))
    print_text(as_json(findings) if json else as_text(findings))
    if any(finding.status == BROKEN for finding in findings):
        sys.exit(1)
