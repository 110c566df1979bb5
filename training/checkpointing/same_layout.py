"""Whether the optimizer's state in a run's checkpoints fits its layout: from names and YAML alone.

Megatron-Core's distributed optimizer writes one buffer for each part of the model, cut for data parallelism (NeMo's
`dp_reshardable`). Such a state can be dealt out again over data and context parallelism, and over nothing else.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from configs.schema import TrainConfig
from conversion.checkpoint import read_mapping
from conversion.locate import iterations, newest_first
from conversion.manifest import read_manifest
from conversion.megatron.bridge_config import NAME as RUN_CONFIG
from foundation.errors import InputError
from training.checkpointing.same_run import newest_whole

_BUFFERS = b"optimizer.distributed.dp_group_idx_"
"""In the names of what `dp_reshardable` stores, in either engine. `fully_reshardable` state has no such names."""


@dataclass(frozen=True, kw_only=True)
class OptimizerLayout:
    """What the stored form of the optimizer's state depends on."""

    tensor: int
    pipeline: int
    distributed: bool

    def __str__(self) -> str:
        kind = "distributed" if self.distributed else "plain"
        return f"tensor {self.tensor}, pipeline {self.pipeline} and the {kind} optimizer"

    def fits(self, other: "OptimizerLayout") -> bool:
        """The plain optimizer's state is stored per parameter, so it can be sharded differently."""
        return self == other or not (self.distributed or other.distributed)


def layout_of(config: TrainConfig) -> OptimizerLayout:
    """That of a run which is about to start."""
    layout = config.parallelism
    return OptimizerLayout(tensor=layout.tensor, pipeline=layout.pipeline, distributed=layout.distributed_optimizer)


def live_layout(strategy: Any) -> OptimizerLayout:
    """That of NeMo's Megatron strategy."""
    return OptimizerLayout(
        tensor=strategy.tensor_model_parallel_size,
        pipeline=strategy.pipeline_model_parallel_size,
        distributed=bool(getattr(strategy.ddp_config, "use_distributed_optimizer", False)),
    )


def check_same_layout(folder: Path, now: OptimizerLayout) -> None:
    """Check that the layout `now` can load the optimizer state of the checkpoint that a run in `folder` resumes from.

    What is damaged is left to the check of the whole checkpoint, and the one before it is asked.
    Errors: `InputError` of the kind `optimizer-layout` that names both layouts.
    """
    newest_whole(folder)
    of_bridge = sorted(iterations(folder).items(), reverse=True)
    for path in (*newest_first(folder), *(path for _, path in of_bridge)):
        try:
            if read_manifest(path) is None:
                continue
            before = _stored_layout(path)
        except (InputError, OSError):
            continue
        if before is not None and not before.fits(now):
            raise InputError(
                f"its optimizer state is that of {before}, but this run has {now}",
                where=path,
                fix=f"Continue with parallelism.tensor={before.tensor}, parallelism.pipeline={before.pipeline} and "
                f"parallelism.distributed_optimizer={str(before.distributed).lower()} (data and context parallelism "
                "may change), or start a new run from the checkpoint's weights (init_from, and another run_dir).",
                kind="optimizer-layout",
            )
        return


def _stored_layout(checkpoint: Path) -> OptimizerLayout | None:
    """The layout of the run that wrote it; None where it does not matter, or nothing tells it."""
    of_bridge = (checkpoint / RUN_CONFIG).is_file()
    content = read_mapping(checkpoint / RUN_CONFIG if of_bridge else checkpoint / "context" / "model.yaml")
    weights = checkpoint if of_bridge else checkpoint / "weights"
    try:
        model = content["model" if of_bridge else "config"]
        optimizer = content["optimizer"] if of_bridge else content["optim"]["config"]
        layout = OptimizerLayout(
            tensor=int(model["tensor_model_parallel_size"]),
            pipeline=int(model["pipeline_model_parallel_size"]),
            distributed=bool(optimizer["use_distributed_optimizer"]),
        )
    except (KeyError, TypeError, ValueError):
        return None
    return layout if _BUFFERS in (weights / ".metadata").read_bytes() or not layout.distributed else None
