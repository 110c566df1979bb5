"""What a run takes beside its optimizer steps: validation, checkpoints, starts and failures; and its disk space."""

from dataclasses import dataclass

from configs.llama import LlamaArchitecture
from configs.schema import TrainConfig
from training.metrics.flops import layer_adapters

START_SECONDS = 300.0
"""Assumed for one start of a job: imports, NCCL, reading a checkpoint, the first slow steps."""
SAVE_SECONDS = 10.0
"""Assumed for one checkpoint: training waits while its state is copied to the host's memory, before it is written."""
GPU_HOURS_BETWEEN_FAILURES = 50_700
"""Meta's 54 days on 16,384 H100 with 419 unexpected interruptions (The Llama 3 Herd of Models, 2024, table 5)."""
FORWARD_SHARE = 1 / 3
"""Of a step's time: validation has no backward pass."""
GRACE_SECONDS = 300.0
"""Seconds of a job's time limit reserved for the last checkpoint; `launch.grace_seconds` by default."""


@dataclass(frozen=True, kw_only=True)
class Overheads:
    """Seconds beside the optimizer steps, of the whole run."""

    validation: float
    checkpoints: float
    starts: float  # one for each job
    failures: float  # steps done again after an unexpected end, and the start after it
    jobs: int

    @property
    def total(self) -> float:
        """Seconds of all of them."""
        return self.validation + self.checkpoints + self.starts + self.failures


def overheads(config: TrainConfig, step_seconds: float, *, job_seconds: float) -> Overheads:
    """Of a run of `trainer.max_steps`, cut into jobs of a time limit."""
    trainer, gpus = config.trainer, config.hardware.devices * config.hardware.num_nodes
    training = trainer.max_steps * step_seconds
    one_validation = trainer.validation_batches * step_seconds * FORWARD_SHARE
    validation = trainer.max_steps // trainer.validate_every * one_validation
    checkpoints = trainer.max_steps // trainer.checkpoint_every * SAVE_SECONDS
    interval = trainer.checkpoint_every * step_seconds
    busy = training + validation + checkpoints
    failures = busy * gpus / 3600 / GPU_HOURS_BETWEEN_FAILURES * (min(interval, busy) / 2 + START_SECONDS)
    jobs = max(1, -int(-(busy + failures) // max(1.0, job_seconds - GRACE_SECONDS - START_SECONDS)))
    return Overheads(
        validation=validation,
        checkpoints=checkpoints,
        starts=jobs * START_SECONDS,
        failures=failures,
        jobs=jobs,
    )


@dataclass(frozen=True, kw_only=True)
class Disk:
    """Bytes that a run needs."""

    checkpoint: int  # one
    checkpoints: int  # as many as are kept at once
    corpus: int | None  # None where it is not at hand

    @property
    def total(self) -> int:
        """Bytes of what is known."""
        return self.checkpoints + (self.corpus or 0)


def disk(config: TrainConfig, architecture: LlamaArchitecture, *, steps: int, corpus: int | None) -> Disk:
    """A checkpoint has a bf16 weight, an fp32 master weight and two moments per trained parameter.

    With one more than `keep_checkpoints`, since the new one is complete before the oldest is deleted.
    """
    trained = architecture.parameters
    if config.lora.dim:
        trained = architecture.num_hidden_layers * layer_adapters(architecture, config.lora.ranks)
    precision = config.precision
    weight = 4 if precision.compute == "32" else 2 + 4
    one = trained * (weight + 2 * (2 if precision.moments == "bfloat16" else 4))
    saved = max(1, steps // config.trainer.checkpoint_every)
    kept = saved if config.trainer.keep_checkpoints == -1 else min(saved, config.trainer.keep_checkpoints + 1)
    return Disk(checkpoint=one, checkpoints=one * kept, corpus=corpus)
