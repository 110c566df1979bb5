"""Settings of the site where a job runs: one frozen dataclass per kind of scheduler.

Values come from a YAML file (`--site my_cluster.yaml`) and from `launch.KEY=VALUE`; docs/launch.md and docs/cloud.md
list the keys.
"""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from configs.overrides import kind_of, read_text
from foundation.errors import InputError
from foundation.typed import MISSING, from_settings
from foundation.untrusted import read_yaml


@dataclass(frozen=True, kw_only=True)
class Slurm:
    """A Slurm cluster; containers through pyxis and enroot (`container_image`), or another way (`command_prefix`)."""

    account: str | None = None
    partition: str | None = None
    qos: str | None = None
    time: str = "04:00:00"  # limit of one job; the next job resumes the run
    grace_seconds: int = 300  # before the limit, when the run is asked to save and exit
    gres: str | None = None  # instead of --gpus-per-node, for clusters that need gpu:8
    container_image: str | None = None  # a .sqsh file, or nvcr.io#nvidia/pytorch:TAG; null: no container
    container_mounts: list[str] = field(default_factory=list)  # /path:/path; the working directory is always mounted
    command_prefix: str | None = None  # before python on each rank: apptainer exec --nv /lustre/genomic-llama.sif
    setup: str | None = None  # a shell line before training, in the container: . .venv/bin/activate
    environment: dict[str, str] = field(default_factory=dict)  # more variables, for NCCL above all
    directives: list[str] = field(default_factory=list)  # more #SBATCH options: --mail-type=END


@dataclass(frozen=True, kw_only=True)
class Kubernetes:
    """A Kubernetes cluster with Kubeflow Trainer, 2.1 to 2.3."""

    image: str = field(default=MISSING, metadata={"example": "registry.example.org/genomic-llama:1"})
    claim: str = field(
        default=MISSING, metadata={"example": "genomes"}
    )  # PersistentVolumeClaim for corpus and checkpoints, ReadWriteMany
    mount: str = "/workspace"  # where the claim appears; run_dir has to be below it, or below one of claims
    claims: dict[str, str] = field(default_factory=dict)  # more of them: /reference: genomes, or genomes:ro
    workdir: str = "/opt/genomic-llama"  # where the image has this repository
    namespace: str = "default"
    name: str | None = None  # of the job; null: the recipe's, with random letters
    queue: str | None = None  # of Kueue
    pull_secret: str | None = None
    service_account: str | None = None
    priority_class: str | None = None
    user: int = 1000  # uid of the job's processes; 0 is refused
    group: int = 1000  # gid of the processes, and of the volumes' files (fsGroup)
    shared_memory: str = "64Gi"  # /dev/shm, for NCCL and the data-loading processes
    cpu: str | None = None  # requested for each node; null: 8 cores for each GPU, 1 for each CPU process
    memory: str | None = None  # requested for each node; null: 64Gi for each GPU, 4Gi for each CPU process
    resources: dict[str, str] = field(default_factory=dict)  # more devices of each node: rdma/ib: "8"
    ipc_lock: bool | None = None  # capability IPC_LOCK, for RDMA; null: where resources names an RDMA device
    restarts: int = 3  # after a failure; not counted after a saved checkpoint (status 75) or an eviction
    grace_seconds: int = 300  # from SIGTERM until the pod is killed: time to finish a step and save
    node_selector: dict[str, str] = field(default_factory=dict)
    tolerations: list[str] = field(default_factory=list)  # in kubectl's form: nvidia.com/gpu=present:NoSchedule
    annotations: dict[str, str] = field(default_factory=dict)  # of the pods, for a network plugin
    labels: dict[str, str] = field(default_factory=dict)  # of the pods
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Skypilot:
    """A cloud, or several, through SkyPilot's managed jobs."""

    image: str | None = None  # docker:nvcr.io/...; null: SkyPilot's own
    infra: str | None = None  # aws/us-east-1, k8s/my-context, ...; null: the cheapest
    use_spot: bool = False
    restarts: int = 3  # after a failure; not counted after a preemption or a saved checkpoint (75)
    setup: str = "make install-gpu PYTHON=python3"
    mounts: dict[str, str] = field(default_factory=dict)  # buckets that stay connected: /data: s3://bucket
    mount_mode: str = "MOUNT_CACHED"  # of mounts: writes go through a cache on disk; MOUNT: straight to the bucket
    volumes: dict[str, str] = field(default_factory=dict)  # SkyPilot's volumes: /data: my-volume
    downloads: dict[str, str] = field(default_factory=dict)  # copied to the machine before the start: /ref: s3://b/ref
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Local:
    """This machine."""

    setup: str | None = None
    environment: dict[str, str] = field(default_factory=dict)


