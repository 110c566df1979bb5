"""z-loss: logits held near log Z = 0, by a term in the gradient and not in the reported loss (PaLM, section 5)."""

from typing import Any

import torch
from lightning.pytorch.callbacks import Callback
from megatron.core import parallel_state
from nemo.lightning.io import IOMixin


class ZLoss(Callback, IOMixin):  # type: ignore[misc]
    """Adds weight * log(Z)^2 to each token's loss for the gradient; what is logged stays the cross-entropy.

    Z is the sum of the exponentials of a token's logits, over all tensor-parallel ranks. The term has the loss weight
    of its token and goes through the same scaling, accumulation and reduction as the token's loss. It takes what it
    needs of the logits before the cross-entropy, which may write over them.
    """

    def __init__(self, weight: float) -> None:
        self.weight = weight

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        for stage in trainer.strategy.megatron_parallel:
            model = stage
            while hasattr(model, "module"):
                model = model.module
            if model.post_process:
                model.compute_language_model_loss = with_z_loss(model.compute_language_model_loss, self.weight)


def with_z_loss(cross_entropy: Any, weight: float) -> Any:
    """Megatron-Core's `compute_language_model_loss` with the term. labels [batch, sequence],
    logits [sequence, batch, vocabulary of this rank] -> loss [batch, sequence]."""

    def loss(labels: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        if not torch.is_grad_enabled():
            return cross_entropy(labels, logits)  # type: ignore[no-any-return]
        log_z = vocab_parallel_logsumexp(logits).transpose(0, 1)
        added: torch.Tensor = _GradientOfZLoss.apply(cross_entropy(labels, logits), log_z, weight)  # type: ignore[no-untyped-call]
        return added

    return loss


def vocab_parallel_logsumexp(logits: torch.Tensor) -> torch.Tensor:
    """log Z over the vocabulary of all tensor-parallel ranks: logits [..., V of this rank] -> fp32 [...]."""
    log_z: torch.Tensor = _VocabParallelLogSumExp.apply(logits)  # type: ignore[no-untyped-call]
    return log_z


class _VocabParallelLogSumExp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: torch.Tensor) -> torch.Tensor:
        group = parallel_state.get_tensor_model_parallel_group()
        largest = logits.detach().float().amax(-1)
        torch.distributed.all_reduce(largest, torch.distributed.ReduceOp.MAX, group=group)
        exponentials = (logits.float() - largest.unsqueeze(-1)).exp_()
        total = exponentials.sum(-1)
        torch.distributed.all_reduce(total, group=group)
        ctx.save_for_backward(exponentials.div_(total.unsqueeze(-1)).to(logits.dtype))
        return total.log_().add_(largest)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        (softmax,) = ctx.saved_tensors
        return softmax * gradient.unsqueeze(-1).to(softmax.dtype)  # type: ignore[no-any-return]


class _GradientOfZLoss(torch.autograd.Function):
    """Forward: the loss, unchanged; backward: that of loss + weight * log_z^2."""

    @staticmethod
    def forward(ctx: Any, loss: torch.Tensor, log_z: torch.Tensor, weight: float) -> torch.Tensor:
        ctx.save_for_backward(log_z)
        ctx.weight = weight
        return loss.view_as(loss)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, None]:
        (log_z,) = ctx.saved_tensors
        return gradient, gradient * (2 * ctx.weight) * log_z, None
