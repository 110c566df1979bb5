"""Accessions: how they are written in record names, and lists of them: of records to leave out, or to hold out."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from conduct.errors import InputError
from corpus.batch import Batch
from corpus.readers.compression import open_source

_REGION = re.compile(r":c?\d+-\d+$")
_VERSION = re.compile(r"\.\d+$")


class AccessionList:
    """The accessions of text files, one a line; what follows a # does not count.

    A version has to agree where both the list and the record have one.
    Errors: `InputError` for a file that is missing, or a line of two words.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._listed = {accession for path in paths for accession in _read(path)}
        if not self._listed:
            raise InputError("names no record", where=paths[0], fix="Write one accession a line.")
        self._bases = {without_version(accession) for accession in self._listed}

    def __contains__(self, accession: str) -> bool:
        base = without_version(accession)
        return accession in self._listed or base in self._listed or (accession == base and base in self._bases)

    def find(self, names: Sequence[str]) -> list[int]:
        """Places of the `names` that are listed."""
        return [place for place, name in enumerate(names) if any(part in self for part in accessions(name))]

    def mark(self, batch: Batch, reasons: list[str | None]) -> None:
        """Give the reason `accession` to the records of `batch` that are listed and have none yet."""
        for record in self.find(batch.names):
            reasons[record] = reasons[record] or "accession"


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
            words = line.decode("utf-8", "replace").split("#", 1)[0].split()
            if not words:
                continue
            if len(words) > 1:
                fix = "Write one accession a line."
                raise InputError(f"has {len(words)} words", where=f"{path}, line {number}", fix=fix)
            yield words[0]
