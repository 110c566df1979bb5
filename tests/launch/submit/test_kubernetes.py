"""Kubernetes manifests: read by the models of each Kubeflow Trainer that is supported, and their command run."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from foundation.errors import InputError
from launch.submit.launch import make_script

ROOT = Path(__file__).parents[3]
BIN = Path(sys.executable).parent
VERSIONS = ("2.1.0", "2.2.0", "2.3.0")
PLACE = ("launch.image=x/y:1", "launch.claim=work", "run_dir=/workspace/run", "dataset.corpus=/workspace/corpus")
FULL = (
    *PLACE,
    "hardware.num_nodes=4",
    "launch.name=mine",
    "launch.claims={/reference: genomes:ro, /scratch: scratch}",
    "launch.resources={rdma/ib: 8}",
    "launch.queue=team",
    "launch.pull_secret=s",
    "launch.service_account=trainer",
    "launch.priority_class=high",
    "launch.node_selector={gpu.nvidia.com/class: H100}",
    "launch.tolerations=[nvidia.com/gpu=present:NoSchedule, spot:NoExecute, any]",
    "launch.annotations={k8s.v1.cni.cncf.io/networks: rdma}",
    "launch.labels={team: genomics}",
    "launch.environment={NCCL_IB_HCA: mlx5, NCCL_SOCKET_IFNAME: eth0}",
    "launch.grace_seconds=600",
    "launch.cpu=96",
    "launch.memory=900Gi",
)
CPU = (
    *PLACE,
    "hardware=cpu",
    "parallelism=plain",
    "precision=fp32",
    "hardware.devices=2",
    "dataset.global_batch_size=8",
)


def manifest(*overrides: str, recipe: str = "llama3_8b_genomic") -> list[dict[str, Any]]:
    text = make_script(recipe, overrides, target="kubernetes", directory=Path("/"))[-1]
    return list(yaml.safe_load_all(str(text)))


def pod(documents: list[dict[str, Any]]) -> dict[str, Any]:
    (node,) = documents[0]["spec"]["template"]["spec"]["replicatedJobs"]
    spec: dict[str, Any] = node["template"]["spec"]["template"]["spec"]
    return spec


def models_keep(documents: list[dict[str, Any]], version: str) -> Any:
    folder = ROOT / ".schemas" / f"trainer-{version}"
    if not folder.is_dir():
        pytest.skip(f"Kubeflow Trainer's models {version} are not here: make schemas")
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    command = [sys.executable, ROOT / "tests" / "support" / "trainer_schema.py"]
    result = subprocess.run(
        command, input=json.dumps(documents), env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr[-2000:]
    return json.loads(result.stdout)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_of_trainer_keeps_every_field(version: str) -> None:
    documents = [*manifest(*PLACE), *manifest(*FULL), *manifest(*CPU, recipe="llama3_tiny_genomic")]
    assert models_keep(documents, version) == documents


@pytest.mark.parametrize("version", VERSIONS)
def test_the_models_drop_what_they_do_not_know(version: str) -> None:
    """So that the test above can fail: `podTemplateOverrides` is of 2.1 alone."""
    documents = manifest(*PLACE)
    documents[1]["spec"]["podTemplateOverrides"] = [{"targetJobs": [{"name": "node"}]}]
    assert (models_keep(documents, version) == documents) is (version == "2.1.0")


def test_the_job_runs_on_its_own_runtime() -> None:
    runtime, job = manifest(*FULL)
    assert (runtime["kind"], job["kind"]) == ("TrainingRuntime", "TrainJob")
    assert runtime["metadata"]["name"] == job["metadata"]["name"] == job["spec"]["runtimeRef"]["name"] == "mine"
    assert job["metadata"]["labels"] == {"kueue.x-k8s.io/queue-name": "team"}
    names = {manifest(*PLACE)[0]["metadata"]["name"] for _ in range(3)}
    assert len(names) == 3  # each submission has a name of its own


def test_status_75_and_evictions_restart_without_end_and_failures_do_not() -> None:
    runtime, _ = manifest(*FULL, "launch.restarts=2")
    policy = runtime["spec"]["template"]["spec"]["failurePolicy"]
    assert policy["maxRestarts"] == 2
    assert [rule["action"] for rule in policy["rules"]] == ["RestartJobSetAndIgnoreMaxRestarts"]
    assert policy["rules"][0]["onJobFailureReasons"] == ["PodFailurePolicy"]
    (node,) = runtime["spec"]["template"]["spec"]["replicatedJobs"]
    spec = node["template"]["spec"]
    assert spec["backoffLimit"] == 0
    exits, evicted = spec["podFailurePolicy"]["rules"]
    assert exits == {"action": "FailJob", "onExitCodes": {"containerName": "node", "operator": "In", "values": [75]}}
    assert evicted["onPodConditions"] == [{"type": "DisruptionTarget", "status": "True"}]
    assert spec["template"]["spec"]["restartPolicy"] == "Never"  # a pod failure policy asks for it


def test_a_pod_can_write_and_use_the_network() -> None:
    spec = pod(manifest(*FULL))
    assert spec["terminationGracePeriodSeconds"] == 600
    assert (spec["securityContext"]["runAsNonRoot"], spec["securityContext"]["fsGroup"]) == (True, 1000)
    (container,) = spec["containers"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"], "add": ["IPC_LOCK"]}
    claims = {one["mountPath"]: one.get("readOnly", False) for one in container["volumeMounts"]}
    assert claims == {"/workspace": False, "/reference": True, "/scratch": False, "/dev/shm": False}
    assert spec["volumes"][-1]["emptyDir"] == {"medium": "Memory", "sizeLimit": "64Gi"}
    assert spec["tolerations"] == [
        {"key": "nvidia.com/gpu", "operator": "Equal", "value": "present", "effect": "NoSchedule"},
        {"key": "spot", "operator": "Exists", "effect": "NoExecute"},
        {"key": "any", "operator": "Exists"},
    ]
    trainer = manifest(*FULL)[1]["spec"]["trainer"]
    assert trainer["resourcesPerNode"] == {
        "requests": {"cpu": "96", "memory": "900Gi", "nvidia.com/gpu": "8", "rdma/ib": "8"},
        "limits": {"nvidia.com/gpu": "8", "rdma/ib": "8"},
    }
    variables = {one["name"]: one["value"] for one in trainer["env"]}
    assert (variables["NCCL_IB_HCA"], variables["NCCL_DEBUG"]) == ("mlx5", "WARN")
    plain = pod(manifest(*PLACE))
    assert "add" not in plain["containers"][0]["securityContext"]["capabilities"]
    assert "add" in pod(manifest(*PLACE, "launch.ipc_lock=true"))["containers"][0]["securityContext"]["capabilities"]


def test_cpus_are_enough_to_try_it() -> None:
    runtime, job = manifest(*CPU, recipe="llama3_tiny_genomic")
    assert job["spec"]["trainer"]["resourcesPerNode"] == {"requests": {"cpu": "2", "memory": "8Gi"}}
    assert not any(one["name"].startswith("NCCL") for one in job["spec"]["trainer"]["env"])
    assert runtime["spec"]["mlPolicy"]["numNodes"] == 1


@pytest.mark.parametrize(
    ("override", "kind"),
    [
        ("launch.claim=My_Claim", "kubernetes-name"),
        ("launch.claims={/x: 'a/b'}", "kubernetes-name"),
        ("launch.namespace=a.b", "kubernetes-name"),
        ("launch.memory=900 GB", "kubernetes-quantity"),
        ("launch.resources={rdma/ib: eight}", "kubernetes-quantity"),
        ("launch.node_selector={'a b': x}", "kubernetes-key"),
        ("launch.claims={reference: genomes}", "kubernetes-path"),
        ("launch.mount=/", "kubernetes-path"),
        ("launch.claims={/workspace/: other}", "mount-twice"),
        ("launch.user=0", "runs-as-root"),
        ("launch.restarts=-1", "kubernetes-count"),
        ("launch.tolerations=['nvidia.com/gpu:Never']", "toleration"),
        ("launch.tolerations=[':NoSchedule']", "toleration"),
    ],
)
def test_refused_before_kubernetes_does(override: str, kind: str) -> None:
    with pytest.raises(InputError) as error:
        manifest(*PLACE, override)
    assert error.value.kind == kind


@pytest.mark.parametrize(
    ("overrides", "accepted"),
    [
        (("run_dir=/reference/run",), False),  # read-only
        (("run_dir=/scratch/run", "dataset.corpus=/reference/corpus"), True),
        (("run_dir=runs/mine",), False),  # in the image
        (("run_dir=/workspace/fixed/run",), False),  # a read-only claim inside
        (("run_dir=/tmp/run",), False),
        (("dataset.corpus=/data/corpus",), False),
    ],
)
def test_a_run_lies_on_a_claim_that_can_be_written(overrides: tuple[str, ...], accepted: bool) -> None:
    given = (*PLACE, "launch.claims={/reference: genomes:ro, /scratch: s, /workspace/fixed: f:ro}", *overrides)
    if accepted:
        assert manifest(*given)
        return
    with pytest.raises(InputError) as error:
        manifest(*given)
    assert error.value.kind == "off-mounts"


STUB = """#!/usr/bin/env bash
echo "$@" > "$OUT/arguments"; env > "$OUT/environment"
trap 'sleep 0.2; mkdir -p "$GENOMIC_LLAMA_STOP_DIR"; echo 75 > "$GENOMIC_LLAMA_STOP_DIR/status"; exit 137' TERM
touch "$OUT/started"
{body}
"""


def run_command(tmp_path: Path, body: str, *, terminate: bool = False) -> int:
    """The pod's command, with a stand-in for training."""
    _, job = manifest(
        "launch.image=i",
        "launch.claim=c",
        f"launch.mount={tmp_path}",
        f"launch.workdir={tmp_path}",
        f"run_dir={tmp_path}/run",
        f"dataset.corpus={tmp_path}/c",
    )
    (tmp_path / "bin").mkdir()
    stub = tmp_path / "bin" / "python"
    stub.write_text(STUB.format(body=body))
    stub.chmod(0o755)
    environment = {
        "PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin",
        "OUT": str(tmp_path),
        "PET_NODE_RANK": "1",
        "PET_MASTER_ADDR": "host-0",
        "PET_MASTER_PORT": "29400",
        "ATTEMPT": "2",
    }
    process = subprocess.Popen(job["spec"]["trainer"]["command"], env=environment)
    if terminate:
        for _ in range(500):
            if (tmp_path / "started").exists():
                break
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
    return process.wait(timeout=30)


