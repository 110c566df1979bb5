"""The model of a run: NeMo's Llama from a `config.json`, with Transformer Engine layers or CPU ones."""

import dataclasses
from typing import Any

import nemo_run as run
from nemo.collections import llm
from nemo.collections.llm.gpt.model.base import transformer_engine_layer_spec
from nemo.collections.llm.gpt.model.llama import Llama31Config, LlamaConfig

from configs.heads import Head, megatron_fields_of
from configs.llama import LlamaArchitecture, megatron_fields
from configs.schema import TrainConfig
from recipes.layout import recompute_fields
from training.cpu.fused import UNFUSED
from training.cpu.layers import cpu_block_spec
from training.forward import causal_forward_step, genomic_data_step
from training.heads.forward import head_forward_step, labelled_data_step
from training.heads.model import HeadLlama31Config, HeadLlamaConfig, HeadLlamaModel
from training.heads.resolve import class_weights


def model_recipe(config: TrainConfig, architecture: LlamaArchitecture, sequence_length: int) -> Any:
    """The NeMo model: `architecture` for samples of `sequence_length` tokens, on the hardware of `config`."""
    on_cpu, head = config.hardware.accelerator == "cpu", architecture.head
    scaled = architecture.rope_scaling is not None
    plain = (Llama31Config if scaled else LlamaConfig, llm.LlamaModel, genomic_data_step, causal_forward_step)
    headed = (HeadLlama31Config if scaled else HeadLlamaConfig, HeadLlamaModel, labelled_data_step, head_forward_step)
    config_class, model_class, data_step, forward_step = headed if head else plain
    return run.Config(
        model_class,
        config=run.Config(
            config_class,
            **megatron_fields(dataclasses.replace(architecture, max_position_embeddings=sequence_length)),
            **recompute_fields(config),
            **(head_fields(config, head, sequence_length) if head else {}),
            data_step_fn=data_step,
            forward_step_fn=forward_step,
            # The gradient of the weighted mean over the global batch, not of the mean of its micro-batches' means.
            calculate_per_token_loss=True,
            # By arithmetic a fused one has little to win, 256 logits a token; and Transformer Engine 2.9's multiplies
            # gradients with the weights of other tokens where a micro-batch has several samples (fixed later: its pull
            # request 2402, pytorch/triton/cross_entropy.py).
            cross_entropy_loss_fusion=False,
            **(CPU_FIELDS if on_cpu else GPU_FIELDS),
        ),
    )


def head_fields(config: TrainConfig, head: Head, sequence_length: int) -> dict[str, Any]:
    """Fields of the model configuration for a head, and for its loss."""
    return {**megatron_fields_of(head), "head_class_weights": class_weights(config.head, sequence_length)}


GPU_FIELDS: dict[str, Any] = {
    "transformer_layer_spec": transformer_engine_layer_spec,
    "apply_rope_fusion": True,
}

CPU_FIELDS: dict[str, Any] = {"transformer_layer_spec": cpu_block_spec, **UNFUSED}
