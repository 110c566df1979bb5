"""What is known of a finished shard: kept in the working folder, brought together in the manifest."""

import json
from dataclasses import dataclass
from pathlib import Path

from corpus.manifest import Split
from corpus.preparation.plan import Plan
from corpus.preparation.work_folder import WorkFolder
from foundation.typed import from_json, to_json

FILE_NAME = "result.json"


@dataclass(frozen=True, kw_only=True)
class PartResult:
    """What was read of a part of a source.

    `sha256`: of the whole source, known to the shard of its first part; `bytes`: of the whole source; `records`,
    `bases`, `letters` (counts by `corpus.letters.COLUMNS`) and `uracil` (U that is kept): of the part, excluded ones
    too. `documents` and `splits`: documents and bases that went into each split.
    """

    source: int
    sha256: str | None
    bytes: int
    records: int
    bases: int
    letters: dict[str, int]
    uracil: int
    documents: dict[str, int]
    splits: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class ShardResult:
    """A finished shard.

    `fingerprint`: of the plan that it followed; `matched`: by list file, of records to hold out or to leave out, the
    listed names that it had; `splits`: with one shard each.
    """

    fingerprint: str
    parts: tuple[PartResult, ...]
    excluded: dict[str, int]
    matched: dict[str, tuple[str, ...]]
    splits: tuple[Split, ...]


def read_result(work: WorkFolder, plan: Plan, shard: int) -> ShardResult | None:
    """The result of a shard, where it is finished, followed this plan, and has all its files."""
    folder = work.shard(shard)
    try:
        text = (folder / FILE_NAME).read_text(encoding="utf-8")
        result = from_json(ShardResult, json.loads(text), str(folder))
        files = [file for split in result.splits for part in split.shards for file in part.files]
        whole = all((folder / file.name).stat().st_size == file.bytes for file in files)
    except (OSError, ValueError):  # of JSON, or an `InputError`: not finished, or damaged
        return None
    return result if whole and result.fingerprint == plan.fingerprint(shard) else None


def write_result(folder: Path, result: ShardResult) -> None:
    """Write it beside the files that it speaks of."""
    (folder / FILE_NAME).write_text(json.dumps(to_json(result)), encoding="utf-8")
