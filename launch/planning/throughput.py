"""Predicted speed: a published share of the peak, less what a layout costs more. A prediction, never a measurement."""

import math
from dataclasses import dataclass

from configs.llama import LlamaArchitecture
from configs.schema import TrainConfig
from launch.planning.costs import Range, attention_share, context_cost, scale_cost, tensor_cost
from launch.planning.efficiency import Efficiency, adapted_share, assumed_efficiency
from launch.planning.memory import micro_batches
from training.metrics.flops import flops_per_token, layer_matrices, matmul_weights


@dataclass(frozen=True, kw_only=True)
class Throughput:
    """A predicted speed; `spread` has the shares of it that are the lowest and the highest to expect."""

    tokens_per_second_per_gpu: float
    tokens_per_second: float
    step_seconds: float
    tflops: float  # of one GPU, causal model FLOPs
    spread: Range
    efficiency: Efficiency


def predict_throughput(config: TrainConfig, architecture: LlamaArchitecture, sequence_length: int) -> Throughput | None:
    """The predicted speed; None where no published row comes near (fp32, for one)."""
    efficiency, peak = assumed_efficiency(config.hardware.gpu, config.precision.fp8), peak_tflops(config)
    if efficiency is None or peak is None:
        return None
    longer = length_share(config, architecture, sequence_length, efficiency.share)
    share = efficiency.share * longer * layout_share(config, architecture, efficiency)
    tflops = peak * share.likely
    per_gpu = tflops * 1e12 / flops_per_token(architecture, sequence_length, lora_dim=config.lora.ranks)
    gpus = config.hardware.devices * config.hardware.num_nodes
    return Throughput(
        tokens_per_second_per_gpu=per_gpu,
        tokens_per_second=per_gpu * gpus,
        step_seconds=config.dataset.global_batch_size * sequence_length / (per_gpu * gpus),
        tflops=tflops,
        spread=share * (1 / share.likely),
        efficiency=efficiency,
    )


def peak_tflops(config: TrainConfig) -> float | None:
    """Peak of one device in the format of its matrix products, the denominator of MFU; None in fp32 and on a CPU."""
    if config.precision.compute == "32":
        return None
    machine = config.hardware
    return (machine.bf16_tflops if config.precision.fp8 == "none" else machine.fp8_tflops) or None


PUBLISHED_LENGTH = 8192
"""Tokens of a sample of the rows that efficiencies are taken from."""


def length_share(
    config: TrainConfig, architecture: LlamaArchitecture, sequence_length: int, efficiency: Range
) -> Range:
    """What is left of `efficiency`, a share of the peak at `PUBLISHED_LENGTH`, in longer samples.

    A token has more of attention there, and of nothing else. Attention is in bf16 whatever the products are in, and
    has a smaller share of its peak (`attention_share`).
    """
    peak, machine, dim = peak_tflops(config), config.hardware, config.lora.dim
    if sequence_length <= PUBLISHED_LENGTH or peak is None:
        return Range(low=1.0, likely=1.0, high=1.0)
    short = flops_per_token(architecture, PUBLISHED_LENGTH, lora_dim=dim)
    whole = flops_per_token(architecture, sequence_length, lora_dim=dim)

    def left(share: float, attention: float) -> float:
        seconds = short / (share * peak) + (whole - short) / (attention * machine.bf16_tflops)
        return whole / seconds / (share * peak)

    attention = attention_share()
    return Range(
        low=left(efficiency.low, attention.low),
        likely=left(efficiency.likely, attention.likely),
        high=left(efficiency.high, attention.high),
    )


def layout_share(config: TrainConfig, architecture: LlamaArchitecture, efficiency: Efficiency) -> Range:
    """What is left of the published speed: recomputation, adapters, the bubble; tensor and context parallelism, and
    GPUs, beyond those that the row has already."""
    layout, adapted = config.parallelism, config.lora.dim > 0
    layers = layout.recompute_layers * layout.pipeline * layer_matrices(architecture)
    # One more forward pass, where forward and backward are three, or two with frozen weights.
    recompute = 1 / (1 + layers / matmul_weights(architecture) / (2 if adapted else 3))
    batches = micro_batches(config)
    bubble = batches / (batches + layout.pipeline - 1)  # 1F1B without interleaving
    return (
        tensor_cost() ** _doublings(layout.tensor, efficiency.tensor)
        * context_cost() ** _doublings(layout.context, efficiency.context)
        * scale_cost() ** _doublings(config.hardware.devices * config.hardware.num_nodes, efficiency.gpus)
        * (recompute * bubble * (adapted_share() if adapted else 1))
    )


def _doublings(number: int, paid: int) -> float:
    return max(0.0, math.log2(number / paid))
