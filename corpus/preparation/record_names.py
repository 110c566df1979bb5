"""That no two records of a corpus have the same name, in 100 or so bytes a record."""

import hashlib
from pathlib import Path

from conduct.errors import InputError


class RecordNames:
    """The names seen so far, as 96-bit hashes with the place of each."""

    def __init__(self) -> None:
        self.records = 0
        self._sources: list[Path] = []
        self._seen: dict[bytes, int] = {}

    def start(self, source: Path) -> None:
        """The names that follow are of `source`."""
        self._sources.append(source)
        self.records = 0

    def add(self, name: str) -> None:
        """Note the next record's name. Errors: `InputError` naming both places where it was seen before."""
        self.records += 1
        key = hashlib.blake2b(name.encode("utf-8"), digest_size=12).digest()
        place = self.records * _SOURCES + len(self._sources) - 1
        first = self._seen.setdefault(key, place)
        if first != place:
            record, source = divmod(first, _SOURCES)
            raise InputError(
                f"has the same name as record {record} of {self._sources[source]}",
                where=f"{self._sources[-1]}, record {self.records} {name!r}",
                fix="Rename one of them, or leave one file out.",
            )


_SOURCES = 1 << 24
