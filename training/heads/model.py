"""A Llama with a linear head in place of its output layer, for NeMo's trainer.

The head takes the output layer's place in Megatron-Core's model, and so its place in the forward pass; it gives logits
of each base, [batch, sequence, labels]. Pooling follows: the last base's logits, or their mean, which is the same as
the logits of the mean, since the head is linear. A checkpoint has it as `score.weight` and `score.bias`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from megatron.core.dist_checkpointing.mapping import LocalNonpersistentObject
from megatron.core.tensor_parallel import gather_from_sequence_parallel_region
from megatron.core.transformer.utils import make_sharded_tensors_for_checkpoint
from nemo.collections import llm
from nemo.collections.llm.gpt.model.llama import Llama31Config, LlamaConfig

from conversion.megatron.dcp_metadata import read_metadata
from training.heads.loss import HeadLoss

PLACE, STORED = "output_layer.", "score."
"""Where the head is in the model, and its name in a checkpoint."""


class Head(torch.nn.Module):
    """Logits of each position. It starts at zero, so that it is the same on every rank and in every layout.

    It is called as Megatron-Core calls an output layer. With sequence parallelism each rank has its part of the
    positions, and the whole is put together first; then every tensor-parallel rank computes the same.
    """

    def __init__(self, config: Any) -> None:
        super().__init__()
        shape = (len(config.head_labels), config.hidden_size)
        device = "cpu" if config.use_cpu_initialization else torch.cuda.current_device()
        self.sequence_parallel = config.sequence_parallel
        self.in_checkpoint = True
        self.weight = torch.nn.Parameter(torch.zeros(shape, dtype=config.params_dtype, device=device))
        self.bias = (
            torch.nn.Parameter(torch.zeros(shape[0], dtype=config.params_dtype, device=device))
            if config.head_pooling != "last"
            else None
        )

    def forward(self, hidden: torch.Tensor, **_: Any) -> tuple[torch.Tensor, None]:
        """hidden [sequence, batch, hidden] -> logits [sequence, batch, labels]."""
        if self.sequence_parallel:
            hidden = gather_from_sequence_parallel_region(hidden, tensor_parallel_output_grad=False)
        return torch.nn.functional.linear(hidden, self.weight, self.bias), None

    def sharded_state_dict(
        self, prefix: str = "", sharded_offsets: tuple[Any, ...] = (), metadata: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """The head's part of a checkpoint, under its own name: weights of an output layer are never mistaken for it.

        If a loaded checkpoint has no head, the head keeps its values.
        """
        state = self.state_dict(keep_vars=True)
        if not self.in_checkpoint:
            return {prefix + name: LocalNonpersistentObject(value.detach().clone()) for name, value in state.items()}
        made: dict[str, Any] = make_sharded_tensors_for_checkpoint(state, prefix, {}, sharded_offsets)
        for tensor in made.values():
            tensor.key = tensor.key.replace(PLACE, STORED)
        return made


@dataclass
class _HeadFields:
    """What a head adds to NeMo's configuration of a Llama: `configs.heads.Head`, and how it is trained."""

    head_kind: str = "classify"
    head_labels: list[str] = field(default_factory=list)
    head_pooling: str = "last"
    head_both_strands: bool = False
    head_mean: list[float] = field(default_factory=list)
    head_std: list[float] = field(default_factory=list)
    head_class_weights: list[float] = field(default_factory=list)
    head_label_smoothing: float = 0.0
    head_freeze_body: bool = False

    def configure_model(self, *arguments: Any, **keywords: Any) -> Any:
        """Megatron-Core's model with the head. Its embeddings are tied to nothing, since nothing else uses them."""
        model = super().configure_model(*arguments, **keywords)  # type: ignore[misc]
        model.share_embeddings_and_output_weights = False
        model.output_layer = Head(self)
        return model


@dataclass
class HeadLlamaConfig(_HeadFields, LlamaConfig):  # type: ignore[misc]
    """A Llama with a head."""


@dataclass
class HeadLlama31Config(_HeadFields, Llama31Config):  # type: ignore[misc]
    """A Llama 3.1 with a head."""


class HeadLlamaModel(llm.LlamaModel):  # type: ignore[misc]
    """NeMo's Llama with a head, and the loss of its labels."""

    def configure_model(self, vp_stage: int | None = None) -> None:
        super().configure_model(vp_stage=vp_stage)
        if self.config.head_freeze_body:
            self.freeze()

    def freeze(self) -> None:
        """Freeze the body: adapters are trained together with the head."""
        super().freeze()
        for head in heads(self):
            head.requires_grad_(True)

    @property
    def training_loss_reduction(self) -> HeadLoss:
        """The loss of a micro-batch from its logits."""
        return HeadLoss.of(self.config)

    @property
    def validation_loss_reduction(self) -> HeadLoss:
        """The same without smoothing and class weights."""
        return HeadLoss(kind=self.config.head_kind)


def heads(model: torch.nn.Module) -> Iterator[Head]:
    """The head of a model, where it has one."""
    return (module for module in model.modules() if isinstance(module, Head))


def is_head(name: str, parameter: torch.nn.Parameter) -> bool:
    """Whether a parameter of Megatron-Core's model is the head's."""
    return PLACE in name


@contextmanager
def keep_head(model: torch.nn.Module, weights: Path) -> Iterator[None]:
    """While the checkpoint in `weights` is loaded: if it has no head, the head keeps its values."""
    found = list(heads(model))
    if found and not any(name.endswith(STORED + "weight") for name in read_metadata(weights).tensors):
        for head in found:
            head.in_checkpoint = False
    try:
        yield
    finally:
        for head in found:
            head.in_checkpoint = True
