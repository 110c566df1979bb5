"""SkyPilot tasks, read by SkyPilot's own parser where `make integrations` has put it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from foundation.errors import InputError
from launch.submit.launch import make_script

ROOT = Path(__file__).parents[3]
BIN = Path(sys.executable).parent
PLACE = ("run_dir=/data/run", "dataset.corpus=/data/corpus", "launch.mounts={/data: s3://bucket}")


def text(*overrides: str, recipe: str = "llama3_8b_genomic") -> str:
    return str(make_script(recipe, overrides, target="skypilot", directory=Path("/"))[-1])


def task(*overrides: str, recipe: str = "llama3_8b_genomic") -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load(text(*overrides, recipe=recipe))
    return read


def parsed(content: str, folder: Path) -> dict[str, Any]:
    python = ROOT / ".venv-skypilot" / "bin" / "python"
    if not python.exists():
        pytest.skip("SkyPilot is not here: make integrations")
    (folder / "task.yaml").write_text(content)
    environment = {**os.environ, "HOME": str(folder), "SKYPILOT_DISABLE_USAGE_COLLECTION": "1"}
    command = [python, ROOT / "tests" / "support" / "sky_task.py", "task.yaml"]
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-2000:]
    read: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return read


def test_skypilot_mounts_the_bucket_and_does_not_copy_it(tmp_path: Path) -> None:
    """A plain `path: bucket` is a download: checkpoints would never reach the bucket."""
    read = parsed(
        text(
            *PLACE,
            "hardware=h200",
            "hardware.num_nodes=2",
            "launch.use_spot=true",
            "launch.volumes={/fast: my-volume}",
            "launch.downloads={/reference: s3://other/reference}",
            "launch.infra=aws/us-east-1",
        ),
        tmp_path,
    )
    assert read["mounts"]["/data"] == ["s3://bucket", "MOUNT_CACHED"]
    assert read["volumes"] == {"/fast": "my-volume"}
    assert read["downloads"] == {"/reference": "s3://other/reference"}
    assert (read["num_nodes"], read["accelerators"], read["use_spot"]) == (2, {"H200": 8}, True)
    assert read["recovery"]["recover_on_exit_codes"] == [75]
    assert read["recovery"]["max_restarts_on_errors"] == 3
    assert "PYTHONUNBUFFERED" in read["envs"]


def test_skypilot_reads_a_task_without_gpus(tmp_path: Path) -> None:
    given = (*PLACE, "launch.mount_mode=MOUNT", "hardware.devices=2", "dataset.global_batch_size=8")
    content = text(*given, recipe="llama3_tiny_genomic")
    assert yaml.safe_load(content)["resources"]["cpus"] == "2+"
    read = parsed(content, tmp_path)
    assert read["accelerators"] is None
    assert read["mounts"]["/data"] == ["s3://bucket", "MOUNT"]


@pytest.mark.parametrize(
    ("overrides", "kind"),
    [
        (("launch.mounts={/data: /home/me}",), "not-a-bucket"),
        (("launch.mounts={/data: bucket}",), "not-a-bucket"),
        (("launch.mount_mode=COPY",), "mount-mode"),
        (("launch.downloads={/data: s3://x}",), "mount-twice"),
        (("launch.restarts=-1",), "skypilot-count"),
        (("run_dir=/reference/run", "launch.downloads={/reference: s3://x}"), "off-mounts"),
        (("run_dir=runs/mine",), "off-mounts"),
        (("run_dir=/data/local/run", "launch.downloads={/data/local: s3://x}"), "off-mounts"),
        (("run_dir=/data/../tmp/run",), "off-mounts"),
        (("dataset.corpus=/elsewhere",), "off-mounts"),
    ],
)
def test_refused(overrides: tuple[str, ...], kind: str) -> None:
    with pytest.raises(InputError) as error:
        text(*PLACE, *overrides)
    assert error.value.kind == kind


def test_a_run_may_lie_on_a_volume_and_read_a_download() -> None:
    made = task(
        "run_dir=/fast/run",
        "dataset.corpus=/reference/corpus",
        "launch.volumes={/fast: v}",
        "launch.downloads={/reference: s3://b}",
    )
    assert made["file_mounts"] == {"/reference": "s3://b"}
    assert made["volumes"] == {"/fast": "v"}


@pytest.mark.parametrize(("ends", "status"), [("exit 0", 0), ("exit 65", 65), ("exit 75", 75), ("SAY; exit 137", 75)])
def test_the_status_of_training_is_the_tasks(ends: str, status: int, tmp_path: Path) -> None:
    stub = tmp_path / "python"
    say = 'echo 75 > "$GENOMIC_LLAMA_STOP_DIR/status"'
    stub.write_text(
        f'#!/usr/bin/env bash\necho "$NODE_RANK $MASTER_ADDR" > {tmp_path}/told\n{ends.replace("SAY", say)}\n'
    )
    stub.chmod(0o755)
    environment = {
        "PATH": f"{tmp_path}:/usr/bin:/bin",
        "SKYPILOT_NODE_RANK": "1",
        "SKYPILOT_NODE_IPS": "10.0.0.1\n10.0.0.2",
    }
    run = task(*PLACE)["run"]
    assert subprocess.run(["bash", "-c", run], env=environment, check=False).returncode == status
    assert (tmp_path / "told").read_text() == "1 10.0.0.1\n"
    lint = [BIN / "shellcheck", "--shell=bash", "-"]
    result = subprocess.run(lint, input=run, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout
