"""Sources to a corpus: one folder with `manifest.json` and, for each split, Megatron indexed datasets.

A document is a record, or a segment of one: its bytes as they are (a token is a byte, case kept), then EOS.
"""

import dataclasses
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from corpus.manifest import FILE_NAME, Manifest, write_manifest
from corpus.preparation.assemble import assemble
from corpus.preparation.outcome import check_outcome, check_output, check_source_split
from corpus.preparation.plan import SHARD_BYTES, Plan, checksum_rules, make_plan, read_plan, write_plan
from corpus.preparation.redraw import can_redraw, redraw
from corpus.preparation.results import ShardResult, read_result
from corpus.preparation.shard import prepare_shard
from corpus.preparation.shard_progress import show_shards
from corpus.preparation.sketches import resemblance
from corpus.preparation.warnings import warn_doubtful, warn_redrawn
from corpus.preparation.work_folder import WorkFolder
from corpus.settings import Settings
from corpus.source_format import Format
from corpus.streams.compression import STANDARD_INPUT
from foundation.atomic import check_directory_writable
from foundation.disk import full_disk, sync
from foundation.engines.engine import Engine, WorkerDiedError
from foundation.engines.local import LocalEngine
from foundation.errors import InputError
from foundation.pages.quantities import plural
from foundation.place import Snapshot, check_replaceable, publish_directory, real_directory
from foundation.progress import progress_bar
from foundation.spelling import option
from foundation.terminal import warn


def prepare(
    sources: Sequence[Path],
    out: Path,
    settings: Settings,
    *,
    shard_bytes: int = SHARD_BYTES,
    engine: Engine | None = None,
    overwrite: bool = False,
) -> Manifest:
    """Read `sources` and write the corpus `out`, whole or not at all.

    What is finished of a preparation that was stopped, by a kill or by bad input, is kept in a hidden folder beside
    `out`; the same call continues from there, and the corpus is the same to the byte.

    Parameters
    ----------
    shard_bytes : int
        Stored bytes of the sources of one shard, about.
    engine : Engine, optional
        What runs the shards. Default: this process, one after the other.

    A split that would be empty is drawn again: see `corpus.preparation.redraw`.
    Errors: `InputError` for bad input, a name that a file has twice, a corpus of too few bases, or a full disk.
    """
    sources, out = [Path(source) for source in sources], real_directory(out).resolve()
    if engine is None or STANDARD_INPUT in sources:
        engine = LocalEngine(1)  # standard input is this process's alone
    with _planned(sources, out, settings, shard_bytes, overwrite) as (work, plan, seen):
        results = _run_shards(work, plan, engine)
        manifest, folder = assemble(plan, results, work), work.shard
        documents = {split.name: split.documents for split in manifest.splits}
        if not all(documents.values()) and can_redraw(settings, documents):
            redrawn = redraw(work, settings, results)
            warn_redrawn(documents, settings, redrawn)
            results, folder = redrawn.results, work.redrawn
            manifest = dataclasses.replace(assemble(plan, results, work), settings=redrawn.settings)
        try:
            check_outcome(manifest, out)
        except InputError:
            work.remove()  # other settings make other shards
            raise
        folders = [folder(shard) for shard in range(len(results))]
        manifest = dataclasses.replace(manifest, resemblance=resemblance(manifest.sources, folders))
        warn_doubtful(plan, manifest, results)
        _put_together(work, folders, manifest, out, seen)
    return manifest


def plan_preparation(
    sources: Sequence[Path],
    out: Path,
    settings: Settings,
    *,
    shard_bytes: int = SHARD_BYTES,
    overwrite: bool = False,
) -> tuple[WorkFolder, Plan]:
    """Write the plan of a preparation into its working folder, for workers that are started by others.

    Errors: `InputError` for sources that are missing or of no known format, or an output that cannot be.
    """
    sources = [Path(source) for source in sources]
    if STANDARD_INPUT in sources:
        raise InputError(
            f"cannot be used with {option('plan_only', True)}",
            where="standard input",
            fix="Name files.",
            kind="plan-of-standard-input",
        )
    with _planned(sources, real_directory(out).resolve(), settings, shard_bytes, overwrite) as (work, plan, _):
        return work, plan


