"""The script of a job, complete and to read: sbatch and shell from templates, Kubernetes and SkyPilot as YAML."""

import shlex
import sys
from pathlib import Path

from launch.submit.job import Job, lines, variables
from launch.submit.kubernetes import kubernetes_manifest
from launch.submit.sites import Kubernetes, Local, Site, Skypilot, Slurm
from launch.submit.skypilot import skypilot_task
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
    python = sys.executable if isinstance(site, Local) else "python"  # of the container, or of launch.setup
    templates.filters["sh"] = lambda value: shlex.quote(str(value))
    return templates.get_template(name).render(
        job=job,
        site=site,
        variables=variables(job, site),
        command=lines([python, *job.arguments]),
        status=PREEMPTED,
    )
