"""The folder of a run's checkpoints: what a kill left is removed, what is damaged is set aside, and both are said.

step=N               a checkpoint; whole when it has manifest.json
step=N-last          a link to the newest
step=N-unfinished    a mark, while step=N is written
.step=N.removing     a checkpoint on its way out
step=N.damaged       a checkpoint whose checksums are others
step=N.unknown       one without a manifest, newer than the newest whole one: perhaps a copy that was broken off
"""

import os
import shutil
from pathlib import Path

from conversion.locate import LAST, UNFINISHED, UNKNOWN, is_run_checkpoint, newest_first, step_of
from conversion.manifest import NAME as MANIFEST
from foundation.disk import sync
from foundation.terminal import warn

_REMOVING = ".removing"


def clean(folder: Path) -> None:
    """Remove what a killed run left in `folder`: nothing that is whole, nothing that does not belong to a run."""
    if not folder.is_dir():
        return
    for mark in sorted(folder.glob(f"*{UNFINISHED}")):
        checkpoint = mark.with_name(mark.name.removesuffix(UNFINISHED))
        if not is_run_checkpoint(checkpoint):
            continue
        if checkpoint.is_dir() and not checkpoint.is_symlink() and not (checkpoint / MANIFEST).is_file():
            warn(f"removed {checkpoint}: it is incomplete")
            shutil.rmtree(hide(checkpoint))
        mark.unlink()
    for left in sorted(folder.glob(f".*{_REMOVING}")):
        warn(f"removed the rest of {left}")
        shutil.rmtree(left)
    _set_unknown_aside(folder)
    for link in sorted(folder.glob(f"*-{LAST}")):
        if link.is_symlink() and not link.exists():
            link.unlink()
    for left in folder.glob(f".*-{LAST}.link"):
        left.unlink()


def _set_unknown_aside(folder: Path) -> None:
    """Clear the names that the run is going to save under, and the links to what was there."""
    found = newest_first(folder)
    whole = next((path for path in found if (path / MANIFEST).is_file()), None)
    if whole is None:
        return
    unknown = [path for path in found if not (path / MANIFEST).is_file() and not path.is_symlink()]
    for path in unknown:
        if step_of(path) >= step_of(whole):
            aside = set_aside(path, UNKNOWN)
            warn(f"{path} has no {MANIFEST}, so it may be incomplete; set aside as {aside.name}")
    for link in folder.glob(f"*-{LAST}"):
        if link.is_symlink() and not (link / MANIFEST).is_file():
            link.unlink()


def update_link(link: Path, checkpoint: Path) -> None:
    """Make `link` lead to `checkpoint` in its folder, at once, whatever it led to before."""
    temporary = link.with_name(f".{link.name}.link")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(os.path.relpath(checkpoint, link.parent))
    temporary.replace(link)
    sync(link.parent)


def hide(checkpoint: Path) -> Path:
    """A name under which a checkpoint can be removed file by file, and never be taken for one."""
    hidden = checkpoint.with_name(f".{checkpoint.name}{_REMOVING}")
    if hidden.exists():
        shutil.rmtree(hidden)
    checkpoint.rename(hidden)
    return hidden


def set_aside(checkpoint: Path, suffix: str) -> Path:
    """Keep a checkpoint under another name, with `suffix`, so that no run takes it. Returns that."""
    checkpoint = checkpoint.resolve()
    aside = next(
        path
        for path in (checkpoint.with_name(f"{checkpoint.name}{number}{suffix}") for number in ("", *range(1, 1000)))
        if not path.exists()
    )
    checkpoint.rename(aside)
    checkpoint.with_name(f"{checkpoint.name}-{LAST}").unlink(missing_ok=True)
    sync(checkpoint.parent)
    return aside
