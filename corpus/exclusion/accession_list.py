"""Accessions: how they are written in record names, and lists of them: of records to leave out, or to hold out."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from corpus.scan.batch import Batch
from corpus.streams.compression import open_source
from foundation.errors import InputError

_REGION = re.compile(r":c?\d+-\d+$")
_VERSION = re.compile(r"\.\d+$")


class AccessionList:
    """The accessions of a text file, one per line; what follows a # does not count.

    A version has to agree where both the list and the record have one. `matched`: of the listed, those found so far.
    Errors: `InputError` for a file that is missing, or a line of two words.
    """

    def __init__(self, path: Path) -> None:
        self.listed = set(_read(path))
        if not self.listed:
            raise InputError("names no record", where=path, fix="Write one accession per line.", kind="list-empty")
        self.matched: set[str] = set()
        self._of_base = {without_version(accession): accession for accession in self.listed}

    def find(self, names: Sequence[str]) -> list[int]:
        """Places of the `names` that are listed."""
        found = {place: self._listed_as(name) for place, name in enumerate(names)}
        self.matched.update(listed for listed in found.values() if listed)
        return [place for place, listed in found.items() if listed]

    def mark(self, batch: Batch, source: Path, reasons: list[str | None]) -> None:
        """Give the reason `accession` to the records of `batch` that are listed and have none yet."""
        for record in self.find(batch.names):
            reasons[record] = reasons[record] or "accession"

    def _listed_as(self, name: str) -> str | None:
        """The listed accession that `name` has."""
        for accession in accessions(name):
            base = without_version(accession)
            if accession in self.listed or base in self.listed:
                return accession if accession in self.listed else base
            if accession == base and base in self._of_base:
                return self._of_base[base]
        return None


def accessions(name: str) -> Iterator[str]:
    """What in a record's name may be its accession: all of it, what a region was cut from, the parts between bars.

    `NC_000913.3`, `NC_000913.3:100-200`, `gi|556503834|ref|NC_000913.3|`, `kraken:taxid|511145|NC_000913.3`.
    """
    whole = _REGION.sub("", name) if ":" in name else name
    yield whole
    if whole != name:
        yield name
    if "|" in whole:
        yield from filter(None, whole.split("|"))


def without_version(accession: str) -> str:
    """`NC_000913` of `NC_000913.3`."""
    return _VERSION.sub("", accession) if "." in accession else accession


def _read(path: Path) -> Iterator[str]:
    with open_source(path) as stream:
        for number, line in enumerate(stream, 1):
            text = line.decode("utf-8-sig" if number == 1 else "utf-8", "replace")
            words = text.split("#", 1)[0].split()
            if not words:
                continue
            if len(words) > 1:
                fix = "Write one accession per line."
                raise InputError(
                    f"has {len(words)} words", where=f"{path}, line {number}", fix=fix, kind="accession-line"
                )
            yield words[0]
