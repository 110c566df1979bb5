"""The state of Lightning's trainer after some steps, as NeMo 2 has it in `common.pt`, for a run to resume from."""

from typing import Any

from conversion.megatron.training_state import Training

# Lightning brings the state of an older one up to date by it; this is the one that nemo-toolkit 2.7.3 is pinned to.
_VERSION = "2.4.0"


def fresh_state() -> dict[str, Any]:
    """Of a trainer that has done nothing."""
    return {"epoch": 0, "global_step": 0, "state_dict": {}}


def trainer_state(training: Training) -> dict[str, Any]:
    """Of one that did the steps of `training`: its counters, its optimizer, the place in the data, the schedule's step.

    Random states and the guard's memory of losses are not in it; both begin again.
    """
    step = training.step
    return {
        **fresh_state(),
        "global_step": step,
        "pytorch-lightning_version": _VERSION,
        "loops": {"fit_loop": _fit_loop(step)},
        "callbacks": {},
        "optimizer_states": {},
        "optimizer": [training.optimizer],
        "lr_schedulers": [{"last_epoch": step, "_step_count": step + 1}],
        "GenomicDataModule": {"consumed_samples": training.consumed, **training.order},
    }


def _fit_loop(step: int) -> dict[str, Any]:
    """The counters of Lightning's loops. A checkpoint is written at the end of a batch, which is not completed then."""
    batches = {"ready": step, "completed": step - 1, "started": step, "processed": step}
    no_batches = dict.fromkeys(batches, 0)
    no_steps = {"ready": 0, "completed": 0}
    steps = {"ready": step, "completed": step}
    return {
        "state_dict": {},
        "epoch_loop.state_dict": {"_batches_that_stepped": step - 1},
        "epoch_loop.batch_progress": {**_both(batches), "is_last_batch": False},
        "epoch_loop.scheduler_progress": _both(steps),
        "epoch_loop.automatic_optimization.state_dict": {},
        "epoch_loop.automatic_optimization.optim_progress": {
            "optimizer": {"step": _both(steps), "zero_grad": _both({**no_steps, "started": 0})}
        },
        "epoch_loop.manual_optimization.state_dict": {},
        "epoch_loop.manual_optimization.optim_step_progress": _both(no_steps),
        "epoch_loop.val_loop.state_dict": {},
        "epoch_loop.val_loop.batch_progress": {**_both(no_batches), "is_last_batch": False},
        "epoch_progress": _both({"ready": 1, "completed": 0, "started": 1, "processed": 0}),
    }


def _both(counts: dict[str, int]) -> dict[str, Any]:
    return {"total": dict(counts), "current": dict(counts)}
