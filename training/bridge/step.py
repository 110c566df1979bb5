"""A micro-batch through the model, and the sums of its losses, which the log and the guard read."""

import functools
from collections.abc import Mapping
from typing import Any

import torch
from megatron.bridge.training.losses import masked_next_token_loss

from training.forward import causal_forward_step, genomic_data_step
from training.metrics.loss_sums import LossSums


class ForwardStep:
    """Bridge's `forward_step_func`. `sums` is where losses go; the log changes it for a validation."""

    def __init__(self) -> None:
        self.sums = LossSums()
        self.validating = False
        self.loss = 0.0
        """Of the last step, on every rank, in fp32 as in NeMo."""
        self._micro_batches: list[torch.Tensor] = []

    def __call__(self, data_iterator: Any, model: Any, return_schedule_plan: bool = False) -> tuple[torch.Tensor, Any]:
        """The loss of each token, and the function that makes one loss of them."""
        batch = genomic_data_step(data_iterator)
        return causal_forward_step(model, batch), functools.partial(self._loss, batch)

    def _loss(self, batch: Mapping[str, Any], output: torch.Tensor) -> Any:
        source = batch["source"] if self.validating else torch.zeros_like(batch["source"])
        self.sums.add(output, batch["labels"], batch["loss_mask"], source)
        result = masked_next_token_loss(batch["loss_mask"], output, check_for_nan_in_loss=False)
        if not self.validating:
            self._micro_batches.append(result[2]["lm loss"])
        return result

    def take_loss(self) -> float:
        """The mean loss of the micro-batches since it was last taken, on all ranks. Collective."""
        from megatron.core import parallel_state

        sums = torch.zeros(2, dtype=torch.float64, device="cuda")  # also on stages that have no losses
        if self._micro_batches:
            sums = torch.stack(self._micro_batches).double().sum(0)
        self._micro_batches = []
        torch.distributed.all_reduce(sums, group=parallel_state.get_data_parallel_group(with_context_parallel=True))
        torch.distributed.broadcast(
            sums,
            src=parallel_state.get_pipeline_model_parallel_last_rank(),
            group=parallel_state.get_pipeline_model_parallel_group(),
        )
        self.loss = float((sums[0] / sums[1]).float())
        return self.loss
