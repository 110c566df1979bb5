"""Executors for NeMo's own command: `nemo llm pretrain --factory llama3_tiny_genomic run.executor=genomic_cpu`.

Arguments are given by place, `run.executor='genomic_cpu(2)'`: NeMo-Run 0.11.1 cuts at a second equals sign.
They are NeMo-Run's, with the environment of `launch.submit`. For a script to read, `genomic-llama launch` has its own.
"""

import os
import shlex
import sys
from pathlib import Path
from typing import Any, Optional

import nemo_run as run

from configs.compose import compose_config
from configs.schema import TrainConfig
from launch.submit.environment import environment
from training.stops import STOP_DIR


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
    return _slurm(
        _machine("train_8b_opengenome2", nodes=nodes, devices=gpus),
        gpus_per_node=gpus,
        exclusive=True,
        mem="0",
        account=account,
        partition=partition,
        time=time,
        container_image=container_image,
        container_mounts=[mount for mount in container_mounts.split(",") if mount],
    )


@run.cli.factory  # type: ignore[untyped-decorator]
def genomic_slurm_cpu(
    account: str,
    partition: Optional[str] = None,  # noqa: UP045
    nodes: int = 1,
    processes: int = 1,
    time: str = "04:00:00",
) -> run.Config[run.SlurmExecutor]:
    """sbatch from a login node, on CPUs: to try a recipe, and a cluster, at the size of the tiny model."""
    return _slurm(
        _machine("train_tiny", nodes=nodes, devices=processes), account=account, partition=partition, time=time
    )


def _slurm(config: TrainConfig, **fields: Any) -> run.Config[run.SlurmExecutor]:
    return run.Config(
        run.SlurmExecutor,
        nodes=config.hardware.num_nodes,
        ntasks_per_node=config.hardware.devices,
        signal="USR1@300",
        retries=MOST_RESTARTS,
        setup_lines=_setup(in_container=bool(fields.get("container_image"))),
        srun_args=["--cpu-bind=none", *([] if fields.get("container_image") else [f"--chdir={Path.cwd()}"])],
        tunnel=run.Config(run.LocalTunnel, job_dir=""),  # NeMo-Run's own directory of experiments
        packager=run.Config(run.Packager),  # copies nothing: nodes see this installation, or the container has it
        env_vars=_variables(config),
        **fields,
    )


MOST_RESTARTS = 1000
"""NeMo-Run's script requeues after any failure, so often; `_setup` leaves that to the run."""


def _setup(*, in_container: bool) -> str:
    """Lines before `srun`: this environment's programs, and a `scontrol` that requeues only where the run asked for it.

    The run says so in the directory `GENOMIC_LLAMA_STOP_DIR` (`training.stops`), a new one per attempt beside the log.
    NeMo-Run writes the directory of the log for `/nemo_run` where there is no container, which has it there.
    """
    lines = [] if in_container else [f'export PATH={shlex.quote(str(Path(sys.executable).parent))}:"$PATH"']
    return "\n".join([*lines, REQUEUE])


REQUEUE = f"""attempt=$SLURM_JOB_ID.${{SLURM_RESTART_COUNT:-0}}
said=$(dirname "$(scontrol show job "$SLURM_JOB_ID" | sed -n 's/^ *StdOut=//p')")/stops/$attempt
mkdir -p "$said"
export {STOP_DIR}=/nemo_run/stops/$attempt
scontrol() {{
    if [ "$1" = requeue ] && [ ! -s "$said/requeue" ]; then
        echo "not requeued: the run did not ask to be started again"
        return 0
    fi
    command scontrol "$@"
}}"""


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
