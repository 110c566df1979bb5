"""A checkpoint's manifest, made and checked by all ranks together: no rank reads more than its share.

Written: each rank reads back the files that it wrote itself, from its own page cache. An 8B with its optimizer state,
100 GB, is 1.6 GB a rank on 64 ranks: a quarter of a second at the 6 GB/s of one core, once a checkpoint. Read: the
files are dealt out by size, whoever wrote them, so that all ranks together read the checkpoint once.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from conversion.manifest import (
    CheckpointFile,
    CheckpointManifest,
    check_against_manifest,
    seal_files,
    write_manifest,
)
from foundation.errors import InputError

_SHARD = re.compile(r"__(\d+)_\d+\.distcp$")


def seal(directory: Path, step: int, trained_with: dict[str, Any], *, run: str) -> None:
    """Make `directory`, which all ranks have written, a whole checkpoint of what was `trained_with`. Collective.

    `run`: the id of the run, on the first rank.

    Errors: `InputError` on every rank where one could not read back what it wrote.
    """
    rank, ranks = torch.distributed.get_rank(), torch.distributed.get_world_size()
    rows, problem = dict[str, CheckpointFile](), ""
    try:
        rows = seal_files(directory, _written_by(rank, directory))
    except OSError as error:
        problem = f"{error.filename}: {error.strerror}"
    gathered: list[tuple[dict[str, CheckpointFile], str]] = [({}, "")] * ranks
    torch.distributed.all_gather_object(gathered, (rows, problem))
    if problems := [problem for _, problem in gathered if problem]:
        raise InputError(
            f"a checkpoint could not be written: {problems[0]}",
            where=directory,
            fix="Check the disk.",
            kind="checkpoint-not-written",
        )
    if rank == 0:
        files = {name: row for rows, _ in gathered for name, row in rows.items()}
        write_manifest(directory, CheckpointManifest(step=step, files=files, trained_with=trained_with, run=run))


def damage(directory: Path, manifest: CheckpointManifest) -> list[str]:
    """What is wrong with a checkpoint, one sentence per file; the same on every rank. Collective."""
    rank, ranks = torch.distributed.get_rank(), torch.distributed.get_world_size()
    mine = list(check_against_manifest(directory, share(manifest, rank, ranks)))
    gathered: list[list[str]] = [[]] * ranks
    torch.distributed.all_gather_object(gathered, mine)
    return [problem for problems in gathered for problem in problems]


def share(manifest: CheckpointManifest, rank: int, ranks: int) -> dict[str, CheckpointFile]:
    """The files that `rank` checks: the largest first, each to the rank with the least so far."""
    loads = [0] * ranks
    shares: list[dict[str, CheckpointFile]] = [{} for _ in loads]
    for name, file in sorted(manifest.files.items(), key=lambda item: (-item[1].bytes, item[0])):
        least = loads.index(min(loads))
        loads[least] += file.bytes
        shares[least][name] = file
    return shares[rank]


def _written_by(rank: int, directory: Path) -> Iterator[str]:
    """Megatron-Core has the rank in the names of shards (filesystem_async.py); all else is the first rank's."""
    for path in sorted(directory.rglob("*")):
        shard = _SHARD.search(path.name)
        if path.is_file() and rank == (int(shard[1]) if shard else 0):
            yield path.relative_to(directory).as_posix()
