"""`genomic-llama train`."""

from pathlib import Path
from typing import Annotated

import typer


def train(
    recipe: Annotated[str, typer.Argument(help="Recipe (llama3_8b_genomic) or configuration (train_8b_opengenome2).")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[key=value]...", help="Settings; docs/configuration.md lists them.", show_default=False
        ),
    ] = None,
    config_dir: Annotated[
        Path | None, typer.Option(help="Directory with your own configuration.", show_default=False)
    ] = None,
    cfg: Annotated[bool, typer.Option("--cfg", help="Print the resolved configuration and stop.")] = False,
    dryrun: Annotated[bool, typer.Option("--dryrun", "--dry-run", help="Print the NeMo recipe and stop.")] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Show only progress and errors; logs stay in the run directory.")
    ] = False,
) -> None:
    """Pretrain or fine-tune a model.

    Repeat the command to resume the run from its newest checkpoint.
    `genomic-llama doctor` checks the machine first, and `genomic-llama plan`
    says whether the run fits.
    """
    from launch.planning.names import configuration
    from recipes.train import train as run_training

    name, own = (recipe, ()) if config_dir is not None else configuration(recipe)
    words = [*own, *(overrides or [])]
    run_training(name, words, directory=config_dir, print_config=cfg, dryrun=dryrun, quiet=quiet)
