"""The loss of a head, from logits and labels."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from nemo.lightning.megatron_parallel import MaskedTokenLossReduction
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, mse_loss

from evaluation.labelled.targets import IGNORED


class HeadLoss(MaskedTokenLossReduction):  # type: ignore[misc]
    """The mean over samples, or over the bases that have labels, of a global batch.

    Cross-entropy for classes, binary cross-entropy for several labels, squared error for numbers, each averaged over
    the labels. `class_weights` have a mean of one over the training labels, so that the count is the denominator.
    """

    def __init__(self, *, kind: str, class_weights: Sequence[float] = (), label_smoothing: float = 0.0) -> None:
        super().__init__()
        self.kind, self.label_smoothing = kind, label_smoothing
        self.class_weights = list(class_weights)

    @classmethod
    def of(cls, config: Any) -> "HeadLoss":
        """That of a model's configuration."""
        return cls(
            kind=config.head_kind,
            class_weights=config.head_class_weights,
            label_smoothing=config.head_label_smoothing,
        )

    def forward(
        self, batch: Mapping[str, torch.Tensor], forward_out: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, dict[str, torch.Tensor]]:
        """As NeMo's: the sum, how many were summed, and both for the report."""
        losses, count = self.losses(forward_out.float(), batch["labels"], batch["real"])
        total = losses.sum()
        report = torch.cat([total.detach().view(1), count.to(total.dtype).view(1)])
        return total, count.int(), {"loss_sum_and_ub_size": report}

    def losses(
        self, logits: torch.Tensor, labels: torch.Tensor, real: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The loss of each sample, [batch], and how many labels were counted; `real` is 0 for a sample that pads."""
        if self.kind in ("classify", "tokens"):
            weights = torch.tensor(self.class_weights, device=logits.device) if self.class_weights else None
            labels = torch.where(real.view(-1, *[1] * (labels.ndim - 1)) > 0, labels, IGNORED)
            losses = cross_entropy(
                logits.flatten(0, -2), labels.flatten(), weights, ignore_index=IGNORED, reduction="none",
                label_smoothing=self.label_smoothing,
            )  # fmt: skip
            return losses.view(len(labels), -1).sum(1), (labels != IGNORED).sum()
        if self.kind == "multilabel":
            smoothed = labels * (1 - self.label_smoothing) + 0.5 * self.label_smoothing
            each = binary_cross_entropy_with_logits(logits, smoothed, reduction="none")
            if self.class_weights:
                each = each * torch.where(labels > 0, torch.tensor(self.class_weights, device=logits.device), 1.0)
            return each.mean(1) * real, real.sum()
        known = torch.isfinite(labels) & (real.view(-1, *[1] * (labels.ndim - 1)) > 0)
        each = mse_loss(logits.view_as(labels), torch.where(known, labels, 0), reduction="none") * known
        if self.kind == "regress":
            return each.mean(1), real.sum()
        return each.sum(1), known.sum()
