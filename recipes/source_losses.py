"""The validation loss of each source of a blend, exactly: weighted sums over all batches, ranks and stages."""

import torch


class SourceLosses:
    """Sums of loss and of weight, by source. Nothing is kept of single samples."""

    def __init__(self, sources: int) -> None:
        self._sums = torch.zeros(sources, 2, dtype=torch.float64)

    def add(self, losses: torch.Tensor, loss_mask: torch.Tensor, source: torch.Tensor) -> None:
        """Add a micro-batch: loss and weight of each token, [batch, sequence] in any shape, source of each sample."""
        weight = loss_mask.double()
        rows = torch.stack([(losses.detach().view_as(weight).double() * weight).sum(1), weight.sum(1)], dim=1)
        self._sums = self._sums.to(rows.device).index_add_(0, source, rows)

    def mean(self) -> list[float | None]:
        """Loss in nats per token of each source over all ranks, None where it had no weight. A collective call."""
        from megatron.core import parallel_state

        sums = self._sums.cuda()  # also on pipeline stages that have no losses
        torch.distributed.all_reduce(sums, group=parallel_state.get_data_parallel_group(with_context_parallel=True))
        torch.distributed.broadcast(
            sums,
            src=parallel_state.get_pipeline_model_parallel_last_rank(),
            group=parallel_state.get_pipeline_model_parallel_group(),
        )
        return [loss / weight if weight else None for loss, weight in sums.tolist()]
