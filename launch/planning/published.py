"""Published training speeds, each with its source, date, machine, batch and stack. Data alone."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Stack:
    """Software that one party measured at one time. Speeds are compared within a stack, not across stacks."""

    name: str
    date: str  # year and month
    source: str  # page or file, as its publisher names it
    settings: str = ""  # what all of its rows have in common
    tuned: bool = False  # by the GPU's maker, to show the most that the GPU does


@dataclass(frozen=True)
class Row:
    """One published measurement of Llama-3 8B.

    `tokens_per_second` and `tflops` are of one GPU; `tflops` counts attention by the causal convention
    (`training.metrics.flops`), which is computed here where the publisher uses another.
    """

    stack: Stack
    gpu: str
    gpus: int
    fp8: str  # as `precision.fp8`; "none" is bf16, "nvfp4" is a format that no recipe here has
    tokens_per_second: int
    tflops: int
    global_batch: int | None  # samples; None where the publisher does not say
    micro_batch: int
    sequence_length: int = 8192
    vocab_size: int = 128_256
    tensor: int = 1
    context: int = 1
    recomputed: bool = False  # all activations
    asynchronous: bool = False  # tensor parallelism behind the computation


TORCHTITAN_2024 = Stack(
    name="torchtitan",
    date="2024-12",
    source="benchmarks/llama3_h100_202412_torchtitan.md",
    settings="FSDP, torch.compile; H100 with 96 GB of HBM2e, limited to 500 W",
)
TORCHTITAN_TP = Stack(
    name="torchtitan",
    date="2025-06",
    source="benchmarks/asyncTP_llama3_h100_2025-06_torchtitan.md",
    settings="FSDP 8 x TP 8, torch.compile; H100 with 96 GB of HBM2e, limited to 500 W",
)
TORCHTITAN_H200 = Stack(
    name="torchtitan", date="2025-06", source="benchmarks/llama3-8b_h200_202506_trainy-whitefiber.md", settings="FSDP"
)
BIONEMO = Stack(
    name="BioNeMo (TE, FSDP)", date="2026-06", source="recipes/opengenome2_llama_native_te", settings="OpenGenome2 7B"
)
BIONEMO_MEGATRON = Stack(
    name="BioNeMo (Megatron baseline)", date="2026-06", source="recipes/opengenome2_llama_native_te"
)
BIONEMO_LLAMA3 = Stack(name="BioNeMo (TE, FSDP)", date="2026-06", source="recipes/llama3_native_te")
DGX_CLOUD = Stack(name="NeMo (DGX Cloud)", date="2025", source="DGX Cloud Benchmarking, Llama 3.1 8B", tuned=True)
BRIDGE = Stack(
    name="Megatron-Bridge 25.11",
    date="2025-11",
    source="docs/performance-summary.md",
    settings="FSDP on H100, DDP elsewhere",
    tuned=True,
)
BRIDGE_TUTORIAL = Stack(
    name="Megatron-Bridge (tutorial)",
    date="2026",
    source="reduced-precision tutorial",
    settings="no CUDA graphs; the only set of four precisions on one stack",
    tuned=True,
)

PUBLISHED = (
    # GPU, GPUs, format, tokens/s, TFLOP/s, global batch, micro-batch, and what is not as in the others
    Row(DGX_CLOUD, "h100", 8, "none", 10_682, 550, None, 1, context=2),
    Row(DGX_CLOUD, "h100", 8, "delayed", 14_048, 723, None, 1),
    Row(BRIDGE, "h100", 8, "tensorwise", 14_451, 744, 128, 1),
    Row(BRIDGE, "b200", 8, "tensorwise", 30_624, 1_576, 128, 2),
    Row(BRIDGE, "b200", 8, "mxfp8", 29_521, 1_519, 128, 2),
    Row(BRIDGE, "gb200", 8, "tensorwise", 31_508, 1_622, 128, 2),
    Row(BRIDGE, "gb200", 8, "mxfp8", 29_789, 1_533, 128, 2),
    Row(BRIDGE, "gb300", 8, "tensorwise", 37_556, 1_933, 128, 2),
    Row(BRIDGE, "gb300", 8, "mxfp8", 36_108, 1_858, 128, 2),
    Row(BRIDGE_TUTORIAL, "gb200", 4, "none", 22_502, 1_158, 128, 2),
    Row(BRIDGE_TUTORIAL, "gb200", 4, "tensorwise", 30_589, 1_574, 128, 2),
    Row(BRIDGE_TUTORIAL, "gb200", 4, "mxfp8", 30_376, 1_563, 128, 2),
    Row(BRIDGE_TUTORIAL, "gb200", 4, "nvfp4", 35_093, 1_806, 128, 2),
    Row(BIONEMO, "h100", 48, "none", 9_927, 480, 384, 1, vocab_size=256),
    Row(BIONEMO_MEGATRON, "h100", 48, "delayed", 13_081, 632, 384, 1, vocab_size=256, tensor=4),
    Row(BIONEMO_LLAMA3, "b200", 64, "none", 17_644, 908, None, 1),
    Row(BIONEMO_LLAMA3, "b200", 64, "mxfp8", 22_517, 1_159, None, 1),
    Row(TORCHTITAN_2024, "h100", 8, "none", 6_667, 343, 16, 2),
    Row(TORCHTITAN_2024, "h100", 8, "tensorwise", 8_532, 439, 16, 2),
    Row(TORCHTITAN_2024, "h100", 128, "none", 6_514, 335, 256, 2),
    Row(TORCHTITAN_2024, "h100", 128, "tensorwise", 8_380, 431, 256, 2),
    Row(TORCHTITAN_H200, "h200", 32, "tensorwise", 10_938, 563, 64, 2),
    Row(TORCHTITAN_H200, "h200", 64, "tensorwise", 10_753, 553, 128, 2),
    Row(TORCHTITAN_TP, "h100", 64, "none", 4_378, 225, 96, 12, tensor=8),
    Row(TORCHTITAN_TP, "h100", 64, "none", 4_809, 248, 96, 12, tensor=8, asynchronous=True),
    Row(TORCHTITAN_2024, "h100", 8, "tensorwise", 3_890, 275, 8, 1, sequence_length=32_768, recomputed=True),
    Row(TORCHTITAN_2024, "h100", 8, "tensorwise", 2_540, 245, 4, 1, sequence_length=65_536, context=2, recomputed=True),
    Row(
        TORCHTITAN_2024, "h100", 8, "tensorwise", 1_071, 159, 2, 1, sequence_length=131_072, context=4, recomputed=True
    ),
    Row(TORCHTITAN_2024, "h100", 8, "tensorwise", 548, 138, 1, 1, sequence_length=262_144, context=8, recomputed=True),
)
"""Llama-3 8B. torchtitan's global batches of the last two groups follow from the local batch and the layout."""


