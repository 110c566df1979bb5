"""`manifest.json`: all that is known of a prepared corpus, and the check that its files are still what it says."""

import dataclasses
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import xxhash

from corpus.letters import BASES, COLUMNS
from corpus.settings import Settings
from corpus.source import Resemblance, Source
from corpus.splits.rule import SPLITS
from corpus.store.document_names import SUFFIX as NAMES
from corpus.store.document_names import names_path
from corpus.store.index_format import bin_path, idx_path
from foundation.checksum import xxh3_128
from foundation.errors import InputError, shown
from foundation.sealed import KEY, SealedFormat, difference
from foundation.typed import from_json, to_json
from foundation.untrusted import parse_json, read_json, read_text

FORMAT_VERSION = 2
FILE_NAME = "manifest.json"
_LIMIT = 1 << 30

_REMEDY = "Prepare the corpus again with genomic-llama prepare."
_DIFFERENCES = {
    "missing": "is in the manifest but not in the folder",
    "size": "has {:,} bytes, its manifest says {:,}",
    "checksum": "was changed: its checksum is not the manifest's",
}
_SEALED = SealedFormat(indent=2, over="text")


@dataclass(frozen=True, kw_only=True)
class StoredFile:
    """One file of the corpus, beside the manifest."""

    name: str
    bytes: int
    xxh3_128: str


@dataclass(frozen=True, kw_only=True)
class Shard:
    """A part of a split: an indexed dataset of its own, for Megatron too.

    `files`: its `.bin`, its `.idx`, and the `.names` of its documents where these are kept.
    """

    name: str
    documents: int
    tokens: int
    files: tuple[StoredFile, ...]

    @property
    def named(self) -> bool:
        """Whether the names of its documents are kept."""
        return len(self.files) > 2


@dataclass(frozen=True, kw_only=True)
class Split:
    """One split: its shards, end to end.

    `tokens`: all that is stored, one EOS per document included; `composition`: bases by letter, case ignored, where
    `other` are IUPAC codes and U; `soft_masked`: lower-case bases, which are counted in `composition` too; `markup`:
    bytes of tags and separators, which are not bases. The histograms count documents: `length_histogram` by
    floor(4 * log2(bases)), `gc_histogram` by percent of G and C among A, C, G and T, rounded down.
    """

    name: str
    documents: int
    tokens: int
    bases: int
    composition: dict[str, int]
    soft_masked: int
    markup: int
    length_histogram: dict[str, int]
    gc_histogram: dict[str, int]
    shards: tuple[Shard, ...]

    def digest(self) -> str:
        """A checksum of the whole token stream: of the shards' own ones, in order."""
        checksums = "".join(file.xxh3_128 for shard in self.shards for file in shard.files[:2])
        return xxhash.xxh3_128_hexdigest(checksums.encode())


def add_splits(name: str, splits: Sequence[Split]) -> Split:
    """One split of the shards of all, in order."""

    def summed(counts: Iterable[dict[str, int]]) -> dict[str, int]:
        total: Counter[str] = Counter()
        for count in counts:
            total.update(count)
        return dict(total)

    def by_number(histogram: dict[str, int]) -> dict[str, int]:
        return dict(sorted(histogram.items(), key=lambda item: int(item[0])))

    return Split(
        name=name,
        documents=sum(split.documents for split in splits),
        tokens=sum(split.tokens for split in splits),
        bases=sum(split.bases for split in splits),
        composition=summed(split.composition for split in splits),
        soft_masked=sum(split.soft_masked for split in splits),
        markup=sum(split.markup for split in splits),
        length_histogram=by_number(summed(split.length_histogram for split in splits)),
        gc_histogram=by_number(summed(split.gc_histogram for split in splits)),
        shards=tuple(shard for split in splits for shard in split.shards),
    )


def without_names(split: Split) -> Split:
    """The same, where the names of documents are not kept."""
    shards = tuple(dataclasses.replace(shard, files=shard.files[:2]) for shard in split.shards)
    return dataclasses.replace(split, shards=shards)


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """A prepared corpus.

    `versions`: of what prepared it; `rule_files`: sha256 of each file that the settings name; `excluded`: records left
    out, by reason; `resemblance`: None in a corpus of an older version, or a merged one.
    """

    format_version: int
    versions: dict[str, str]
    settings: Settings
    rule_files: dict[str, str]
    sources: tuple[Source, ...]
    excluded: dict[str, int]
    splits: tuple[Split, ...]
    resemblance: Resemblance | None = None

    def split(self, name: str) -> Split | None:
        """The split of that name, where there is one."""
        return next((split for split in self.splits if split.name == name), None)

    def files(self) -> tuple[StoredFile, ...]:
        """Every file of the corpus but the manifest itself."""
        return tuple(file for split in self.splits for shard in split.shards for file in shard.files)


def write_manifest(manifest: Manifest, directory: Path) -> None:
    """Write `manifest.json` into `directory`, with a checksum over itself: XXH3-128 of the text before that key."""
    (directory / FILE_NAME).write_text(_SEALED.text(to_json(manifest)), encoding="utf-8")


