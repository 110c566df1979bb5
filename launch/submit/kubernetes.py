"""A Kubernetes job: a TrainJob of Kubeflow Trainer, and the TrainingRuntime that it runs on.

The runtime is the job's own. A TrainJob alone can say neither how a pod ends nor what ends the job, and what it can say
has another name in each version of Trainer; a TrainingRuntime has one form in 2.1, 2.2 and 2.3, and holds whole pods.
"""

import re
import secrets
import shlex
from typing import Any

from foundation.errors import InputError
from launch.submit.environment import Variable
from launch.submit.job import Job, heading, lines, variables, yaml_text
from launch.submit.sites import Kubernetes
from training.status import PREEMPTED

API = "trainer.kubeflow.org/v1alpha1"
EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_NAME = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_QUANTITY = r"\d+(\.\d+)?(m|[kMGTP]|[KMGTP]i)?"
_KEY = r"([a-z0-9.-]+/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"

_COMMENT = """\
# kubectl create --filename THIS; kubectl delete trainjob,trainingruntime NAME takes both away.
# A pod that ends with status {status} has saved a checkpoint: all pods are started again, however often. After another
# failure they are {restarts} times. The variables PET_ are Kubeflow's.
"""


def kubernetes_manifest(job: Job, site: Kubernetes) -> str:
    """Both objects as YAML. Errors: `InputError` for what Kubernetes would refuse by name."""
    check_kubernetes(site)
    name = site.name or f"{job.name}-{secrets.token_hex(3)}"
    comment = _COMMENT.format(status=PREEMPTED, restarts=site.restarts)
    head = heading(job, "Kubeflow Trainer 2.1 to 2.3") + comment
    return head + yaml_text(_training_runtime(job, site, name), _train_job(job, site, name))


def check_kubernetes(site: Kubernetes) -> None:
    """Refuse names, quantities and taints that are none. Errors: `InputError`."""
    names = {
        "namespace": site.namespace,
        "claim": site.claim,
        "name": site.name,
        "queue": site.queue,
        "pull_secret": site.pull_secret,
        "service_account": site.service_account,
        "priority_class": site.priority_class,
        **{f"claims {path}": claim.removesuffix(":ro") for path, claim in site.claims.items()},
    }
    for key, value in names.items():
        if value is not None and not re.fullmatch(_NAME, value):
            fix = "Use lower-case letters, digits and -, at most 63."
            raise InputError(f"launch.{key}={value}", fix=fix, kind="kubernetes-name")
    quantities = {"shared_memory": site.shared_memory, "cpu": site.cpu, "memory": site.memory, **site.resources}
    for key, value in quantities.items():
        if value is not None and not re.fullmatch(_QUANTITY, value):
            raise InputError(
                f"launch: {key}={value}", fix="Write a quantity: 8, 500m, 64Gi.", kind="kubernetes-quantity"
            )
    for key in (*site.node_selector, *site.annotations, *site.labels, *site.resources):
        if not re.fullmatch(_KEY, key):
            raise InputError(f"launch: {key!r} is not a key", fix="Write name or prefix/name.", kind="kubernetes-key")
    if site.mount in {path.rstrip("/") for path in site.claims}:
        raise InputError(f"launch: two claims at {site.mount}", fix="Give each its own path.", kind="mount-twice")
    for path in (site.mount, *site.claims):
        if not path.startswith("/") or path == "/":
            raise InputError(f"launch: mount {path!r}", fix="Give an absolute path below /.", kind="kubernetes-path")
    if site.user < 1 or site.group < 1:
        problem = f"launch.user={site.user}, launch.group={site.group}"
        raise InputError(problem, fix="The image runs as any user but root: give numbers above 0.", kind="runs-as-root")
    if site.restarts < 0 or site.grace_seconds < 1:
        problem = f"launch.restarts={site.restarts}, launch.grace_seconds={site.grace_seconds}"
        raise InputError(problem, fix="Give restarts from 0, and seconds above 0.", kind="kubernetes-count")
    for taint in site.tolerations:
        _toleration(taint)


def _training_runtime(job: Job, site: Kubernetes, name: str) -> dict[str, Any]:
    template: dict[str, Any] = {
        "metadata": {"annotations": dict(site.annotations), "labels": dict(site.labels)},
        "spec": _pod(site),
    }
    pods = {
        "backoffLimit": 0,  # one pod cannot be started again alone: the others wait for it in a collective
        "podFailurePolicy": {
            "rules": [
                {
                    "action": "FailJob",
                    "onExitCodes": {"containerName": "node", "operator": "In", "values": [PREEMPTED]},
                },
                {"action": "FailJob", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
            ]
        },
        "template": template,
    }
    saved = {
        "name": "saved",
        "action": "RestartJobSetAndIgnoreMaxRestarts",
        "onJobFailureReasons": ["PodFailurePolicy"],
    }
    node = {
        "name": "node",
        "template": {"metadata": {"labels": {"trainer.kubeflow.org/trainjob-ancestor-step": "trainer"}}, "spec": pods},
    }
    return {
        "apiVersion": API,
        "kind": "TrainingRuntime",
        "metadata": {
            "name": name,
            "namespace": site.namespace,
            "labels": {"trainer.kubeflow.org/framework": "torch"},
        },
        "spec": {
            "mlPolicy": {"numNodes": job.config.hardware.num_nodes, "torch": {}},
            "template": {
                "spec": {
                    "failurePolicy": {"maxRestarts": site.restarts, "rules": [saved]},
                    "replicatedJobs": [node],
                }
            },
        },
    }


def _pod(site: Kubernetes) -> dict[str, Any]:
    capabilities: dict[str, Any] = {"drop": ["ALL"]}
    if site.ipc_lock if site.ipc_lock is not None else any("rdma" in key for key in site.resources):
        capabilities["add"] = ["IPC_LOCK"]
    volumes, mounts = _volumes(site)
    optional = {
        "imagePullSecrets": [{"name": site.pull_secret}] if site.pull_secret else None,
        "serviceAccountName": site.service_account,
        "priorityClassName": site.priority_class,
        "nodeSelector": dict(site.node_selector) or None,
        "tolerations": [_toleration(taint) for taint in site.tolerations] or None,
    }
    return {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": site.grace_seconds,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": site.user,
            "runAsGroup": site.group,
            "fsGroup": site.group,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        **{key: value for key, value in optional.items() if value is not None},
        "volumes": volumes,
        "containers": [
            {
                "name": "node",
                "image": site.image,
                "securityContext": {"allowPrivilegeEscalation": False, "capabilities": capabilities},
                "env": [_ATTEMPT],
                "volumeMounts": mounts,
            }
        ],
    }


_ATTEMPT: dict[str, Any] = {
    "name": "ATTEMPT",
    "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['jobset.sigs.k8s.io/restart-attempt']"}},
}


