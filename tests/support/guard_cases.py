"""Runs in which something goes wrong on purpose; called in each rank's process (`nemo_process.train_over`)."""

import time
from typing import Any

import torch

FACTORS: dict[int, float] = {}


def spoil_losses(factors: dict[int, float]) -> None:
    """From now on the losses of the training sample of each index are multiplied, by NaN for example."""
    import recipes.model

    FACTORS.update(factors)
    recipes.model.causal_forward_step = spoiled_forward_step


def spoiled_forward_step(model: Any, batch: Any) -> torch.Tensor:
    """`causal_forward_step`, and then the factors."""
    from megatron.core import parallel_state

    from training.forward import causal_forward_step

    losses = causal_forward_step(model, batch)
    if not torch.is_grad_enabled() or not parallel_state.is_pipeline_last_stage():
        return losses
    factors = torch.tensor([FACTORS.get(int(index), 1.0) for index in batch["index"]])
    return losses * factors[:, None]


def hang_at(index: int) -> None:
    """From now on the sample of an index is never read, as from a mount that has gone."""
    from corpus.samples.dataset import SampleDataset

    read = SampleDataset.__getitem__

    def stuck(self: SampleDataset, at: int) -> Any:
        while at == index:
            time.sleep(1)
        return read(self, at)

    SampleDataset.__getitem__ = stuck  # type: ignore[method-assign]
