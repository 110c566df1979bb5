"""Whether what a job needs is where it will look for it, as far as that can be seen from here."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from corpus import synthetic
from corpus.manifest import FILE_NAME
from foundation.errors import InputError
from launch.submit.job import Job
from launch.submit.sites import Kubernetes, Local, Site, Skypilot, Slurm
from launch.submit.slurm_paths import on_host
from training.data.sources import parse_sources


@dataclass(frozen=True, kw_only=True)
class Look:
    """One thing that a job needs: `here` is None where it cannot be seen from this machine."""

    what: str
    here: bool | None
    told: str


def looks(job: Job, site: Site) -> Iterator[Look]:
    """Corpus or labelled sequences, initial weights, run directory and container of a job."""
    if isinstance(site, Kubernetes | Skypilot):
        places = "claims" if isinstance(site, Kubernetes) else "mounts"
        data = "dataset.corpus" if job.config.head.kind == "none" else "labelled sequences"
        yield _unseen(f"{data}, run_dir and init_from", f"they are on the job's {places}")
        if site.image:
            yield _unseen(f"launch.image={site.image}", "it is in a registry")
        return
    head = job.config.head
    for key, name in head.files.items() if head.kind != "none" else ():
        yield _path(key, name, _host(job, site, name))
    for source in parse_sources(job.config.dataset.corpus) if head.kind == "none" else ():
        if source.corpus != Path(synthetic.CORPUS):  # that one the run prepares
            yield _corpus(str(source.corpus), _host(job, site, str(source.corpus)))
    if job.config.init_from:
        yield _path("init_from", job.config.init_from, _host(job, site, job.config.init_from))
    yield _run_directory(job.config.run_dir, _host(job, site, job.config.run_dir))
    if isinstance(site, Slurm) and site.container_image:
        yield _container(site.container_image)


def report(found: Iterator[Look]) -> Iterator[str]:
    """A line for each look: `found`, `not found` or `not checked`."""
    for one in found:
        state = {True: "found", False: "not found here", None: "not checked"}[one.here]
        yield f"{state}: {one.what}: {one.told}"


def check_presence(job: Job, site: Site) -> None:
    """Refuse to submit a job whose corpus or labelled sequences are not here, where the job runs without a container.

    This machine's file system is taken to be the job's, as for `init_from`. Errors: `InputError`.
    """
    if not isinstance(site, Slurm | Local) or (isinstance(site, Slurm) and site.container_image):
        return
    for one in looks(job, site):
        if one.here is False and one.what.startswith(("dataset.corpus", "head.")):
            what, kind = ("corpus", "corpus-not-here") if one.what.startswith("dataset") else ("file", "table-not-here")
            first = "Prepare it, or give" if kind == "corpus-not-here" else "Give"
            fix = f"{first} the {what}'s path. --dry-run prints the script for another machine."
            raise InputError(one.told, where=one.what, fix=fix, kind=kind)


def _host(job: Job, site: Slurm | Local, name: str) -> Path:
    path = job.directory / name
    return on_host(path, site) if isinstance(site, Slurm) else path


def _corpus(name: str, path: Path) -> Look:
    what = f"dataset.corpus={name}"
    if (path / FILE_NAME).is_file():
        return Look(what=what, here=True, told=f"a prepared corpus at {path}")
    told = f"{path} has no {FILE_NAME}: it is not a prepared corpus" if path.is_dir() else f"no directory {path}"
    return Look(what=what, here=False, told=told)


def _path(key: str, name: str, path: Path) -> Look:
    there = path.exists()
    return Look(what=f"{key}={name}", here=there, told=str(path) if there else f"no file or directory {path}")


def _run_directory(name: str, path: Path) -> Look:
    """It is made by the run; what has to be there is a directory to make it in."""
    what, above = f"run_dir={name}", path
    while not above.exists() and above != above.parent:
        above = above.parent
    if not above.is_dir():
        return Look(what=what, here=False, told=f"{above} is not a directory")
    if not os.access(above, os.W_OK):
        return Look(what=what, here=False, told=f"{above} cannot be written by you")
    if above == path:
        return Look(what=what, here=True, told=f"{path}; the run resumes from its checkpoints, if it has any")
    return Look(what=what, here=True, told=f"it will be made in {above}")


def _container(image: str) -> Look:
    what = f"launch.container_image={image}"
    if image.startswith(("/", "./", "../")) or image.endswith((".sqsh", ".sif")):
        there = Path(image).is_file()
        return Look(what=what, here=there, told=image if there else f"no file {image}")
    return _unseen(what, "it is in a registry")


def _unseen(what: str, why: str) -> Look:
    return Look(what=what, here=None, told=f"{why}, which cannot be seen from here")
