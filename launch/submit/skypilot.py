"""A SkyPilot task for a managed job."""

import re
from typing import Any

from foundation.errors import InputError
from launch.submit.job import Job, heading, lines, variables, yaml_text
from launch.submit.sites import Skypilot
from training.status import PREEMPTED

GPU_NAMES = {
    "a100": "A100-80GB",
    "h100": "H100",
    "h200": "H200",
    "b200": "B200",
    "gb200": "GB200",
    "b300": "B300",
    "gb300": "GB300",
}
MODES = ("MOUNT_CACHED", "MOUNT")
_BUCKET = r"[a-z][a-z0-9]*://\S+"


def skypilot_task(job: Job, site: Skypilot) -> str:
    """The task as YAML. Errors: `InputError` for a mount that is none."""
    check_skypilot(site)
    return heading(job, "SkyPilot; sky jobs launch FILE") + yaml_text(_task(job, site))


def check_skypilot(site: Skypilot) -> None:
    """Refuse a mount of something that is not a bucket, a mode that is none, and two things at one place."""
    for path, source in site.mounts.items():
        if not re.fullmatch(_BUCKET, source):
            raise InputError(
                f"launch.mounts: {path}: {source} is not a bucket",
                fix="Write s3://bucket or the like. A volume goes into launch.volumes, a copy into launch.downloads.",
                kind="not-a-bucket",
            )
    if site.mount_mode not in MODES:
        raise InputError(
            f"launch.mount_mode={site.mount_mode}", fix=f"Use one of {', '.join(MODES)}.", kind="mount-mode"
        )
    places = [*site.mounts, *site.volumes, *site.downloads]
    if twice := next((one for one in places if places.count(one) > 1), None):
        raise InputError(
            f"launch: two things are mounted at {twice}", fix="Give each its own path.", kind="mount-twice"
        )
    if site.restarts < 0:
        raise InputError(f"launch.restarts={site.restarts}", fix="Give a number from 0.", kind="skypilot-count")


def _task(job: Job, site: Skypilot) -> dict[str, Any]:
    task: dict[str, Any] = {
        "name": job.name,
        "num_nodes": job.config.hardware.num_nodes,
        "resources": _resources(job, site),
        "workdir": ".",
        "envs": {name: value for name, value, _ in variables(job, site)},
        "setup": f"{site.setup}\n",
        "run": _run(job),
    }
    # Written out with their mode: a plain `path: bucket` is copied once, and what is written there is lost.
    files: dict[str, Any] = {path: {"source": one, "mode": site.mount_mode} for path, one in site.mounts.items()}
    files |= site.downloads
    if files:
        task["file_mounts"] = files
    if site.volumes:
        task["volumes"] = dict(site.volumes)
    return task


def _resources(job: Job, site: Skypilot) -> dict[str, Any]:
    machine = job.config.hardware
    resources: dict[str, Any] = {
        "use_spot": site.use_spot,
        "job_recovery": {"max_restarts_on_errors": site.restarts, "recover_on_exit_codes": [PREEMPTED]},
    }
    if machine.accelerator == "gpu":
        resources["accelerators"] = f"{GPU_NAMES.get(machine.gpu, machine.gpu)}:{machine.devices}"
        resources["network_tier"] = "best"
    else:
        resources["cpus"] = f"{machine.devices}+"
    if site.infra:
        resources["infra"] = site.infra
    if site.image:
        resources["image_id"] = site.image
    return resources


def _run(job: Job) -> str:
    """On each node: one process, which starts the others, and whose exit status SkyPilot sees."""
    return f"""export NODE_RANK="$SKYPILOT_NODE_RANK" MASTER_PORT=29500
MASTER_ADDR=$(echo "$SKYPILOT_NODE_IPS" | head -n 1)
GENOMIC_LLAMA_STOP_DIR=$(mktemp -d)
export MASTER_ADDR GENOMIC_LLAMA_STOP_DIR
status=0
{lines(["python", *job.arguments])} || status=$?
# The first process of a node to end ends the others; what the run itself says of its end counts.
if [[ -s $GENOMIC_LLAMA_STOP_DIR/status ]]; then status=$(<"$GENOMIC_LLAMA_STOP_DIR/status"); fi
exit "$status"
"""
