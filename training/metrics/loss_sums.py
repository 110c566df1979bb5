"""Loss and bits per base over many batches, exactly: sums over all micro-batches, ranks and stages."""

import math
from dataclasses import dataclass

import numpy as np
import torch

from tokenizer.sequence import is_unambiguous
from tokenizer.vocabulary import VOCAB_SIZE

_IS_BASE = is_unambiguous(np.arange(VOCAB_SIZE, dtype=np.uint8))


@dataclass(frozen=True, kw_only=True)
class MeanLoss:
    """Of one source: weighted loss in nats per token, and bits per base, over `bases`; None where nothing counted."""

    loss: float | None
    bits_per_base: float | None
    bases: int


class LossSums:
    """Sums by source. Nothing is kept of single samples, and nothing waits for the device until `means`."""

    def __init__(self, sources: int = 1) -> None:
        self._sums = torch.zeros(sources, 4, dtype=torch.float64)
        self._is_base = torch.from_numpy(_IS_BASE)

    def add(self, losses: torch.Tensor, labels: torch.Tensor, loss_mask: torch.Tensor, source: torch.Tensor) -> None:
        """Add a micro-batch: loss, label and weight of each token, [batch, sequence]; the losses may be in any shape.

        `source`: of each sample, [batch]. A base is a label A, C, G or T that has weight, whatever its weight is.
        """
        self._is_base = self._is_base.to(labels.device)
        weight, losses = loss_mask.double(), losses.detach().view_as(loss_mask).double()
        base = (self._is_base[labels] & (loss_mask > 0)).double()
        columns = [(losses * weight).sum(1), weight.sum(1), (losses * base).sum(1), base.sum(1)]
        self._sums = self._sums.to(labels.device).index_add_(0, source, torch.stack(columns, dim=1))

    def means(self) -> tuple[list[MeanLoss], MeanLoss]:
        """Of each source, and of all of them. A collective call: every rank has to make it."""
        from megatron.core import parallel_state

        sums = self._sums.cuda()  # also on pipeline stages that have no losses
        torch.distributed.all_reduce(sums, group=parallel_state.get_data_parallel_group(with_context_parallel=True))
        torch.distributed.broadcast(
            sums,
            src=parallel_state.get_pipeline_model_parallel_last_rank(),
            group=parallel_state.get_pipeline_model_parallel_group(),
        )
        rows = sums.tolist()
        return [_mean(*row) for row in rows], _mean(*(sum(column) for column in zip(*rows, strict=True)))


def _mean(loss: float, weight: float, nats: float, bases: float) -> MeanLoss:
    return MeanLoss(
        loss=loss / weight if weight else None,
        bits_per_base=nats / bases / math.log(2) if bases else None,
        bases=int(bases),
    )
