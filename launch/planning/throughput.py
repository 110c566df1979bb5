"""Predicted speed: a published share of the peak, less what a layout costs more. A prediction, never a measurement."""

import math
from dataclasses import dataclass

from configs.llama import LlamaArchitecture
from configs.schema import TrainConfig
from launch.planning.memory import micro_batches
from launch.planning.published import Efficiency, adapted_share, assumed_efficiency
from training.metrics.flops import flops_per_token, layer_matrices, matmul_weights

TENSOR_COST = (4_378 / 6_514) ** (1 / 3)
"""Share of the speed that is left at each doubling of tensor parallelism: torchtitan, 8 H100, 8 ways against none."""
CONTEXT_COST = 0.95
"""The same for context parallelism. Assumed: no published pair isolates it."""


@dataclass(frozen=True, kw_only=True)
class Throughput:
    """A predicted speed."""

    tokens_per_second_per_gpu: float
    tokens_per_second: float
    step_seconds: float
    tflops: float  # of one GPU, causal model FLOPs
    efficiency: Efficiency


def predict_throughput(config: TrainConfig, architecture: LlamaArchitecture, sequence_length: int) -> Throughput | None:
    """The predicted speed; None where no published row comes near (fp32, for one)."""
    efficiency, peak = assumed_efficiency(config.hardware.gpu, config.precision.fp8), peak_tflops(config)
    if efficiency is None or peak is None:
        return None
    tflops = peak * efficiency.share * layout_share(config, architecture, efficiency)
    per_gpu = tflops * 1e12 / flops_per_token(architecture, sequence_length, lora_dim=config.lora.dim)
    gpus = config.hardware.devices * config.hardware.num_nodes
    return Throughput(
        tokens_per_second_per_gpu=per_gpu,
        tokens_per_second=per_gpu * gpus,
        step_seconds=config.dataset.global_batch_size * sequence_length / (per_gpu * gpus),
        tflops=tflops,
        efficiency=efficiency,
    )


def peak_tflops(config: TrainConfig) -> float | None:
    """Peak of one device in the format of its matrix products, the denominator of MFU; None in fp32 and on a CPU."""
    if config.precision.compute == "32":
        return None
    machine = config.hardware
    return (machine.bf16_tflops if config.precision.fp8 == "none" else machine.fp8_tflops) or None


def layout_share(config: TrainConfig, architecture: LlamaArchitecture, efficiency: Efficiency) -> float:
    """What is left of the published speed: recomputation, adapters, tensor and context parallelism, the bubble."""
    layout, adapted = config.parallelism, config.lora.dim > 0
    layers = layout.recompute_layers * layout.pipeline * layer_matrices(architecture)
    # One more forward pass, where forward and backward are three, or two with frozen weights.
    recompute = 1 / (1 + layers / matmul_weights(architecture) / (2 if adapted else 3))
    tensor: float = TENSOR_COST ** max(0.0, math.log2(layout.tensor / efficiency.tensor))
    context: float = CONTEXT_COST ** math.log2(layout.context)
    batches = micro_batches(config)
    bubble = batches / (batches + layout.pipeline - 1)  # 1F1B without interleaving
    return recompute * (adapted_share() if adapted else 1) * tensor * context * bubble
