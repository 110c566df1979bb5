"""All checkpoints of a run, and what each is, without a look at more than names, sizes and manifests."""

from dataclasses import dataclass
from pathlib import Path

from conversion.locate import DAMAGED as DAMAGED_SUFFIX
from conversion.locate import STEP, UNKNOWN, is_unfinished, misnamed, newest_first, step_of
from conversion.manifest import NAME as MANIFEST
from conversion.manifest import read_manifest
from foundation.errors import InputError

WHOLE, DAMAGED = "whole", "damaged"


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A checkpoint by the `name` of its directory. `bytes`: of its files, as they are.

    `state`: "whole" (it has a manifest, and files of the sizes in it; their checksums are `checkpoint verify`'s),
    "damaged", "unfinished" (marked so), "no manifest", or "set aside as damaged" or "as unknown" by a run. `note`: what
    else there is to say.
    """

    name: str
    step: int
    bytes: int
    state: str
    note: str = ""


def checkpoints_folder(source: Path) -> Path | None:
    """The folder of checkpoints that `source` means, RUN or RUN/checkpoints; None where it is neither."""
    source = Path(source)
    folder = source / "checkpoints" if (source / "checkpoints").is_dir() else source
    return folder if not (folder / "weights").is_dir() and any(_directories(folder)) else None


def list_checkpoints(folder: Path) -> list[Listed]:
    """Those in `folder`, the newest first; links to them are left out, what a run set aside is there.

    A checkpoint that a run removes during the listing is left out too.
    """
    found = (_listed(path) for path in _directories(folder))
    return sorted((one for one in found if one), key=lambda one: (-one.step, one.name))


def _directories(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    aside = [path for path in folder.iterdir() if path.suffix in (DAMAGED_SUFFIX, UNKNOWN) and STEP.search(path.name)]
    return [path for path in (*newest_first(folder), *aside) if path.is_dir() and not path.is_symlink()]


def _listed(path: Path) -> Listed | None:
    try:
        state, note = _state(path)
        size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    except FileNotFoundError:
        return None
    if not path.is_dir():
        return None
    return Listed(name=path.name, step=step_of(path), bytes=size, state=state, note=note)


def _state(path: Path) -> tuple[str, str]:
    if path.suffix in (DAMAGED_SUFFIX, UNKNOWN):
        return f"set aside as {path.suffix.removeprefix('.')}", "kept, and never resumed from"
    if not (path / MANIFEST).is_file():
        if is_unfinished(path):
            return "unfinished", "being written, or removed at the next start"
        return "no manifest", "it may be incomplete"
    return _by_manifest(path)


def _by_manifest(path: Path) -> tuple[str, str]:
    try:
        manifest = read_manifest(path)
    except InputError as error:
        return DAMAGED, f"{MANIFEST} {error.problem}"
    for name, file in manifest.files.items() if manifest else ():
        if not (path / name).is_file():
            return DAMAGED, f"{name} is missing"
        if (size := (path / name).stat().st_size) != file.bytes:
            return DAMAGED, f"{name} has {size:,} bytes, {file.bytes:,} were written"
    return (DAMAGED, wrong[0]) if (wrong := misnamed(path)) else (WHOLE, "")
