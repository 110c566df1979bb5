"""The command `evaluate`: suites of one's own, and the published tasks that are shipped."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from foundation.errors import InputError
from foundation.terminal import print_lines, print_table, print_text, warn
from genomic_llama.cli.options import Dtype, EngineName, FittingBatchSize, ModelDtype
from genomic_llama.cli.sharding import (
    Devices,
    EngineOption,
    Processes,
    RayAddress,
    Sharding,
    ShardOption,
    carry_out,
)

DEFAULT = "suite"


class _SuiteByDefault(TyperGroup):
    """`evaluate FILE.yaml MODEL…` is `evaluate suite FILE.yaml MODEL…`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] != "--help":
            args = [DEFAULT, *args]
        parsed: list[str] = super().parse_args(ctx, args)
        return parsed


app = typer.Typer(
    cls=_SuiteByDefault,
    help="Evaluate models: on a suite of your own (evaluate FILE.yaml MODEL...), or on published tasks (zero-shot).",
    no_args_is_help=True,
)

Models = Annotated[
    list[Path], typer.Argument(help="Hugging Face directories: one, or checkpoints of a run.", show_default=False)
]
Data = Annotated[Path, typer.Option(help="Folder with the data of the tasks.")]
Task = Annotated[
    list[str] | None,
    typer.Option(help="A task by its name, or a YAML file; give it again for more.", show_default="all"),
]


@app.command(DEFAULT)
def suite(
    suite: Annotated[
        Path, typer.Argument(help="YAML file of tasks, e.g. configs/evaluation/demo.yaml.", show_default=False)
    ],
    models: Models,
    out: Annotated[Path, typer.Option(help="Directory for a JSON file a model, and index.html.", show_default=False)],
    dtype: ModelDtype = Dtype.float32,
    shard: ShardOption = None,
    processes: Processes = None,
    devices: Devices = None,
    engine: EngineOption = EngineName.local,
    ray_address: RayAddress = None,
) -> None:
    """Run a suite on one model or several: likelihood, recall, variants, probes; a table and a page that compare them.

    What is already in the directory is compared too, so that checkpoints can be added as they come. A task that is
    finished is kept: give the same command again after an interruption, and the rest is run. What has changed since,
    a model, a task, a file, --dtype or the software, is run anew. The word `suite` may be left out.
    """
    warn(f"Evaluating {', '.join(map(str, models))} on {suite}")
    from evaluation.suite.compare import format_comparison
    from evaluation.suite.config import read_suite
    from evaluation.suite.request import EvaluateRequest, compare_all
    from evaluation.suite.runner import evaluate_models

    request = EvaluateRequest(models=tuple(models), suite=suite, out=out, dtype=dtype.value)
    cut = Sharding(shard=shard, processes=processes, devices=devices, engine=engine, ray_address=ray_address)
    if cut.whole:
        request.check()
        evaluate_models(models, read_suite(suite), suite, out, dtype.value)
        evaluations = compare_all(out)
    elif timed := carry_out(request, cut, overwrite=False).timed:
        evaluations = timed.result
    else:  # one shard
        return
    print_text(format_comparison(evaluations))
    print_lines(f"wrote {out}")


@app.command("zero-shot")
def zero_shot(
    models: Models,
    out: Annotated[Path, typer.Option(help="Directory for the results and index.html.", show_default=False)],
    data: Data = Path("data/evaluation"),
    task: Task = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Run what is at hand, and print what to fetch for the rest.")
    ] = False,
    dtype: ModelDtype = Dtype.float32,
    batch_size: FittingBatchSize = None,
) -> None:
    """Run published tasks on one model or several: variant effects, likelihood and probes, beside published results.

    Each result is on disk when its task is finished: give the same command again after an interruption, and the rest
    is run. Exit with 1 if a task failed.
    """
    from evaluation.zero_shot.data import describe_missing, find_data
    from evaluation.zero_shot.kinds import check_task
    from evaluation.zero_shot.run import check_models, evaluate
    from evaluation.zero_shot.spec import read_tasks

    specs = read_tasks(task or ())
    for spec in specs:
        check_task(spec)
    check_models(models, out)
    tasks = find_data(specs, data)
    missing = [one for one in tasks if one.missing]
    if missing and not offline:
        lines = "\n".join(describe_missing(missing))
        fix = f"Give --offline to run the rest, or fetch:\n{lines}"
        raise InputError(f"{len(missing)} tasks have no data", where=data, fix=fix, kind="data-missing")
    failures = evaluate(models, tasks, out, dtype=dtype.value, batch_size=batch_size)
    if missing:
        warn("not run, since their data are not there:", *describe_missing(missing))
    print_lines(f"wrote {out}")
    if failures:
        raise typer.Exit(1)


@app.command()
def tasks(data: Data = Path("data/evaluation"), task: Task = None) -> None:
    """List the published tasks: what each measures, whether its data are at hand, and what is missing."""
    from evaluation.zero_shot.data import describe_missing, find_data
    from evaluation.zero_shot.spec import read_tasks

    found = find_data(read_tasks(task or ()), data)
    columns = {"task": "left", "title": "left", "headline": "left", "data": "left"}
    rows = [(one.spec.name, one.spec.title, one.spec.statistics[0], _state(one)) for one in found]
    print_table(columns, rows)
    if missing := describe_missing(found):
        print_lines("", "To fetch:", *missing)


def _state(task: Any) -> str:
    there, all_files = len(task.found), len(task.paths)
    return "at hand" if there == all_files else f"{there} of {all_files} files"
