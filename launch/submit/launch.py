"""From a recipe and a site to a script, and to the program that submits it."""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from configs.compose import compose_config
from configs.extension import run_architecture
from configs.schema import HeadConfig
from corpus import synthetic
from foundation.atomic import atomic_file
from foundation.errors import InputError
from foundation.terminal import print_lines, print_text, warn
from launch.planning.commands import plan_command
from launch.planning.memory import GIB, memory_per_gpu
from launch.planning.names import configuration
from launch.planning.search import fits
from launch.preflight.check import check_config
from launch.preflight.engine import check_engine_is_nemo
from launch.submit.job import Job
from launch.submit.presence import check_presence
from launch.submit.script import job_script
from launch.submit.sites import Kubernetes, Local, Site, Skypilot, Slurm, read_site
from launch.submit.slurm_paths import FOLDER, NO_PYXIS, on_host
from launch.submit.slurm_paths import mounts as container_mounts
from training.checkpointing.same_model import check_initial_weights
from training.data.sources import parse_sources

SUFFIX = {"slurm": "sbatch", "kubernetes": "yaml", "skypilot": "sky.yaml", "local": "sh"}
SUBMIT = {
    "slurm": ("sbatch",),
    "kubernetes": ("kubectl", "create", "--filename"),  # each script has a name of its own
    "skypilot": ("sky", "jobs", "launch"),
    "local": ("bash",),
}


def make_job(recipe: str, overrides: Sequence[str], directory: Path) -> Job:
    """The job of a recipe; checked as training will check it, but for labelled sequences that are not here.

    Errors: `InputError` for what cannot work, before anything waits in a queue for it.
    """
    name, own = configuration(recipe)
    overrides = (*own, *overrides)
    config = compose_config(name, overrides)
    check_config(config, read_labels=_has_labels(config.head))
    return Job(recipe=recipe, config_name=name, overrides=overrides, config=config, directory=directory)


def _has_labels(head: HeadConfig) -> bool:
    """Whether the files of a head are here; where they are not, this is said."""
    absent = [f"{key}={path}" for key, path in head.files.items() if not Path(path).exists()]
    if head.kind != "none" and absent:
        warn(f"{', '.join(absent)}: not on this machine, so labels are not checked; the job checks them at its start")
    return not absent


def make_script(
    recipe: str,
    overrides: Sequence[str],
    *,
    target: str,
    site_file: Path | None = None,
    directory: Path,
    submitted: bool = False,
) -> tuple[Job, Site, str]:
    """The job, its site and its script. `launch.KEY=VALUE` among the overrides are the site's.

    Where it is to be `submitted` from here, and runs without a container, its corpus and `init_from` have to be here.
    """
    own = [override for override in overrides if override.startswith("launch.")]
    job = make_job(recipe, [override for override in overrides if override not in own], directory)
    if target == "skypilot":
        check_engine_is_nemo(job.config, "launch --skypilot")
    machine = job.config.hardware
    if target == "local" and machine.num_nodes > 1:
        raise InputError(
            f"--local with hardware.num_nodes={machine.num_nodes}", fix="Give hardware.num_nodes=1.", kind="local-nodes"
        )
    site, missing = read_site(target, site_file, own)
    mounts: list[str] = []
    if not isinstance(site, Slurm | Local):
        mounts = readable(site)
        missing += outside_mounts(job, durable=durable(site), readable=mounts)
    if missing:
        raise _missing_settings(recipe, overrides, missing, mounts, target=target, site_file=site_file)
    if isinstance(site, Slurm) and site.container_image:
        check_container(job, site)
    elif submitted and isinstance(site, Slurm | Local):
        check_presence(job, site)
        check_initial_weights(job.config, run_architecture(job.config))
    return job, site, job_script(job, site)


def memory_warning(job: Job) -> str:
    """What the plan says against the job; "" where it fits, or on a CPU."""
    config = job.config
    if config.hardware.memory_gib <= 0:
        return ""
    architecture = run_architecture(config)
    length = config.dataset.sequence_length or architecture.max_position_embeddings
    memory = memory_per_gpu(config, architecture, length)
    if fits(config, memory):
        return ""
    needed = f"{memory.total / GIB:.1f} GiB on a GPU of {config.hardware.memory_gib:.1f}"
    asked = job.overrides[len(configuration(job.recipe)[1]) :]
    return f"warning: the plan says that this needs {needed}. To see what to change: {plan_command(job.recipe, asked)}"


def _missing_settings(
    recipe: str,
    overrides: Sequence[str],
    missing: Sequence[str],
    mounts: Sequence[str],
    *,
    target: str,
    site_file: Path | None,
) -> InputError:
    """All that a site lacks in one message, and what was given on none of its `mounts`, with a command that has it."""
    keys = [word.split("=", 1)[0] for word in missing]
    off = [word for word in overrides if word.split("=", 1)[0] in keys and not word.startswith("launch.")]
    wanted = [key for key in keys if key not in {word.split("=", 1)[0] for word in off}]
    kept = [word for word in overrides if word.split("=", 1)[0] not in keys]
    own = [] if site_file is None else ["--site", str(site_file)]
    words = shlex.join([recipe, f"--{target}", "--dry-run", *own, *kept, *missing])
    fix = f"An example, with values to change: genomic-llama launch {words}"
    there = f" ({', '.join(mounts)})" if mounts else ""
    problems = [f"{word} is on no mount of the job{there}" for word in off]
    if wanted:
        problems.append(f"--{target} wants {', '.join(wanted)}")
    return InputError("; ".join(problems), fix=fix, kind="off-mounts" if off else "site-lacks")


