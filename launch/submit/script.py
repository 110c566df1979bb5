"""The script of a job, complete and to read: sbatch and shell from templates, Kubernetes and SkyPilot as YAML."""

import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from configs.schema import TrainConfig
from launch.submit.environment import Variable, environment
from launch.submit.sites import Kubernetes, Local, Site, Skypilot, Slurm
from training.status import PREEMPTED

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True, kw_only=True)
class Job:
    """A training run to be launched."""

    recipe: str
    config_name: str
    overrides: tuple[str, ...]
    config: TrainConfig
    directory: Path  # of this repository, on the machines where the job runs

    @property
    def name(self) -> str:
        """A name that Slurm and Kubernetes accept."""
        return re.sub(r"[^a-z0-9]+", "-", self.recipe.lower()).strip("-")[:40]

    @property
    def arguments(self) -> list[str]:
        """Of `python`: the module, the configuration, the overrides."""
        return ["-m", "recipes.train", "--config-name", self.config_name, *self.overrides]

    @property
    def gpu(self) -> str:
        """What it runs on, for a heading."""
        machine = self.config.hardware
        kind = machine.gpu if machine.accelerator == "gpu" else machine.accelerator
        return f"{machine.num_nodes} x {machine.devices} {kind}"


def job_script(job: Job, site: Site) -> str:
    """The text of the script for a site."""
    if isinstance(site, Slurm):
        return _from_template("slurm.sh.j2", job, site)
    if isinstance(site, Kubernetes):
        return _heading(job, "Kubeflow Trainer 2.1") + _KUBEFLOW + _yaml(_train_job(job, site))
    if isinstance(site, Skypilot):
        return _heading(job, "SkyPilot; sky jobs launch FILE") + _yaml(_sky_task(job, site))
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
        variables=_variables(job, site),
        command=_lines([python, *job.arguments]),
        status=PREEMPTED,
    )


def _variables(job: Job, site: Site) -> list[Variable]:
    """The recipe's, then the site's, which win."""
    given = [variable for variable in environment(job.config) if variable[0] not in site.environment]
    return [*given, *((name, value, "this site's") for name, value in site.environment.items())]


def _lines(words: list[str]) -> str:
    """A command over several lines: one option or override on each after the first."""
    start = words.index("recipes.train") + 1
    pairs = [words[:start], words[start : start + 2], *([word] for word in words[start + 2 :])]
    return " \\\n    ".join(shlex.join(part) for part in pairs)


def _unquoted(words: Sequence[str]) -> str:
    """A command whose variables the shell is to fill in."""
    return " \\\n    ".join(words)


def _train_job(job: Job, site: Kubernetes) -> dict[str, Any]:
    """A TrainJob as NeMo-Run's KubeflowExecutor makes one (`get_job_body`), with a volume in place of a data mover.

    Fields are those of Trainer 2.1; 2.0 has `podSpecOverrides` for `podTemplateOverrides`, and 2.2 `runtimePatches`.
    None of them has the grace period of a pod.
    """
    machine = job.config.hardware
    resources = {"nvidia.com/gpu": str(machine.devices), **site.resources}
    pod: dict[str, Any] = {
        "volumes": [
            {"name": "work", "persistentVolumeClaim": {"claimName": site.claim}},
            {"name": "shared-memory", "emptyDir": {"medium": "Memory", "sizeLimit": site.shared_memory}},
        ],
        "containers": [
            {
                "name": "node",
                "volumeMounts": [
                    {"name": "work", "mountPath": site.mount},
                    {"name": "shared-memory", "mountPath": "/dev/shm"},
                ],
            }
        ],
    }
    if site.pull_secret:
        pod["imagePullSecrets"] = [{"name": site.pull_secret}]
    metadata: dict[str, Any] = {"generateName": f"{job.name}-", "namespace": site.namespace}
    if site.queue:
        metadata["labels"] = {"kueue.x-k8s.io/queue-name": site.queue}
    # Kubeflow's runtime sets PET_NNODES, PET_NODE_RANK, PET_MASTER_ADDR and so on, which torchrun reads.
    script = f"cd {shlex.quote(site.workdir)}\nexec {_lines(['torchrun', *job.arguments])}\n"
    return {
        "apiVersion": "trainer.kubeflow.org/v1alpha1",
        "kind": "TrainJob",
        "metadata": metadata,
        "spec": {
            "runtimeRef": {"name": site.runtime},
            "trainer": {
                "image": site.image,
                "numNodes": machine.num_nodes,
                "numProcPerNode": machine.devices,
                "command": ["bash", "-ec", script],
                "env": [{"name": name, "value": value} for name, value, _ in _variables(job, site)],
                "resourcesPerNode": {"requests": resources, "limits": resources},
            },
            "podTemplateOverrides": [{"targetJobs": [{"name": "node"}], "spec": pod}],
        },
    }


_KUBEFLOW = (
    "# 2.0 and 2.2 have other names for podTemplateOverrides. A pod has 30 s from SIGTERM on unless the\n"
    "# ClusterTrainingRuntime has terminationGracePeriodSeconds in its pod template: a TrainJob cannot say it.\n"
)

SKY_NAMES = {
    "a100": "A100-80GB",
    "h100": "H100",
    "h200": "H200",
    "b200": "B200",
    "gb200": "GB200",
    "b300": "B300",
    "gb300": "GB300",
}


def _sky_task(job: Job, site: Skypilot) -> dict[str, Any]:
    machine = job.config.hardware
    resources: dict[str, Any] = {
        "accelerators": f"{SKY_NAMES.get(machine.gpu, machine.gpu)}:{machine.devices}",
        "use_spot": site.use_spot,
        "network_tier": "best",
        "job_recovery": {"max_restarts_on_errors": site.restarts},
    }
    if site.infra:
        resources["infra"] = site.infra
    if site.image:
        resources["image_id"] = site.image
    torchrun = [
        "torchrun",
        "--nnodes=$SKYPILOT_NUM_NODES",
        "--nproc-per-node=$SKYPILOT_NUM_GPUS_PER_NODE",
        "--node-rank=$SKYPILOT_NODE_RANK",
        '--master-addr="$head"',
        "--master-port=29500",
    ]
    run = f'head=$(echo "$SKYPILOT_NODE_IPS" | head -n 1)\nexec {_unquoted(torchrun)} \\\n    {_lines(job.arguments)}\n'
    task: dict[str, Any] = {
        "name": job.name,
        "num_nodes": machine.num_nodes,
        "resources": resources,
        "workdir": ".",
        "envs": {name: value for name, value, _ in _variables(job, site)},
        "setup": f"{site.setup}\n",
        "run": run,
    }
    if site.mounts:
        task["file_mounts"] = dict(site.mounts)
    return task


def _heading(job: Job, kind: str) -> str:
    return f"# {job.recipe} on {job.gpu}; written by genomic-llama launch, for {kind}.\n"


def _yaml(content: dict[str, Any]) -> str:
    import yaml  # type: ignore[import-untyped]

    class Dumper(yaml.SafeDumper):  # type: ignore[misc]
        """Lines of a script as lines."""

        def ignore_aliases(self, data: Any) -> bool:
            return True

    def text(dumper: Any, value: str) -> Any:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)

    Dumper.add_representer(str, text)
    return str(yaml.dump(content, Dumper=Dumper, sort_keys=False, width=120))