Site = Slurm | Kubernetes | Skypilot | Local
SITES: dict[str, type[Site]] = {"slurm": Slurm, "kubernetes": Kubernetes, "skypilot": Skypilot, "local": Local}


def read_site(target: str, file: Path | None, overrides: Sequence[str]) -> tuple[Site, list[str]]:
    """The site of a target from a YAML file and `launch.KEY=VALUE` overrides, and examples of missing keys.

    Errors: `InputError` for an unknown key, a wrong type, or a line break where a script cannot have one.
    """
    values: dict[str, Any] = {}
    if file is not None:
        values = read_yaml(file) or {}
        if not isinstance(values, dict):
            raise InputError("is not a mapping of keys to values", where=file, kind="site-file")
    for override in overrides:
        key, equals, text = override.removeprefix("launch.").partition("=")
        if not equals:
            fix = "Write launch.KEY=VALUE."
            raise InputError(f"{override!r} has no value", fix=fix, kind="not-an-override")
        values[key] = read_text(kind_of(SITES[target], key), text, f"launch.{key}")
    missing = {one.name: one.metadata["example"] for one in fields(SITES[target]) if one.default == MISSING}
    missing = {name: example for name, example in missing.items() if values.get(name, MISSING) == MISSING}
    # Read with examples in place of missing values, so that all other errors are reported first.
    site: Site = from_settings(SITES[target], {**values, **missing}, where="launch")
    if isinstance(site, Slurm):
        _check_time(site)
    for one in fields(site):
        if one.name != "setup":
            _check_lines(f"launch.{one.name}", asdict(site)[one.name])
    if isinstance(site, Slurm):
        _check_directives(site)
    for variable in site.environment:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", variable):
            raise InputError(
                f"launch.environment names {variable!r}",
                fix="A variable has letters, digits and _.",
                kind="variable-name",
            )
    return site, [f"launch.{name}={example}" for name, example in missing.items()]


LEAST_SECONDS = 180
"""Smallest time from the start of a job to the signal before its limit."""


def _check_time(site: Slurm) -> None:
    """Check that the limit is valid, and leaves time to train before the run is asked to save."""
    seconds = slurm_seconds(site.time)
    if seconds is None:
        raise InputError(
            f"launch.time={site.time}",
            fix="Write HOURS:MINUTES:SECONDS or DAYS-HOURS:MINUTES:SECONDS, and quote it.",
            kind="time-limit",
        )
    if site.grace_seconds <= 0 or seconds - site.grace_seconds < LEAST_SECONDS:
        raise InputError(
            f"launch.grace_seconds={site.grace_seconds} with launch.time={site.time} leaves "
            f"{seconds - site.grace_seconds} s to start and train",
            where="launch",
            fix=f"The run is asked to save that long before the limit. Leave at least {LEAST_SECONDS} s: loading the "
            "libraries takes up to a minute, and Slurm may ask a minute early.",
            kind="no-time-to-train",
        )


def slurm_seconds(time: str) -> int | None:
    """Seconds of a time limit with hours, minutes, seconds and optional days; None if it is not one.

    Slurm's other spellings are refused: a bare number is minutes, and YAML 1.1 reads 12:00:00 as seconds.
    """
    found = re.fullmatch(r"(?:(\d+)-)?(\d{1,3}):([0-5]\d):([0-5]\d)", time)
    if found is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def _check_directives(site: Slurm) -> None:
    """Check that each value in an #SBATCH line, which no shell reads, is one word."""
    for name in ("account", "partition", "qos", "gres"):
        value = getattr(site, name)
        if value is not None and not re.fullmatch(r"[^\s'\"\\;#$`]+", value):
            raise InputError(
                f"launch.{name}={value!r}", fix="Give one word without quotes, as in sbatch.", kind="not-one-word"
            )


def _check_lines(name: str, value: Any) -> None:
    texts = [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else [value]
    for text in texts:
        if isinstance(text, str) and not text.isprintable():
            raise InputError(
                f"{name} holds a line break or control character: {text!r}", fix="Remove it.", kind="unprintable"
            )
