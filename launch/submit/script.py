"""The script of a job, complete and to read: sbatch and shell from templates, Kubernetes and SkyPilot as YAML."""

import shlex
from pathlib import Path

from launch.preflight.engine import engine_python
from launch.submit.job import Job, lines, variables
from launch.submit.kubernetes import kubernetes_manifest
from launch.submit.sites import Kubernetes, Local, Site, Skypilot, Slurm
from launch.submit.skypilot import skypilot_task
from launch.submit.slurm_paths import FOLDER, NO_PYXIS, log_directive, on_host
from training.status import PREEMPTED

TEMPLATES = Path(__file__).parent / "templates"


def job_script(job: Job, site: Site) -> str:
    """The text of the script for a site."""
    if isinstance(site, Slurm):
        return _from_template("slurm.sh.j2", job, site)
    if isinstance(site, Kubernetes):
        return kubernetes_manifest(job, site)
    if isinstance(site, Skypilot):
        return skypilot_task(job, site)
    return _from_template("local.sh.j2", job, site)


def _from_template(name: str, job: Job, site: Slurm | Local) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    templates = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    templates.filters["sh"] = lambda value: shlex.quote(str(value))
    given = _slurm_values(job, site) if isinstance(site, Slurm) else {}
    return templates.get_template(name).render(
        job=job,
        site=site,
        variables=variables(job, site),
        command=lines([_python(job, site), *job.arguments]),
        status=PREEMPTED,
        **given,
    )


def _python(job: Job, site: Slurm | Local) -> str:
    """The engine's environment's, by its path, unless a container, or a line of the user's own, brings another."""
    elsewhere = isinstance(site, Slurm) and (site.container_image or site.command_prefix or site.setup)
    return "python" if elsewhere else engine_python(job.config)


def _slurm_values(job: Job, site: Slurm) -> dict[str, str]:
    """`inside`: where a rank says how it stopped; `logs`: that on the host; `output`: the log as sbatch takes it."""
    inside = job.directory / job.config.run_dir / FOLDER
    logs = on_host(inside, site)
    return {
        "inside": str(inside),
        "logs": str(logs),
        "output": log_directive(logs),
        "no_pyxis": NO_PYXIS,
    }
