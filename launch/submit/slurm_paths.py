"""Where a Slurm job writes, as its script and its ranks see it: in a container a directory may have another name."""

import os
import re
from pathlib import Path, PurePosixPath

from launch.submit.sites import Slurm

FOLDER = "slurm"
"""In the run's directory: the log of a job, and what each attempt said of how it ended."""

NO_PYXIS = (
    "Ask the cluster's administrators for it, or start another container runtime with launch.command_prefix, such as "
    "'apptainer exec --nv IMAGE.sif'."
)


def mounts(site: Slurm) -> list[tuple[PurePosixPath, PurePosixPath]]:
    """Pairs of a directory of the host and its name in the container, of `launch.container_mounts`."""
    pairs = []
    for entry in ",".join(site.container_mounts).split(",") if site.container_mounts else ():
        host, _, rest = entry.partition(":")
        pairs.append((PurePosixPath(host), PurePosixPath(rest.partition(":")[0] or host)))
    return pairs


def on_host(path: Path, site: Slurm) -> Path:
    """The host's name of a path that a rank uses."""
    path = Path(os.path.normpath(path))
    if site.container_image:
        for host, inside in sorted(mounts(site), key=lambda pair: -len(pair[1].parts)):
            if path.is_relative_to(inside):
                return Path(host / path.relative_to(inside))
    return path


def log_directive(folder: Path) -> str:
    """The log of a job in `folder` as an #SBATCH line takes it: no shell reads that, and %x is the job's name there."""
    escaped = re.sub(r'([\\"])', r"\\\1", str(folder)).replace("%", "%%")
    name = f"{escaped}/%x-%j.log"
    return name if re.fullmatch(r"[\w/.@:+,=%-]+", name) else f'"{name}"'
