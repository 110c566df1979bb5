"""NeMo's own command with the executors that are registered here."""

import json
import re
import shlex
from pathlib import Path

import pytest
from nemo_process import nemo, run_in_process
from scale_cases import parsed_executors, slurm_script


@pytest.mark.torture
def test_torchrun_on_a_cpu(tmp_path: Path) -> None:
    """The forked process takes the command; torchrun starts one that imports NeMo itself, which takes half a minute.

    Every time, what the executors ask for is read from them below, and the jobs of `make test-slurm` start torchrun.
    """
    run, log = tmp_path / "run", tmp_path / "log"
    status = nemo(
        "llm",
        "pretrain",
        "--factory",
        f"llama3_tiny_genomic(run_dir='{run}')",
        "-y",
        "run.executor=genomic_cpu(1)",
        "trainer.max_steps=2",
        "data.seq_length=64",
        "model.config.seq_length=64",
        log=log,
        home=tmp_path / "nemo_run",
    )
    assert status == 0, log.read_text()[-3000:]
    steps = [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert steps[:2] == [1, 2]
    assert "torch/distributed/launcher/api.py" in log.read_text()  # torchrun's own line: it has started


def test_the_slurm_executor_asks_for_what_the_launch_scripts_ask(tmp_path: Path) -> None:
    out, log = tmp_path / "sbatch", tmp_path / "log"
    assert run_in_process(slurm_script, out, log=log) == 0, log.read_text()[-3000:]
    text = out.read_text()
    for line in (
        "#SBATCH --account=me",
        "#SBATCH --nodes=2",
        "#SBATCH --ntasks-per-node=8",
        "#SBATCH --gpus-per-node=8",
        "#SBATCH --signal=USR1@300",
        "#SBATCH --time=08:00:00",
        "export CUDA_DEVICE_MAX_CONNECTIONS=32",
    ):
        assert line in text, text
    assert "--container-image image.sqsh" in text
    assert "--cpu-bind=none" in text


def test_the_forms_of_the_document_are_what_nemo_run_reads(tmp_path: Path) -> None:
    document = (Path(__file__).parents[3] / "docs" / "launch.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `'(genomic_\w+\(.*\))'` \|", document, flags=re.MULTILINE)
    (line,) = re.findall(r"`('run\.executor=genomic_slurm.*?)`", document)
    commands = [[f"executor={row}"] for row in rows] + [[word.removeprefix("run.") for word in shlex.split(line)]]
    out, log = tmp_path / "executors", tmp_path / "log"
    assert run_in_process(parsed_executors, commands, out, log=log) == 0, log.read_text()[-3000:]
    cpu, local, slurm, slurm_cpu, longer = json.loads(out.read_text())
    assert (cpu["ntasks_per_node"], local["ntasks_per_node"]) == (2, 8)
    assert (slurm["account"], slurm["partition"], slurm["nodes"], slurm["time"]) == ("bio", "h100", 8, "04:00:00")
    assert (slurm_cpu["partition"], slurm_cpu["nodes"], slurm_cpu["ntasks_per_node"]) == ("short", 2, 1)
    assert (longer["account"], longer["nodes"], longer["time"]) == ("bio", 8, "08:00:00")
    assert longer["container_mounts"] == ["/lustre:/lustre"]


def test_one_gpu_leaves_no_multiprocessors_to_others() -> None:
    from launch.submit.executors import genomic_local, genomic_slurm

    for one, many in (
        (genomic_local(gpus=1), genomic_local(gpus=2)),
        (genomic_slurm(account="me", gpus=1), genomic_slurm(account="me", nodes=2, gpus=1)),
    ):
        assert "NVTE_FWD_LAYERNORM_SM_MARGIN" not in one.env_vars
        assert many.env_vars["NVTE_FWD_LAYERNORM_SM_MARGIN"] == "20"
