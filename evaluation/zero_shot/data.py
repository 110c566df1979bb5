"""Which tasks have their data on this machine, and which files are missing."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluation.zero_shot.spec import SourceFile, TaskSpec
from foundation.checksum import sha256
from foundation.errors import InputError
from foundation.pages.quantities import short


@dataclass(frozen=True, kw_only=True)
class TaskData:
    """A task with its files: `paths` in the order of `spec.files`, None where there is none."""

    spec: TaskSpec
    folder: Path
    paths: tuple[Path | None, ...]

    @property
    def missing(self) -> list[SourceFile]:
        """The files that are not there."""
        return [file for file, path in zip(self.spec.files, self.paths, strict=True) if path is None]

    @property
    def found(self) -> list[Path]:
        """The files that are there."""
        return [path for path in self.paths if path is not None]

    @property
    def genome(self) -> Path | None:
        """The genome, the last of the files where the task has one."""
        return self.paths[-1] if self.spec.genome else None

    @property
    def own(self) -> list[Path]:
        """The files but for the genome."""
        return self.found[: len(self.found) - (self.genome is not None)]

    def check(self) -> None:
        """Errors: `InputError` for a file whose checksum is not the one that its publisher gives."""
        for file, path in zip(self.spec.files, self.paths, strict=True):
            if path is not None and file.sha256 and path.name == Path(file.path).name and sha256(path) != file.sha256:
                problem = f"is not the file that was published: its SHA-256 is not {file.sha256[:12]}..."
                raise InputError(problem, where=path, fix=f"Fetch it again: {file.url}", kind="data-checksum")


def find_data(specs: Sequence[TaskSpec], folder: Path) -> list[TaskData]:
    """Each task with what there is of it in `folder`.

    A file may be plain where a .gz is published, and the reverse; a spreadsheet may be saved as .csv.
    """
    return [TaskData(spec=spec, folder=folder, paths=tuple(_find(folder, one) for one in spec.files)) for spec in specs]


def _find(folder: Path, file: SourceFile) -> Path | None:
    if file.path.endswith("/"):
        return folder / file.path if (folder / file.path).is_dir() else None
    plain = file.path.removesuffix(".gz")
    names = dict.fromkeys((file.path, plain, f"{plain}.gz", re.sub(r"\.xlsx$", ".csv", plain)))
    return next((folder / name for name in names if (folder / name).is_file()), None)


def describe_missing(tasks: Sequence[TaskData]) -> list[str]:
    """What to fetch, and where to put it: a line per task, and one per file below it."""
    lines = []
    for task in tasks:
        if task.missing:
            lines.append(f"{task.spec.name}: {task.spec.title}")
            lines += [f"  {task.folder / one.path}  <-  {_origin(one)}" for one in task.missing]
    return lines


def _origin(file: SourceFile) -> str:
    facts = [file.url or "no address is known"]
    facts += [f"{short(file.size)}B" if file.size else "size unknown"]
    facts += [f"SHA-256 {file.sha256}"] if file.sha256 else []
    facts += ["fetch it by hand"] if file.by_hand else []
    return ", ".join(facts)
