"""What a task is: one YAML file each, with the source of its data, the protocol, and published results.

The files are `configs/evaluation/tasks/NAME.yaml` and `configs/evaluation/genomes/NAME.yaml`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path, PurePosixPath
from typing import Any

from foundation.errors import InputError, nearest
from foundation.typed import from_settings
from foundation.untrusted import read_yaml

CONFIGS = Path(__file__).parents[2] / "configs" / "evaluation"
TASKS, GENOMES = CONFIGS / "tasks", CONFIGS / "genomes"


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """A file of a task. Null: the publisher does not say, or it has not been checked.

    path
        Where it belongs, below the folder of `--data`; with a slash at its end, a folder of many files.
    url
        Where it is published; a page to fetch it from by hand where `by_hand` is true.
    sha256, size
        In hexadecimal, and in bytes. The Hub says both when a file of it is fetched.
    each
        Values for names in braces in `path` and `url`: one file per combination.
    """

    path: str
    url: str | None = None
    revision: str | None = None
    sha256: str | None = None
    size: int | None = None
    licence: str | None = None
    by_hand: bool = False
    each: dict[str, list[str]] = field(default_factory=dict)

    def expand(self) -> Iterator["SourceFile"]:
        """One file per combination of `each`."""
        for values in product(*self.each.values()):
            names = dict(zip(self.each, values, strict=True))
            url = None if self.url is None else self.url.format(**names)
            yield replace(self, path=self.path.format(**names), url=url, each={})


@dataclass(frozen=True, kw_only=True)
class Published:
    """A published result of a model on the task, and its `source`. `protocol` says how theirs differs from ours."""

    model: str
    metric: str
    value: float
    source: str
    part: str = ""
    error: float | None = None
    protocol: str = ""


@dataclass(frozen=True, kw_only=True)
class TaskSpec:
    """One task. `name` is that of its file.

    kind
        A key of `evaluation.zero_shot.kinds.KINDS`, which says what reads the data and what `protocol` may hold.
    layout
        The reader of the data, by the name of the publisher's layout.
    statistics
        What is measured; the first is the headline.
    genome
        A name of `configs/evaluation/genomes`, for tasks with coordinates.
    seen
        What of the real data the authors of this file have seen.
    source
        The file that it was read from, for errors.
    """

    title: str
    kind: str
    files: tuple[SourceFile, ...]
    layout: str
    statistics: tuple[str, ...]
    seen: str
    name: str = ""
    source: str = ""
    genome: str | None = None
    protocol: dict[str, Any] = field(default_factory=dict)
    published: tuple[Published, ...] = ()
    citation: str = ""


def read_task(path: Path) -> TaskSpec:
    """Read one YAML file. Errors: `InputError` that names the file and the key."""
    spec = replace(from_settings(TaskSpec, read_yaml(path), str(path), fix=_FIX), name=path.stem, source=str(path))
    files = tuple(one for file in spec.files for one in _expanded(file, path))
    if not spec.statistics:
        raise InputError("has no statistic", where=path, fix=_FIX, kind="task-without-statistic")
    return replace(spec, files=(*files, *_genome(spec.genome, path)))


def task_names() -> list[str]:
    """The tasks that are shipped."""
    return sorted(path.stem for path in TASKS.glob("*.yaml"))


def read_tasks(wanted: Sequence[str] = ()) -> list[TaskSpec]:
    """The tasks of these names or YAML files; by default, all shipped tasks.

    Errors: `InputError` for an unknown name.
    """
    known = task_names()
    for name in wanted:
        if name not in known and not name.endswith(".yaml"):
            raise InputError(f"no task {name!r}", where="--task", fix=nearest(name, known), kind="unknown-task")
    return [
        read_task(TASKS / f"{name}.yaml" if name in known else Path(name)) for name in dict.fromkeys(wanted or known)
    ]


def _expanded(file: SourceFile, path: Path) -> Iterator[SourceFile]:
    try:
        found = list(file.expand())
    except (KeyError, IndexError, ValueError) as error:
        problem = f"{file.path!r} has a name in braces that `each` lacks ({error})"
        raise InputError(problem, where=path, fix="Add it to `each`.", kind="task-file-template") from None
    for one in found:
        parts = PurePosixPath(one.path).parts
        if not parts or one.path.startswith("/") or ".." in parts:
            problem = f"the file {one.path!r} lies outside the folder of data"
            raise InputError(problem, where=path, fix="Give a path below it.", kind="task-file-outside")
        yield one


def _genome(name: str | None, path: Path) -> list[SourceFile]:
    if name is None:
        return []
    known = sorted(one.stem for one in GENOMES.glob("*.yaml"))
    if name not in known:
        raise InputError(f"no genome {name!r}", where=path, fix=nearest(name, known), kind="unknown-genome")
    genome = GENOMES / f"{name}.yaml"
    return [from_settings(SourceFile, read_yaml(genome), str(genome), fix=_FIX)]


_FIX = "See configs/evaluation/tasks/brca1.yaml."