@dataclass(frozen=True)
class LongRow:
    """A measurement at a long sequence. `full_tflops` counts attention in full, as its publisher does."""

    sequence_length: int
    gpus: int
    tensor: int
    context: int
    full_tflops: int


LONG = (
    LongRow(16_384, 4, 1, 1, 1_717),
    LongRow(32_768, 8, 1, 2, 1_624),
    LongRow(65_536, 16, 1, 4, 1_600),
    LongRow(131_072, 32, 2, 4, 1_588),
    LongRow(262_144, 64, 4, 4, 1_590),
)
"""Llama-3 8B in FP8 on B200, 4 samples at a time: docs/source/performance/performance_long_sequence.md of NeMo 25.04.
That attention is counted in full is taken from the same page of 24.07, whose 8B row is 57.9 GF per token."""


@dataclass(frozen=True, kw_only=True)
class AdaptedRow:
    """Low-rank adapters beside frozen weights, and the same model's fine-tuning of all weights. Of one GPU."""

    model: str
    tokens_per_second: int
    tflops: int
    tflops_of_all_weights: int


ADAPTED = (
    AdaptedRow(model="7B", tokens_per_second=25_206, tflops=673, tflops_of_all_weights=682),
    AdaptedRow(model="13B", tokens_per_second=14_161, tflops=733, tflops_of_all_weights=754),
    AdaptedRow(model="70B", tokens_per_second=2_557, tflops=705, tflops_of_all_weights=756),
)
"""Llama 2 on 8 H100 in FP8, SQuAD packed to 4096 tokens: NVIDIA's performance summary of NeMo 24.07, fine-tuning."""
