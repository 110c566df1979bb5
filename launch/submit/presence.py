"""Whether what a job needs is where it will look for it, as far as that can be seen from here."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from corpus import synthetic
from corpus.manifest import FILE_NAME
from foundation.errors import InputError
from launch.preflight.engine import engine_python
from launch.submit.job import Job
from launch.submit.sites import Kubernetes, Local, Site, Skypilot, Slurm
from launch.submit.slurm_paths import on_host
from training.data.sources import parse_sources


@dataclass(frozen=True, kw_only=True)
class Requirement:
    """One thing that a job needs: `here` is None where it cannot be seen from this machine."""

    what: str
    here: bool | None
    detail: str


def requirements(job: Job, site: Site) -> Iterator[Requirement]:
    """Corpus or labelled sequences, initial weights, run directory and container of a job."""
    if isinstance(site, Kubernetes | Skypilot):
        places = "claims" if isinstance(site, Kubernetes) else "mounts"
        data = "dataset.corpus" if job.config.head.kind == "none" else "labelled sequences"
        yield _not_checked(f"{data}, run_dir and init_from", f"they are on the job's {places}")
        if site.image:
            yield _not_checked(f"launch.image={site.image}", "it is in a registry")
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


def report(found: Iterator[Requirement]) -> Iterator[str]:
    """A line for each look: `found`, `not found` or `not checked`."""
    for one in found:
        state = {True: "found", False: "not found here", None: "not checked"}[one.here]
        yield f"{state}: {one.what}: {one.detail}"


def check_presence(job: Job, site: Site) -> None:
    """Refuse a job whose engine, corpus or labelled sequences are not here, where it runs without a container.

    This machine's file system is taken to be the job's, as for `init_from`. Errors: `InputError`.
    """
    if not isinstance(site, Slurm | Local) or (isinstance(site, Slurm) and site.container_image):
        return
    python = Path(engine_python(job.config))
    own = isinstance(site, Slurm) and (site.command_prefix or site.setup)
    if not own and not python.is_file():
        fix = "`make bridge` makes it. Or give a container with Megatron-Bridge: docs/engines.md."
        raise InputError("is not here, and engine=bridge needs it", where=python, fix=fix, kind="no-megatron-bridge")
    for one in requirements(job, site):
        if one.here is False and one.what.startswith(("dataset.corpus", "head.")):
            what, kind = ("corpus", "corpus-not-here") if one.what.startswith("dataset") else ("file", "table-not-here")
            first = "Prepare it, or give" if kind == "corpus-not-here" else "Give"
            fix = f"{first} the {what}'s path. --dry-run prints the script for another machine."
            raise InputError(one.detail, where=one.what, fix=fix, kind=kind)


def _host(job: Job, site: Slurm | Local, name: str) -> Path:
    path = job.directory / name
    return on_host(path, site) if isinstance(site, Slurm) else path


def _corpus(name: str, path: Path) -> Requirement:
    what = f"dataset.corpus={name}"
    if (path / FILE_NAME).is_file():
        return Requirement(what=what, here=True, detail=f"a prepared corpus at {path}")
    detail = f"{path} has no {FILE_NAME}: it is not a prepared corpus" if path.is_dir() else f"no directory {path}"
    return Requirement(what=what, here=False, detail=detail)


def _path(key: str, name: str, path: Path) -> Requirement:
    there = path.exists()
    return Requirement(what=f"{key}={name}", here=there, detail=str(path) if there else f"no file or directory {path}")


def _run_directory(name: str, path: Path) -> Requirement:
    """It is made by the run; what has to be there is a directory to make it in."""
    what, above = f"run_dir={name}", path
    while not above.exists() and above != above.parent:
        above = above.parent
    if not above.is_dir():
        return Requirement(what=what, here=False, detail=f"{above} is not a directory")
    if not os.access(above, os.W_OK):
        return Requirement(what=what, here=False, detail=f"{above} cannot be written by you")
    if above == path:
        return Requirement(what=what, here=True, detail=f"{path}; the run resumes from its checkpoints, if it has any")
    return Requirement(what=what, here=True, detail=f"it will be made in {above}")


def _container(image: str) -> Requirement:
    what = f"launch.container_image={image}"
    if image.startswith(("/", "./", "../")) or image.endswith((".sqsh", ".sif")):
        there = Path(image).is_file()
        return Requirement(what=what, here=there, detail=image if there else f"no file {image}")
    return _not_checked(what, "it is in a registry")


def _not_checked(what: str, why: str) -> Requirement:
    return Requirement(what=what, here=None, detail=f"{why}, which cannot be seen from here")
