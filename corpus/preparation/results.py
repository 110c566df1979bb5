"""What is known of a finished shard: kept in the working folder, brought together in the manifest."""

import json
from dataclasses import dataclass
from pathlib import Path

from conduct.atomic import sync
from corpus.manifest import Split
from corpus.preparation.plan import Plan
from corpus.preparation.work_folder import WorkFolder
from corpus.typed_json import from_json, to_json


@dataclass(frozen=True, kw_only=True)
class PartResult:
    """What was read of a part of a source.

    `sha256`: of the whole source, known to the shard of its first part; `bytes`: of the whole source; `records` and
    `bases`: of the part, excluded ones too.
    """

    source: int
    sha256: str | None
    bytes: int
    records: int
    bases: int


@dataclass(frozen=True, kw_only=True)
class ShardResult:
    """A finished shard. `fingerprint`: of the plan that it followed; `splits`: with one shard each."""

    fingerprint: str
    parts: tuple[PartResult, ...]
    excluded: dict[str, int]
    splits: tuple[Split, ...]


def read_result(work: WorkFolder, plan: Plan, shard: int) -> ShardResult | None:
    """The result of a shard, where it is finished and followed this plan."""
    path = work.result(shard)
    if not path.exists():
        return None
    result = from_json(ShardResult, json.loads(path.read_text(encoding="utf-8")), str(path))
    return result if result.fingerprint == plan.fingerprint(shard) else None


def write_result(path: Path, result: ShardResult) -> None:
    """Write it, whole or not at all. The files that it speaks of must be durable by then."""
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(to_json(result)), encoding="utf-8")
    sync(temporary)
    temporary.replace(path)
    sync(path.parent)
