"""Executors for NeMo's own command: `nemo llm pretrain --factory llama3_tiny_genomic run.executor=genomic_cpu`.

Arguments are given by place, `run.executor='genomic_cpu(2)'`: NeMo-Run 0.11.1 cuts at a second equals sign.
They are NeMo-Run's, with the environment of `launch.submit`. For a script to read, `genomic-llama launch` has its own.
"""

import os
import sys
from pathlib import Path
from typing import Optional

import nemo_run as run

from configs.compose import compose_config
from configs.schema import TrainConfig
from launch.submit.environment import environment


@run.cli.factory  # type: ignore[untyped-decorator]
def genomic_cpu(processes: int = 1) -> run.Config[run.LocalExecutor]:
    """torchrun on this machine's CPU. NeMo's own `torchrun` executor asks for CUDA."""
    return _local(processes, _machine("train_tiny", nodes=1, devices=processes))


@run.cli.factory  # type: ignore[untyped-decorator]
def genomic_local(gpus: int = 8) -> run.Config[run.LocalExecutor]:
    """torchrun on this machine's GPUs."""
    return _local(gpus, _machine("train_8b_opengenome2", nodes=1, devices=gpus))


@run.cli.factory  # type: ignore[untyped-decorator]
def genomic_slurm(
    account: str,
    partition: Optional[str] = None,  # noqa: UP045 - NeMo-Run's parser does not know `str | None`
    nodes: int = 1,
    gpus: int = 8,
    time: str = "04:00:00",
    container_image: Optional[str] = None,  # noqa: UP045
    container_mounts: str = "",
) -> run.Config[run.SlurmExecutor]:
    """sbatch from a login node: one rank a GPU, SIGUSR1 five minutes before the limit. Mounts with commas between."""
    return run.Config(
        run.SlurmExecutor,
        account=account,
        partition=partition,
        nodes=nodes,
        ntasks_per_node=gpus,
        gpus_per_node=gpus,
        time=time,
        signal="USR1@300",
        retries=100,  # NeMo-Run requeues after any failure, so often
        exclusive=True,
        mem="0",
        container_image=container_image,
        container_mounts=[mount for mount in container_mounts.split(",") if mount],
        srun_args=["--cpu-bind=none"],
        tunnel=run.Config(run.LocalTunnel, job_dir=str(Path.cwd() / "runs" / "nemo_run")),
        packager=run.Config(run.GitArchivePackager),
        env_vars=_variables(_machine("train_8b_opengenome2", nodes=nodes, devices=gpus)),
    )


def _machine(configuration: str, *, nodes: int, devices: int) -> TrainConfig:
    """A configuration on so many devices, by which some of the variables go."""
    return compose_config(configuration, [f"hardware.num_nodes={nodes}", f"hardware.devices={devices}"])


def _local(processes: int, config: TrainConfig) -> run.Config[run.LocalExecutor]:
    # torchrun is looked up by name; it is beside this environment's Python.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return run.Config(
        run.LocalExecutor,
        ntasks_per_node=processes,
        launcher="torchrun",
        env_vars={**_variables(config), "PATH": path},
    )


def _variables(config: TrainConfig) -> dict[str, str]:
    return {name: value for name, value, _ in environment(config)}
