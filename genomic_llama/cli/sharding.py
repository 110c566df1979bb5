"""One result from many processes: the options of every command that can be cut into shards, and `merge`."""

import contextlib
import functools
import inspect
import os
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from foundation.errors import InputError
from foundation.pages.quantities import plural
from foundation.terminal import print_lines
from genomic_llama.cli.options import EngineName, Overwrite

if TYPE_CHECKING:
    from evaluation.sharding.job import Request
    from evaluation.sharding.run import Timed
    from foundation.engines.engine import Engine

_PANEL = "Shards"
RAY_SHARDS = 64
"""Of a run on a Ray cluster, whose size is not known here."""
SHARDS_PER_PROCESS = 4
"""So that a process that is done early has more to do."""


ShardOption = Annotated[
    str | None,
    typer.Option(
        "--shard", help="Compute one share of the work for `merge`: 1/64 to 64/64.", show_default=False,
        rich_help_panel=_PANEL, metavar="N/COUNT",
    ),
]  # fmt: skip
Processes = Annotated[
    int | None,
    typer.Option(
        help="Number of CPU processes; they share the cores.",
        min=1,
        max=4096,
        show_default=False,
        rich_help_panel=_PANEL,
    ),
]
Devices = Annotated[
    str | None,
    typer.Option(
        help="Run one process per GPU: all, or a list such as 0,1.", show_default=False, rich_help_panel=_PANEL
    ),
]
EngineOption = Annotated[
    EngineName, typer.Option(help="Run on this machine, or on a Ray cluster.", rich_help_panel=_PANEL)
]
RayAddress = Annotated[
    str | None,
    typer.Option(help="Address of a Ray cluster.", show_default="start one here", rich_help_panel=_PANEL),
]


@dataclass(frozen=True, kw_only=True)
class Sharding:
    """The options above, as they were given. Errors: `InputError`, also for a GPU or a cluster that is not there."""

    shard: ShardOption = None
    processes: Processes = None
    devices: Devices = None
    engine: EngineOption = EngineName.local
    ray_address: RayAddress = None

    def __post_init__(self) -> None:
        ray = self.engine is EngineName.ray
        if self.ray_address is not None and not ray:
            fix = "Add it, or leave the address out."
            raise InputError("--ray-address needs --engine ray", fix=fix, kind="ray-address-without-ray")
        names = {"--shard": self.shard, "--processes": self.processes, "--devices": self.devices,
                 "--engine ray": ray or None}  # fmt: skip
        given = [name for name, value in names.items() if value is not None]
        if len(given) > 1:
            problem = f"{given[0]} and {given[1]} are two ways to cut the work"
            raise InputError(problem, fix="Give one of them.", kind="two-ways-to-shard")
        self._check_places()

    def _check_places(self) -> None:
        """Refuse what is not there, before a command does anything else."""
        if self.shard is not None:
            from evaluation.sharding.shard import parse_shard

            parse_shard(self.shard)
        if self.devices is not None:
            from evaluation.sharding.devices import gpu_places

            gpu_places(self.devices)
        if self.ray_address is not None:
            from foundation.engines.ray_cluster import check_reachable

            check_reachable(self.ray_address)

    @property
    def whole(self) -> bool:
        """Whether the work is not cut."""
        return self == Sharding()


def sharded(command: Callable[..., None]) -> Callable[..., None]:
    """`command` with the options of `Sharding`, the last of its own, for its parameter `cut`."""
    signature, options = inspect.signature(command), inspect.signature(Sharding).parameters

    @functools.wraps(command)
    def with_options(**given: Any) -> None:
        cut = Sharding(**{name: given.pop(name) for name in options})
        command(**given, cut=cut)

    own = [one.replace(kind=one.KEYWORD_ONLY) for one in signature.parameters.values() if one.name != "cut"]
    with_options.__signature__ = signature.replace(parameters=[*own, *options.values()])  # type: ignore[attr-defined]
    return with_options


@dataclass(frozen=True, kw_only=True)
class Done:
    """What came of a request: a result with its time; or the files of an earlier run; or neither, of one shard."""

    timed: "Timed[Any] | None" = None
    finished: list[Path] = field(default_factory=list)


def carry_out(request: "Request", sharding: Sharding, *, overwrite: bool) -> Done:
    """Check and compute `request`, in the way that `sharding` says. What is finished is not computed again."""
    from evaluation.finished import describe
    from evaluation.sharding.run import run_shard, run_whole
    from evaluation.sharding.shard import parse_shard
    from evaluation.sharding.workers import has_shards, run_everywhere
    from foundation.engines.local import LocalEngine

    shard = parse_shard(sharding.shard) if sharding.shard is not None else None
    engine, shards = (None, 0) if shard or sharding.whole else _engine(sharding)
    request.check()
    work = request.made(overwrite=overwrite)
    left = has_shards(request)
    work.check_outputs(interrupted=left or (request.journal is not None and request.journal.exists()))
    if not sharding.whole:
        _check_can_be_cut(request)
    if shard is not None:
        path = run_shard(request, shard, overwrite=overwrite)
        print_lines(f"shard {shard} is finished: {path}")
        everyone = shlex.quote(str(request.out)) + f".*-of-{shard.count}.part"
        print_lines(f"when all are: genomic-llama merge {shlex.quote(str(request.out))} {everyone}")
        return Done()
    if files := work.finished():
        print_lines(describe(files))
        return Done(finished=files)
    if overwrite and request.journal:
        request.journal.unlink(missing_ok=True)
    if engine is None and left:
        engine, shards = LocalEngine(1), 1  # here, one shard after the other
    if engine is None:
        return Done(timed=run_whole(request))
    return Done(timed=run_everywhere(request, engine, shards, overwrite=overwrite))


def _check_can_be_cut(request: "Request") -> None:
    if Path("-") in request.made().sources.values():
        problem = "standard input is read once, and each shard reads all of it"
        raise InputError(problem, fix="Give a file.", kind="shards-of-standard-input")
    _ = request.out


def _engine(sharding: Sharding) -> "tuple[Engine, int]":
    """What computes the shards, and how many there are."""
    from evaluation.sharding.devices import cpu_places, gpu_places
    from evaluation.sharding.workers import RETRIES
    from foundation.engines.local import LocalEngine
    from foundation.engines.ray_cluster import RayEngine

    if sharding.engine is EngineName.ray:
        return RayEngine(address=sharding.ray_address, retries=RETRIES, gpus=True), RAY_SHARDS
    places = gpu_places(sharding.devices) if sharding.devices else cpu_places(sharding.processes or 1)
    return LocalEngine(len(places), apart=True, retries=RETRIES, places=places), SHARDS_PER_PROCESS * len(places)


def merge(
    out: Annotated[Path, typer.Argument(help="Output path, the same --out as for the shards.", show_default=False)],
    parts: Annotated[list[Path], typer.Argument(help="The parts of all shards.", show_default=False)],
    overwrite: Overwrite = False,
) -> None:
    """Merge the parts of all shards (--shard) into one output, identical to that of an unsharded run.

    Keep the inputs: merge checks that they have not changed.
    """
    from evaluation.merge import request_of
    from evaluation.sharding.run import run_merge

    out, parts = out.absolute(), [path.absolute() for path in parts]
    request, folder = request_of(parts)
    with contextlib.suppress(OSError):
        os.chdir(folder)  # from where the paths of its inputs are given
    request = request.at(Path(os.path.relpath(out)))
    request.made(overwrite=overwrite).check_outputs()
    timed = run_merge(request, parts)
    print_lines(f"merged {plural(len(parts), 'part')}; wrote {', '.join(map(str, timed.files))}")
