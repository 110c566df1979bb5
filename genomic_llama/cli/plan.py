"""`genomic-llama plan`."""

from pathlib import Path
from typing import Annotated

import typer

from foundation.terminal import print_text


def plan(
    recipe: Annotated[str, typer.Argument(help="Recipe (llama3_8b_genomic) or configuration (train_8b_opengenome2).")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[key=value]...", help="Settings, as for training.", show_default=False),
    ] = None,
    gpus: Annotated[int | None, typer.Option(help="Number of GPUs.", min=1, show_default="the recipe's")] = None,
    gpu: Annotated[
        str, typer.Option(help="Kind of GPU: a100, h100, h200, b200, gb200, b300, gb300.", show_default="the recipe's")
    ] = "",
    tokens: Annotated[
        float | None,
        typer.Option(help="Training tokens, e.g. 1e12.", min=1, show_default="the recipe's steps"),
    ] = None,
    proposal: Annotated[
        bool,
        typer.Option("--proposal", help="Print a compute proposal in Markdown: several numbers of GPUs, as ranges."),
    ] = False,
    counts: Annotated[
        str,
        typer.Option(
            help="Numbers of GPUs to compare in a proposal: 8,64,512.", show_default="a quarter to four times --gpus"
        ),
    ] = "",
    time_limit: Annotated[
        str, typer.Option(help="Time limit of one job in a proposal, HOURS:MINUTES:SECONDS.")
    ] = "24:00:00",
    json: Annotated[bool, typer.Option("--json", help="Print JSON: bytes, seconds, FLOPs.")] = False,
    picture: Annotated[
        Path | None, typer.Option(help="Write a picture of the memory by part: .svg, .png or .pdf.", show_default=False)
    ] = None,
) -> None:
    """Predict whether a recipe fits, how fast it trains, how long it takes, and which layout is best.

    The plan is arithmetic on the recipe and on published speeds. Nothing is
    run. Exits with 1 if the run does not fit.
    """
    from launch.planning.plan import make_plan
    from launch.preflight.engine import check_engine

    if picture is not None:
        from launch.planning.picture import check_picture

        check_picture(picture)
    if proposal:
        _propose(recipe, overrides or [], gpu=gpu, gpus=gpus, tokens=tokens, counts=counts, limit=time_limit, json=json)
        return
    result = make_plan(recipe, tuple(overrides or ()), gpu=gpu, gpus=gpus or 0, tokens=tokens or 0)
    check_engine(result.config)
    if picture is not None:
        from launch.planning.picture import write_picture

        write_picture(result, picture)
    if json:
        from json import dumps

        from launch.planning.record import as_json

        print_text(dumps(as_json(result), indent=2))
    else:
        from launch.planning.text import plan_text

        print_text(plan_text(result))
    if not result.fits:
        raise typer.Exit(1)


def _propose(
    recipe: str,
    overrides: list[str],
    *,
    gpu: str,
    gpus: int | None,
    tokens: float | None,
    counts: str,
    limit: str,
    json: bool,
) -> None:
    from json import dumps

    from launch.planning.proposal import gpu_counts, make_proposal
    from launch.planning.proposal_text import proposal_json, proposal_text
    from launch.submit.sites import slurm_seconds

    made = make_proposal(
        recipe,
        tuple(overrides),
        gpu=gpu,
        gpus=gpus or 0,
        tokens=tokens or 0,
        counts=gpu_counts(counts),
        job_seconds=slurm_seconds(limit) or 0,
    )
    print_text(dumps(proposal_json(made), indent=2) if json else proposal_text(made))
    if not made.choices:
        raise typer.Exit(1)
