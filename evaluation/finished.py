"""Whether a command's outputs are there already, made from the same model, files, settings and software."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from evaluation.digest import model_digest, read_ahead, source_digest, versions
from foundation.receipt import read_receipt, remove_receipt, write_receipt


@dataclass(kw_only=True)
class Work:
    """The request of a command. `out`: names the receipt; `files`: outputs that it may write.

    `sources`: the files and folders that it reads, by what they are to it; `settings`: what else decides the result.
    Without outputs, or with standard input as a source, nothing is known to be finished.
    """

    command: str
    model: Path
    adapter: Path | None = None
    sources: Mapping[str, Path | None]
    settings: Mapping[str, object]
    files: Sequence[Path]
    out: Path | None = None
    overwrite: bool = False

    def finished(self) -> list[Path] | None:
        """The files of an earlier run of the same work; None where it is to be done. Errors: `InputError`."""
        if self._name is None or Path("-") in self.sources.values():
            return None
        found = None if self.overwrite else read_receipt(self._name, self.made_from)
        if found is None:
            remove_receipt(self._name)
        return found

    def finish(self, written: Sequence[Path] | None = None) -> None:
        """Leave a receipt for what was `written`: all of `files`, unless given."""
        if self._name is not None and Path("-") not in self.sources.values():
            write_receipt(self._name, self.made_from, self.files if written is None else written)

    @property
    def _name(self) -> Path | None:
        return self.out or next(iter(self.files), None)

    @property
    def _adapter(self) -> dict[str, object]:
        if self.adapter is None:
            return {}
        return {"adapter": [os.path.abspath(self.adapter), model_digest(self.model, self.adapter)]}

    @cached_property
    def made_from(self) -> dict[str, object]:
        """All that decides the result. Errors: `InputError` for files that cannot be read."""
        sources = {name: path for name, path in self.sources.items() if path is not None}
        read_ahead([self.model], sources.values())
        return {
            "command": self.command,
            "model": [os.path.abspath(self.model), model_digest(self.model)],
            **self._adapter,
            "sources": {name: [os.path.abspath(path), source_digest(path)] for name, path in sources.items()},
            "settings": dict(self.settings),
            "files": [path.name for path in self.files],
            "versions": versions(),
        }


def describe(files: Sequence[Path]) -> str:
    """What a command says instead of doing its work."""
    names = ", ".join(map(str, files))
    are = "is" if len(files) == 1 else "are"
    return (
        f"{names} {are} finished, from the same inputs and settings; nothing was computed (--overwrite computes again)"
    )
