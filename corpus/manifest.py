"""`manifest.json`: all that is known of a prepared corpus, and the check that its files are still what it says."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from conduct.errors import InputError
from corpus.typed_json import from_json, to_json

FORMAT_VERSION = 1
FILE_NAME = "manifest.json"

_REMEDY = "Prepare the corpus again with genomic-llama prepare."


@dataclass(frozen=True, kw_only=True)
class Source:
    """One input file. `bytes` and `sha256`: of the file as stored; `bases`: letters of all its records."""

    path: str
    bytes: int
    sha256: str
    records: int
    bases: int


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The options of `prepare` that decide what is written."""

    validation_fraction: float
    test_fraction: float
    seed: int
    segment_length: int | None


@dataclass(frozen=True, kw_only=True)
class StoredFile:
    """One file of the corpus, beside the manifest."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Split:
    """One split. `tokens`: bases plus one EOS a document; `composition`: bases by letter, case ignored.

    `other`: IUPAC codes and U; `soft_masked`: lower-case bases, which are counted in `composition` too.
    """

    name: str
    documents: int
    tokens: int
    bases: int
    composition: dict[str, int]
    soft_masked: int
    files: tuple[StoredFile, ...]


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """A prepared corpus. `created`: UTC, ISO 8601; `versions`: of what prepared it."""

    format_version: int
    created: str
    versions: dict[str, str]
    settings: Settings
    sources: tuple[Source, ...]
    splits: tuple[Split, ...]

    def split(self, name: str) -> Split | None:
        """The split of that name, where there is one."""
        return next((split for split in self.splits if split.name == name), None)


def write_manifest(manifest: Manifest, directory: Path) -> None:
    """Write `manifest.json` into `directory`."""
    text = json.dumps(to_json(manifest), indent=2, ensure_ascii=False)
    (directory / FILE_NAME).write_text(text + "\n", encoding="utf-8")


def read_manifest(directory: Path) -> Manifest:
    """The manifest of the corpus in `directory`. Errors: `InputError` naming the file and the key."""
    path = Path(directory) / FILE_NAME
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        fix = "Name a folder that genomic-llama prepare made."
        raise InputError(f"is no prepared corpus: it has no {FILE_NAME}", where=directory, fix=fix) from None
    except ValueError as error:
        raise InputError(f"is no JSON: {error}", where=path, fix=_REMEDY) from None
    version = value.get("format_version") if isinstance(value, dict) else None
    if version != FORMAT_VERSION:
        raise InputError(f"has format version {version}, not {FORMAT_VERSION}", where=path, fix=_REMEDY)
    return from_json(Manifest, value, str(path))


def verify(directory: Path, *, full: bool = False) -> Manifest:
    """The manifest, after the check that every file is there with its size, and where `full` with its sha256.

    Errors: `InputError` naming the file.
    """
    directory = Path(directory)
    manifest = read_manifest(directory)
    for file in (file for split in manifest.splits for file in split.files):
        path = directory / file.name
        if Path(file.name).name != file.name or not path.is_file():
            raise InputError("is in the manifest but not in the folder", where=path, fix=_REMEDY)
        if (size := path.stat().st_size) != file.bytes:
            raise InputError(f"has {size:,} bytes, its manifest says {file.bytes:,}", where=path, fix=_REMEDY)
        if full and sha256(path) != file.sha256:
            raise InputError("was changed: its sha256 is not the manifest's", where=path, fix=_REMEDY)
    return manifest


def stored_file(path: Path) -> StoredFile:
    """The manifest's row for `path`."""
    return StoredFile(name=path.name, bytes=path.stat().st_size, sha256=sha256(path))


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