@contextmanager
def _planned(
    sources: Sequence[Path], out: Path, settings: Settings, shard_bytes: int, overwrite: bool
) -> Iterator[tuple[WorkFolder, Plan, Snapshot]]:
    """The working folder of `out`, held, with the plan in it; and what may be replaced."""
    check_output(sources, out)
    check_directory_writable(out)
    seen = check_replaceable(out, mark=FILE_NAME, overwrite=overwrite)
    check_source_split(sources, settings.split)
    with progress_bar("look at the sources", total=len(sources), unit=" files") as advance:
        plan = make_plan(sources, settings, shard_bytes=shard_bytes, advance=advance)
    work = WorkFolder.of_output(out)
    with work.locked():
        write_plan(plan, work.plan)
        yield work, read_plan(work.plan), seen  # as every worker sees it


def _run_shards(work: WorkFolder, plan: Plan, engine: Engine) -> list[ShardResult]:
    """The results of all shards, those that are missing made now."""
    shards = range(len(plan.shards))
    missing = [shard for shard in shards if read_result(work, plan, shard) is None]
    if len(missing) < len(shards):
        warn(f"already finished: {len(shards) - len(missing)} of {plural(len(shards), 'shard')}")
    try:
        work.forget_progress()
        with show_shards(work, plan, missing) as done:
            _safe(engine, plan).run(missing, partial(prepare_shard, work.path), done)
    except BaseException as error:
        finished = sum(read_result(work, plan, shard) is not None for shard in shards)
        if finished:
            warn(f"kept: {finished} of {plural(len(shards), 'shard')}; repeat the command to continue")
        if isinstance(error, WorkerDiedError):
            sources = {str(plan.sources[part.source].path) for part in plan.shards[error.task].parts}
            problem = f"{error.problem}, or the file is damaged"
            fix = f"{error.fix} If it dies again, leave the file out."
            raise InputError(problem, where=", ".join(sorted(sources)), fix=fix, kind="worker-died") from error
        raise
    for path, sha256 in checksum_rules(plan.settings).items():
        if sha256 != plan.rule_files[path]:
            raise InputError(
                "was changed while its shards were prepared",
                where=path,
                fix="Give the same command again.",
                kind="rule-file-changed",
            )
    results = [read_result(work, plan, shard) for shard in shards]
    if None in results:
        raise RuntimeError(f"shard {results.index(None)} was said to be finished and is not")
    return [result for result in results if result is not None]


def _safe(engine: Engine, plan: Plan) -> Engine:
    """An engine that this process survives: Arrow and SQLite have been ended by damaged files."""
    fragile = {Format.PARQUET.value, Format.SHARDED_EDEN.value} & {source.format for source in plan.sources}
    return engine.isolated() if fragile and isinstance(engine, LocalEngine) else engine


def _put_together(work: WorkFolder, folders: Sequence[Path], manifest: Manifest, out: Path, seen: Snapshot) -> None:
    """The corpus takes its place, and the working folder goes. A kill in between costs nothing: the shards stay."""
    shutil.rmtree(work.corpus, ignore_errors=True)
    work.corpus.mkdir()
    wanted = {file.name for file in manifest.files()}
    with full_disk(out):
        for folder in folders:
            for path in folder.iterdir():
                if path.name in wanted:
                    _link(path, work.corpus / path.name)
        write_manifest(manifest, work.corpus)
        sync(work.corpus / FILE_NAME)
        sync(work.corpus)
    try:
        publish_directory(work.corpus, out, seen)
    finally:
        if not work.corpus.exists():  # it has a name, if not that of `out`: the work is done
            work.remove()


def _link(path: Path, new: Path) -> None:
    """A second name for a file; where the file system has no such thing, the only one."""
    try:
        new.hardlink_to(path)
    except OSError:
        path.replace(new)