@pytest.mark.parametrize("status", [0, 1, 65, 70, 75])
def test_the_status_of_training_is_the_pods(status: int, tmp_path: Path) -> None:
    assert run_command(tmp_path, f"exit {status}") == status
    assert (tmp_path / "arguments").read_text().startswith("-m recipes.train --config-name train_8b_opengenome2")
    told = dict(line.split("=", 1) for line in (tmp_path / "environment").read_text().splitlines() if "=" in line)
    assert (told["NODE_RANK"], told["MASTER_ADDR"], told["MASTER_PORT"]) == ("1", "host-0", "29400")
    assert told["GENOMIC_LLAMA_STOP_DIR"].startswith(f"{tmp_path}/run/kubernetes/llama3-8b-genomic-")
    assert told["GENOMIC_LLAMA_STOP_DIR"].endswith(".2")


def test_what_the_run_says_of_its_end_counts(tmp_path: Path) -> None:
    said = 'mkdir -p "$GENOMIC_LLAMA_STOP_DIR"; echo 75 > "$GENOMIC_LLAMA_STOP_DIR/status"; exit 137'
    assert run_command(tmp_path, said) == 75


def test_sigterm_reaches_training_and_is_waited_for(tmp_path: Path) -> None:
    body = "sleep 20 & wait $!"
    assert run_command(tmp_path, body, terminate=True) == 75


def test_the_command_passes_shellcheck() -> None:
    _, job = manifest(*FULL)
    text = job["spec"]["trainer"]["command"][-1]
    lint = [BIN / "shellcheck", "--shell=bash", "-"]
    result = subprocess.run(lint, input=text, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout
