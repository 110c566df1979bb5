"""What a preparation will do, decided before anything is read: the sources, and shards of about equal size.

A plan depends on the sources, their sizes and the settings alone, so the corpus is the same whatever does the work.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import xxhash

from configs.locate import CONFIGS
from corpus.manifest import FORMAT_VERSION
from corpus.readers.formats import Slice, detect_format, slices
from corpus.settings import Settings
from corpus.source_format import Format
from corpus.streams.compression import Look, look_at
from foundation.checksum import sha256
from foundation.errors import InputError
from foundation.progress import Advance, no_progress
from foundation.typed import from_json, to_json

SHARD_BYTES = 512 << 20
"""Stored bytes of the sources of one shard, about."""


@dataclass(frozen=True, kw_only=True)
class PlannedSource:
    """One input file as it was when the plan was made. `modified`: nanoseconds since 1970."""

    path: Path
    format: str
    bytes: int
    modified: int


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of a source, in the units of `corpus.readers.formats.Slice`; `source`: its number in the plan."""

    source: int
    start: int
    stop: int | None
    bytes: int

    @property
    def whole(self) -> bool:
        """Whether it is all of its source."""
        return self.start == 0 and self.stop is None


@dataclass(frozen=True, kw_only=True)
class ShardPlan:
    """The parts that one shard is made from, in order."""

    parts: tuple[Part, ...]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All of a preparation.

    `folder`: from where its relative paths are given; `rule_files`: sha256 of each file that the settings name.
    """

    folder: Path
    settings: Settings
    rule_files: dict[str, str]
    sources: tuple[PlannedSource, ...]
    shards: tuple[ShardPlan, ...]

    def slice(self, part: Part) -> Slice:
        """What a reader needs to know of `part`."""
        source = self.sources[part.source]
        return Slice(path=source.path, format=Format(source.format), start=part.start, stop=part.stop)

    def fingerprint(self, shard: int) -> str:
        """Changes with whatever decides the content of a shard; finished ones are kept where it is the same."""
        parts = self.shards[shard].parts
        sources = [to_json(self.sources[part.source]) for part in parts]
        places = [[part.start, part.stop] for part in parts]
        content = [FORMAT_VERSION, to_json(self.settings), self.rule_files, sources, places]
        return xxhash.xxh3_128_hexdigest(json.dumps(content, sort_keys=True).encode())


def make_plan(
    paths: Sequence[Path], settings: Settings, *, shard_bytes: int = SHARD_BYTES, advance: Advance = no_progress
) -> Plan:
    """Look at each source, and gather them, or parts of large ones, into shards of about `shard_bytes`.

    Errors: `InputError` for a source or a file of the settings that is missing or of no known format.
    """
    if shard_bytes < 1:
        raise InputError(
            f"is {shard_bytes}", where="shard size", fix="Give a number of bytes above 0.", kind="shard-size"
        )
    sources: list[PlannedSource] = []
    shards: list[list[Part]] = []
    room = 0
    for number, path in enumerate(paths):
        look = look_at(path)
        sources.append(_source(path, settings, look))
        for part in _parts(number, sources[-1], look, shard_bytes):
            if not shards or part.bytes > room:
                shards.append([])
                room = shard_bytes
            shards[-1].append(part)
            room -= part.bytes
        advance(1)
    return Plan(
        folder=Path.cwd(),
        settings=settings,
        rule_files=checksum_rules(settings),
        sources=tuple(sources),
        shards=tuple(ShardPlan(parts=tuple(parts)) for parts in shards),
    )


def checksum_rules(settings: Settings) -> dict[str, str]:
    """sha256 of each file that the settings name. Errors: `InputError`."""
    return {_shown(path): sha256(path) for path in (*settings.split.files(), *settings.exclusion.files())}


def write_plan(plan: Plan, path: Path) -> None:
    """Write `plan`, where it is not there already; by renaming, as other machines may be reading it."""
    text = json.dumps(to_json(plan))
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def read_plan(path: Path) -> Plan:
    """The plan in a file, read once a process. Errors: `InputError`."""
    try:
        return _read_plan(path, path.stat().st_mtime_ns)
    except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError):
        fix = "Name the working folder that `genomic-llama prepare --plan-only` printed."
        raise InputError(
            "does not contain the plan of a preparation", where=path.parent, fix=fix, kind="no-plan"
        ) from None


@lru_cache(maxsize=1)
def _read_plan(path: Path, modified: int) -> Plan:
    return from_json(Plan, json.loads(path.read_text(encoding="utf-8")), str(path))


def _source(path: Path, settings: Settings, look: Look) -> PlannedSource:
    format = Format(settings.format) if settings.format else detect_format(path, look)
    return PlannedSource(path=path, format=format.value, bytes=look.bytes, modified=look.modified)


def _parts(number: int, source: PlannedSource, look: Look, shard_bytes: int) -> list[Part]:
    cuts = slices(source.path, Format(source.format), shard_bytes, look)
    share = -(-source.bytes // len(cuts))
    return [Part(source=number, start=cut.start, stop=cut.stop, bytes=share) for cut in cuts]


def _shown(path: Path) -> str:
    """A shipped file by its place in the project, the same on every machine."""
    project = CONFIGS.parent
    return str(path.relative_to(project)) if path.is_relative_to(project) else str(path)
