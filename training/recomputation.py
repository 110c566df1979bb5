"""Adapters in recomputed layers: by default, those of the first layers would silently get no gradient.

Megatron-Core's recomputation (tensor_parallel/random.py, `CheckpointFunction`) goes backward only where its input has a
gradient. Beside adapters the embedding is frozen, and what it gives has none.
"""

from typing import Any

import torch
from lightning.pytorch.callbacks import Callback
from megatron.core.models.common.embeddings.language_model_embedding import LanguageModelEmbedding
from nemo.lightning.io import IOMixin


class RecomputedAdapters(Callback, IOMixin):  # type: ignore[misc]
    """Asks for the gradient of what the embedding gives, so that recomputed layers go backward. No weight is freed."""

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        for module in pl_module.modules():
            if isinstance(module, LanguageModelEmbedding):
                module.register_forward_hook(_require_gradient)


def _require_gradient(module: Any, arguments: Any, embedded: torch.Tensor) -> None:
    if torch.is_grad_enabled() and not embedded.requires_grad:
        embedded.requires_grad_()