def durable(site: Kubernetes | Skypilot) -> list[str]:
    """Directories of the job that outlive its machines, and can be written."""
    if isinstance(site, Kubernetes):
        return [site.mount, *(path for path, claim in site.claims.items() if not claim.endswith(":ro"))]
    return [*site.mounts, *site.volumes]


def readable(site: Kubernetes | Skypilot) -> list[str]:
    """Directories of the job that hold something when it starts."""
    return [*durable(site), *(site.claims if isinstance(site, Kubernetes) else site.downloads)]


def outside_mounts(job: Job, *, durable: Sequence[str], readable: Sequence[str]) -> list[str]:
    """What to give so that corpus and weights are there, and checkpoints outlive the machine."""
    missing = []
    if not durable:
        durable = ["/data"]
        readable = [*readable, *durable]
        missing.append("launch.mounts={/data: s3://my-bucket}")
    for key, values in _paths(job).items():
        places = durable if key == "run_dir" else readable
        if off := [one for one in values if _deepest(one, [*durable, *readable]) not in places]:
            name = Path(off[0]).name if len(off) == 1 else "corpus"
            missing.append(f"{key}={durable[0].rstrip('/')}/{name}")
    return missing


def check_container(job: Job, site: Slurm) -> None:
    """Refuse a path that is on no mount of a Slurm job's container: it is not there. Errors: `InputError`."""
    mounts = [str(job.directory), *(str(inside) for _, inside in container_mounts(site))]
    off = {
        key: one for key, values in _paths(job).items() for one in values if not _is_below(job.directory / one, mounts)
    }
    if off:
        settings = ", ".join(f"{key}={one}" for key, one in off.items())
        top = f"/{Path(os.path.normpath(job.directory / next(iter(off.values())))).parts[1]}"
        raise InputError(
            f"{settings}: not on a mount of the container ({', '.join(mounts)})",
            fix=f"Mount its directory, for example 'launch.container_mounts=[{top}:{top}]'.",
            kind="off-container-mounts",
        )


def _paths(job: Job) -> dict[str, list[str]]:
    """What the job reads and writes, by key."""
    corpus = job.config.dataset.corpus
    head = job.config.head
    corpora = [str(source.corpus) for source in parse_sources(corpus)] if head.kind == "none" else []
    return {
        "run_dir": [job.config.run_dir],
        "dataset.corpus": [one for one in corpora if one != synthetic.CORPUS],
        **({} if head.kind == "none" else {key: [path] for key, path in head.files.items()}),
        "init_from": [job.config.init_from] if job.config.init_from else [],
    }


def _deepest(path: str, mounts: Sequence[str]) -> str | None:
    """The mount of a path. A read-only mount may be inside a writable one."""
    holding = [mount for mount in mounts if _is_below(path, [mount])]
    return max(holding, key=lambda mount: len(Path(os.path.normpath(mount)).parts), default=None)


def _is_below(path: str | Path, mounts: Sequence[str]) -> bool:
    """By name alone, `..` resolved: the mounts are elsewhere."""
    return any(Path(os.path.normpath(path)).is_relative_to(os.path.normpath(mount)) for mount in mounts)


def submit(job: Job, site: Site, script: str, *, target: str) -> int:
    """Write the script beside the run and hand it to the scheduler. Returns the exit status of that."""
    program, *options = SUBMIT[target]
    if shutil.which(program) is None:
        raise InputError(
            f"{program} is not on this machine",
            fix="Print the script with --dry-run, and submit it from a machine that has it.",
            kind="no-scheduler",
        )
    run_dir = Path(job.config.run_dir)
    if isinstance(site, Slurm):
        run_dir = on_host(job.directory / run_dir, site)
        check_pyxis(site)
    path = run_dir / f"launch.{SUFFIX[target]}"
    with atomic_file(path) as temporary:
        temporary.write_text(script, encoding="utf-8", errors="surrogateescape")  # names are bytes
    if not isinstance(site, Slurm):
        return subprocess.run([program, *options, str(path)], check=False).returncode
    logs = run_dir / FOLDER
    logs.mkdir(exist_ok=True)
    sent = subprocess.run([program, str(path)], stdout=subprocess.PIPE, text=True, check=False)
    print_text(sent.stdout.strip())
    if number := re.search(r"Submitted batch job (\d+)", sent.stdout):
        print_lines(f"script: {path}", f"log:    {logs}/{job.name}-{number[1]}.log")
    return sent.returncode


def check_pyxis(site: Slurm) -> None:
    """Refuse a container where `srun` is at hand and does not know one. Errors: `InputError`."""
    if site.container_image is None or (srun := shutil.which("srun")) is None:
        return
    settings = subprocess.run([srun, "--help"], capture_output=True, text=True, check=False).stdout
    if "--container-image" not in settings:
        raise InputError(
            "needs pyxis, which this Slurm does not have", where="launch.container_image", fix=NO_PYXIS, kind="no-pyxis"
        )