def has_own_checksum(directory: Path) -> bool:
    """Whether damage in the manifest itself would be found; those from before there was a checksum have none."""
    return KEY in read_json(Path(directory) / FILE_NAME, limit=_LIMIT)


def read_manifest(directory: Path) -> Manifest:
    """The manifest of the corpus in `directory`, read once a process.

    Errors: `InputError` naming the file and the key.
    """
    path = Path(directory) / FILE_NAME
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        fix = "Name a folder that genomic-llama prepare made."
        raise InputError(
            f"is not a prepared corpus: it has no {FILE_NAME}", where=directory, fix=fix, kind="not-a-corpus"
        ) from None
    return _read(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=32)
def _read(path: Path, modified: int, size: int) -> Manifest:
    text = read_text(path, limit=_LIMIT)
    value, seal = _SEALED.unseal(text, parse_json(text, where=path))
    version = value.get("format_version") if isinstance(value, dict) else None
    if version != FORMAT_VERSION:
        raise InputError(
            f"has format version {shown(version)}, not {FORMAT_VERSION}",
            where=path,
            fix=_REMEDY,
            kind="manifest-version",
        )
    _complete(value)
    manifest = from_json(Manifest, value, str(path), fix=_REMEDY)
    for split in manifest.splits:
        if found := _contradiction(split):
            kind, problem = found
            raise InputError(f"{split.name!r}: {problem}", where=path, fix=_REMEDY, kind=kind)
    if seal == "broken":
        fix = f"Copy it here again. If you changed it on purpose, remove its key {KEY!r}."
        raise InputError(
            "was changed since it was written: its own checksum does not match",
            where=path,
            fix=fix,
            kind="manifest-changed",
        )
    return manifest


def _complete(value: dict[str, Any]) -> None:
    """Add what older versions did not write: they kept U as it was, and no names."""
    if isinstance(settings := value.get("settings"), dict):
        settings.setdefault("rna", False)
        settings.setdefault("record_names", None)
    value.setdefault("resemblance", None)
    for source in sources if isinstance(sources := value.get("sources"), list) else []:
        if isinstance(source, dict):
            source.setdefault("content", None)


def _contradiction(split: Split) -> tuple[str, str] | None:
    """What cannot be true of a split, as kind and problem: names that lead elsewhere, numbers that do not add up."""
    if split.name not in SPLITS:
        return "unknown-split", f"is not a split, only {', '.join(SPLITS)} are"
    for shard in split.shards:
        if not re.fullmatch(rf"{split.name}-\d+", shard.name, re.ASCII):
            return "shard-name", f"has a shard {shard.name!r}"
        if [file.name for file in shard.files[:2]] != [f"{shard.name}.bin", f"{shard.name}.idx"]:
            return "shard-files", f"shard {shard.name} has files of other names"
        if [file.name for file in shard.files[2:]] not in ([], [f"{shard.name}{NAMES}"]):
            return "shard-files", f"shard {shard.name} has files of other names"
        if shard.files[0].bytes != shard.tokens:
            return "shard-size", f"shard {shard.name} has {shard.tokens} tokens in {shard.files[0].bytes} bytes"
    if set(split.composition) != set(COLUMNS[BASES]) or sum(split.composition.values()) != split.bases:
        return "composition-differs", "has a composition that is not that of its bases"
    for what in ("documents", "tokens"):
        if getattr(split, what) != sum(getattr(shard, what) for shard in split.shards):
            return "shards-do-not-add-up", f"has other {what} than its shards"
    if split.tokens != split.bases + split.markup + split.documents:
        return "tokens-do-not-add-up", "has tokens that are neither bases nor markup nor EOS"
    histograms = (split.length_histogram, split.gc_histogram)
    if not all(key.isdecimal() and len(key) < 4 for histogram in histograms for key in histogram):
        return "histogram-bins", "has a histogram with odd bins"
    return None


def verify(directory: Path, *, full: bool = False, observe: Callable[[memoryview], object] | None = None) -> Manifest:
    """The manifest, after the check that every file is there with its size, and where `full` with its checksum.

    `observe` gets each block that is read, for progress. Errors: `InputError` naming the file.
    """
    directory = Path(directory)
    manifest = read_manifest(directory)
    for file in manifest.files():
        path = directory / file.name
        what = difference(path, bytes=file.bytes, xxh3=file.xxh3_128 if full else None, observe=observe)
        if what is not None:
            problem = _DIFFERENCES[what].format(path.stat().st_size if what == "size" else 0, file.bytes)
            raise InputError(problem, where=path, fix=_REMEDY, kind=f"corpus-file-{what}")
    return manifest


def stored_files(prefix: Path, bin_checksum: str) -> tuple[StoredFile, ...]:
    """The manifest's rows for an indexed dataset just written; the checksum of its `.bin` is known by then."""
    others = [path for path in (idx_path(prefix), names_path(prefix)) if path.exists()]
    return tuple(
        StoredFile(name=path.name, bytes=path.stat().st_size, xxh3_128=digest)
        for path, digest in ((bin_path(prefix), bin_checksum), *((path, xxh3_128(path)) for path in others))
    )
