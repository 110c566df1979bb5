"""The command `evaluate`: your own suites, and the published tasks that are shipped."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from foundation.errors import InputError
from foundation.pages.quantities import plural
from foundation.terminal import print_lines, print_table, print_text, warn
from genomic_llama.cli.options import Dtype, FittingBatchSize, ModelDtype
from genomic_llama.cli.sharding import Sharding, carry_out, sharded

DEFAULT = "suite"
DATA = Path("data/evaluation")


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
    list[Path], typer.Argument(help="Hugging Face model directories, such as checkpoints of a run.", show_default=False)
]
Data = Annotated[Path, typer.Option(help="Folder with the data of the tasks.")]
Task = Annotated[
    list[str] | None,
    typer.Option(help="Name of a task, or a YAML file; can be repeated.", show_default="all"),
]


@app.command(DEFAULT)
@sharded
def suite(
    suite: Annotated[
        Path, typer.Argument(help="YAML file of tasks, e.g. configs/evaluation/demo.yaml.", show_default=False)
    ],
    out: Annotated[
        Path, typer.Option(help="Directory for one JSON file per model, and index.html.", show_default=False)
    ],
    models: Annotated[
        list[Path] | None,
        typer.Argument(help="Hugging Face model directories, such as checkpoints of a run.", show_default=False),
    ] = None,
    watch: Annotated[
        Path | None,
        typer.Option(help="Evaluate each new checkpoint of this run, until the run ends.", show_default=False),
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="With --watch: evaluate the existing checkpoints, and exit.")
    ] = False,
    poll_seconds: Annotated[
        float, typer.Option(help="With --watch: seconds between two checks for checkpoints.", min=0.1)
    ] = 30.0,
    idle_minutes: Annotated[
        float | None,
        typer.Option(
            help="With --watch: exit after this time without a new checkpoint.", show_default="wait for the run's end"
        ),
    ] = None,
    dtype: ModelDtype = Dtype.float32,
    *,
    cut: Sharding,
) -> None:
    """Run an evaluation suite on one or more models. Writes a table and a page that compare them.

    The comparison includes results that are already in the directory, so
    checkpoints can be added over time. Repeat the command after an
    interruption: finished tasks are kept. A task runs again if its model,
    settings, files, --dtype or software changed. The word `suite` may be left
    out.

    With --watch RUN, the models are the checkpoints of a training run. Each is
    converted and evaluated once. Results are appended to OUT/evaluations.jsonl
    and OUT/tensorboard.
    """
    if watch is not None:
        if not cut.whole:
            problem = "--watch evaluates one checkpoint after another, in this process"
            raise InputError(problem, fix="Leave out the options of shards.", kind="watch-in-shards")
        _watch(watch, suite, out, models or [], dtype, once=once, poll=poll_seconds, idle=idle_minutes)
        return
    if not models:
        raise InputError("no model", fix="Give a model, or --watch RUN.", kind="no-model")
    warn(f"Evaluating {', '.join(map(str, models))} on {suite}")
    from evaluation.sharding.workers import has_shards
    from evaluation.suite.compare import format_comparison
    from evaluation.suite.config import read_suite
    from evaluation.suite.request import EvaluateRequest, compare_all
    from evaluation.suite.runner import evaluate_models

    request = EvaluateRequest(models=tuple(models), suite=suite, out=out, dtype=dtype.value)
    if cut.whole and not has_shards(request):
        request.check()
        evaluate_models(models, read_suite(suite), suite, out, dtype.value)
        evaluations = compare_all(out, models)
    elif timed := carry_out(request, cut, overwrite=False).timed:
        evaluations = timed.result
    else:  # one shard
        return
    print_text(format_comparison(evaluations))
    print_lines(f"wrote {out}")


def _watch(
    run: Path, suite: Path, out: Path, models: list[Path], dtype: Dtype, *, once: bool, poll: float, idle: float | None
) -> None:
    from evaluation.watching.watch import Watch, watch

    if models:
        problem = f"{models[0]} beside --watch {run}"
        raise InputError(problem, fix="Give models, or a run to watch.", kind="models-and-watch")
    seconds = None if idle is None else 60 * idle
    what = Watch(run=run, suite=suite, out=out, dtype=dtype.value, poll=poll, once=once, idle=seconds)
    count = watch(what)
    print_lines(f"evaluated {plural(count, 'checkpoint')} of {run}; wrote {out}")


@app.command("zero-shot")
@sharded
def zero_shot(
    models: Models,
    out: Annotated[Path, typer.Option(help="Directory for the results and index.html.")] = Path("leaderboard"),
    data: Data = DATA,
    task: Task = None,
    offline: Annotated[
        bool,
        typer.Option("--offline", help="Run the tasks whose data are present; print what the others need."),
    ] = False,
    download: Annotated[
        bool, typer.Option("--download", help="Download missing data first. Shows sizes; can be resumed.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Download without asking.")] = False,
    dtype: ModelDtype = Dtype.float32,
    batch_size: FittingBatchSize = None,
    *,
    cut: Sharding,
) -> None:
    """Run published tasks on one or more models, and compare with published results.

    The tasks cover variant effects, likelihood and probes. Each result is
    written when its task is finished: repeat the command after an interruption
    to run the rest. Exits with 1 if a task failed, or if none was run.
    """
    from evaluation.sharding.workers import has_shards
    from evaluation.zero_shot.board.page import format_headlines
    from evaluation.zero_shot.data import describe_missing
    from evaluation.zero_shot.request import ZeroShotRequest, publish
    from evaluation.zero_shot.run import evaluate

    if offline and download:
        raise InputError("--offline and --download exclude each other", fix="Give one.", kind="offline-download")
    if offline and data != DATA and not data.is_dir():
        fix = "Give the folder of the data, or --download to fill it."
        raise InputError("no such directory", where=data, fix=fix, kind="no-such-directory")
    request = ZeroShotRequest(
        models=tuple(models), tasks=tuple(task or ()), data=data, out=out, offline=offline or download,
        dtype=dtype.value, batch_size=batch_size,
    )  # fmt: skip
    request.check()
    if download:
        _fetch(request.found, yes=yes)
    tasks = request.found
    whole = cut.whole and not has_shards(request)
    if not whole and all(one.missing for one in tasks):
        fix = "`genomic-llama evaluate tasks` lists what is missing; --download fetches it."
        raise InputError("has the data of no task", where=data, fix=fix, kind="data-missing")
    if whole:
        failures = evaluate(models, tasks, out, dtype=dtype.value, batch_size=batch_size)
        board, _ = publish(out, tasks)
    elif timed := carry_out(request, cut, overwrite=False).timed:
        failures, board = timed.result
    else:  # one shard
        return
    if missing := [one for one in tasks if one.missing]:
        warn("not run, because their data are missing:", *describe_missing(missing))
    print_table(*format_headlines(board))
    print_lines(f"wrote {out}")
    if len(missing) == len(tasks):
        warn(f"error: no task was run: {data} has the data of none")
    if failures or len(missing) == len(tasks):
        raise typer.Exit(1)


@app.command()
def tasks(data: Data = DATA, task: Task = None) -> None:
    """List the published tasks, what each measures, and whether its data are present. --task lists missing files."""
    from evaluation.zero_shot.data import describe_missing, find_data
    from evaluation.zero_shot.spec import read_tasks

    found = find_data(read_tasks(task or ()), data)
    columns = {"task": "left", "title": "left", "headline": "left", "data": "left"}
    rows = [(one.spec.name, one.spec.title, one.spec.statistics[0], _state(one)) for one in found]
    print_table(columns, rows)
    if task and (missing := describe_missing(found)):
        print_lines("", "To download:", *missing)


def _fetch(tasks: Any, *, yes: bool) -> None:
    from evaluation.zero_shot.download import fetch, plan_fetch

    def confirm(summary: str) -> bool:
        print_text(summary)
        return yes or typer.confirm("Fetch them?")

    plan = plan_fetch(tasks)
    if plan.files and not fetch(plan, confirm=confirm):
        raise typer.Abort


def _state(task: Any) -> str:
    there, all_files = len(task.found), len(task.paths)
    return "present" if there == all_files else f"{there} of {plural(all_files, 'file')}"
