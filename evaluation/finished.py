"""Whether a command's outputs are there already, made from the same model, files, settings and software."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from evaluation.digest import model_digest, read_ahead, source_digest, versions
from foundation.errors import InputError
from foundation.place import check_apart
from foundation.receipt import is_own, read_receipt, write_receipt
from foundation.spelling import option


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

    def check_outputs(self, *, interrupted: bool = False) -> None:
        """Refuse outputs that are inputs; and unless they may be overwritten, files that another program wrote.

        Files of earlier runs may be replaced, as long as nobody changed them; so may those of a run that was
        `interrupted`, perhaps before its receipt. Errors: `InputError`.
        """
        read = [self.model, self.adapter, *self.sources.values()]
        check_apart(self.files, [path for path in read if path is not None])
        for path in [] if self.overwrite or interrupted else self.files:
            if self._name is not None and path.exists() and not is_own(self._name, path):
                problem = "already exists, and is not as an earlier run of this command left it"
                fix = f"Choose another output, or pass {option('overwrite', True)} to replace it."
                raise InputError(problem, where=path, fix=fix, kind="output-exists")

    def finished(self) -> list[Path] | None:
        """The files of an earlier run of the same work; None where it is to be done. Errors: `InputError`."""
        if self._name is None or Path("-") in self.sources.values():
            return None
        return None if self.overwrite else read_receipt(self._name, self.made_from)

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