def _volumes(site: Kubernetes) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Of a pod: all claims, and shared memory, which is 64 MiB without."""
    claims = {site.mount: site.claim, **site.claims}
    volumes: list[dict[str, Any]] = []
    mounts: list[dict[str, Any]] = []
    for number, (path, claim) in enumerate(claims.items()):
        name, read_only = f"work-{number}", claim.endswith(":ro")
        source: dict[str, Any] = {"claimName": claim.removesuffix(":ro"), **({"readOnly": True} if read_only else {})}
        volumes.append({"name": name, "persistentVolumeClaim": source})
        mounts.append({"name": name, "mountPath": path, **({"readOnly": True} if read_only else {})})
    volumes.append({"name": "shared-memory", "emptyDir": {"medium": "Memory", "sizeLimit": site.shared_memory}})
    mounts.append({"name": "shared-memory", "mountPath": "/dev/shm"})
    return volumes, mounts


def _toleration(taint: str) -> dict[str, str]:
    """KEY=VALUE:EFFECT, KEY:EFFECT, KEY=VALUE or KEY, as kubectl writes taints."""
    word, _, effect = taint.partition(":")
    key, equals, value = word.partition("=")
    if not re.fullmatch(_KEY, key) or (":" in taint and effect not in EFFECTS):
        fix = f"Write KEY=VALUE:EFFECT or KEY:EFFECT, with an effect of {', '.join(EFFECTS)}."
        raise InputError(f"launch.tolerations holds {taint!r}", fix=fix, kind="toleration")
    matched = {"operator": "Equal", "value": value} if equals else {"operator": "Exists"}
    return {"key": key, **matched, **({"effect": effect} if effect else {})}


def _train_job(job: Job, site: Kubernetes, name: str) -> dict[str, Any]:
    machine = job.config.hardware
    labels = {"kueue.x-k8s.io/queue-name": site.queue} if site.queue else {}
    return {
        "apiVersion": API,
        "kind": "TrainJob",
        "metadata": {"name": name, "namespace": site.namespace, **({"labels": labels} if labels else {})},
        "spec": {
            "runtimeRef": {"apiGroup": "trainer.kubeflow.org", "kind": "TrainingRuntime", "name": name},
            "trainer": {
                "image": site.image,
                "numNodes": machine.num_nodes,
                "numProcPerNode": machine.devices,
                "command": ["bash", "-c", _command(job, site, name)],
                "env": [{"name": name, "value": value} for name, value, _ in _environment(job, site)],
                "resourcesPerNode": _resources(job, site),
            },
        },
    }


def _environment(job: Job, site: Kubernetes) -> list[Variable]:
    given = variables(job, site)
    if job.config.hardware.accelerator == "gpu" and "NCCL_DEBUG" not in site.environment:
        given.append(("NCCL_DEBUG", "WARN", "NCCL says why it fails"))
    return given


def _resources(job: Job, site: Kubernetes) -> dict[str, dict[str, str]]:
    machine = job.config.hardware
    on_gpu = machine.accelerator == "gpu"
    devices = {"nvidia.com/gpu": str(machine.devices)} if on_gpu else {}
    devices |= site.resources
    cpu = site.cpu or str(machine.devices * (8 if on_gpu else 1))
    memory = site.memory or f"{machine.devices * (64 if on_gpu else 4)}Gi"
    requests = {"cpu": cpu, "memory": memory, **devices}
    return {"requests": requests, **({"limits": devices} if devices else {})}


def _command(job: Job, site: Kubernetes, name: str) -> str:
    """Of each pod: one process, which starts the others of its node, and whose signals and status are the pod's."""
    stops = shlex.quote(f"{job.config.run_dir.rstrip('/')}/kubernetes/{name}")
    return f"""set -eu
cd {shlex.quote(site.workdir)}
export NODE_RANK="$PET_NODE_RANK" MASTER_ADDR="$PET_MASTER_ADDR" MASTER_PORT="$PET_MASTER_PORT"
# Where the run says how it ended, to all pods: the first process to end ends the others.
export GENOMIC_LLAMA_STOP_DIR={stops}."${{ATTEMPT:-0}}"
{lines(["python", *job.arguments])} &
training=$!
asked=
trap 'asked=yes; kill -TERM "$training"' TERM
status=0
wait "$training" || status=$?
if [[ -n $asked ]]; then status=0; wait "$training" || status=$?; fi
if [[ -s $GENOMIC_LLAMA_STOP_DIR/status ]]; then status=$(<"$GENOMIC_LLAMA_STOP_DIR/status"); fi
exit "$status"
"""
