"""Published training speeds, and the efficiency that a prediction takes from them."""

import functools
from dataclasses import dataclass

from configs.compose import group_values


@dataclass(frozen=True, kw_only=True)
class Row:
    """One published measurement. `tflops` is of one GPU, by the causal convention (`planning.flops`)."""

    source: str
    gpu: str
    gpus: int
    fp8: str  # as `precision.fp8`; none is bf16
    tokens_per_second: int  # of one GPU
    tflops: int
    vocab_size: int = 128_256
    tensor: int = 1


@dataclass(frozen=True, kw_only=True)
class AdaptedRow:
    """Low-rank adapters beside frozen weights, and the same model's fine-tuning of all weights. Of one GPU."""

    model: str
    tokens_per_second: int
    tflops: int
    tflops_of_all_weights: int


# Llama-3 8B at 8192 tokens.
PUBLISHED = (
    Row(source="torchtitan", gpu="h100", gpus=8, fp8="none", tokens_per_second=6_667, tflops=343),
    Row(source="torchtitan, Float8", gpu="h100", gpus=8, fp8="tensorwise", tokens_per_second=8_532, tflops=439),
    Row(
        source="BioNeMo, OpenGenome2 7B",
        gpu="h100",
        gpus=48,
        fp8="none",
        tokens_per_second=9_927,
        tflops=480,
        vocab_size=256,
    ),
    Row(
        source="BioNeMo, Megatron baseline of OpenGenome2 7B",
        gpu="h100",
        gpus=48,
        fp8="delayed",
        tokens_per_second=13_081,
        tflops=632,
        vocab_size=256,
        tensor=4,
    ),
    Row(source="NVIDIA DGX Cloud", gpu="h100", gpus=8, fp8="none", tokens_per_second=10_682, tflops=550),
    Row(source="NVIDIA DGX Cloud, FP8", gpu="h100", gpus=8, fp8="delayed", tokens_per_second=14_048, tflops=723),
    Row(source="Megatron-Bridge 25.11", gpu="h100", gpus=8, fp8="tensorwise", tokens_per_second=14_451, tflops=744),
    Row(source="Megatron-Bridge 25.11", gpu="b200", gpus=8, fp8="tensorwise", tokens_per_second=30_624, tflops=1_576),
    Row(source="Megatron-Bridge 25.11", gpu="gb300", gpus=8, fp8="tensorwise", tokens_per_second=37_556, tflops=1_933),
    Row(source="BioNeMo, Llama-3 8B", gpu="b200", gpus=64, fp8="none", tokens_per_second=17_644, tflops=908),
    Row(source="BioNeMo, Llama-3 8B", gpu="b200", gpus=64, fp8="mxfp8", tokens_per_second=22_517, tflops=1_159),
)

# The row whose share of the peak a prediction takes: the same model where there is one, else the most GPUs.
_ASSUMED = {
    ("h100", "none"): PUBLISHED[2],
    ("h100", "delayed"): PUBLISHED[3],
    ("h100", "tensorwise"): PUBLISHED[6],
    ("b200", "none"): PUBLISHED[9],
    ("b200", "delayed"): PUBLISHED[7],
    ("b200", "tensorwise"): PUBLISHED[7],
    ("b200", "mxfp8"): PUBLISHED[10],
}
# Llama 2 on 8 H100 in FP8, SQuAD packed to 4096 tokens: NVIDIA's performance summary of NeMo 24.07, fine-tuning.
ADAPTED = (
    AdaptedRow(model="7B", tokens_per_second=25_206, tflops=673, tflops_of_all_weights=682),
    AdaptedRow(model="13B", tokens_per_second=14_161, tflops=733, tflops_of_all_weights=754),
    AdaptedRow(model="70B", tokens_per_second=2_557, tflops=705, tflops_of_all_weights=756),
)

_LIKE = {"a100": "h100", "h200": "h100", "gb200": "b200"}


@dataclass(frozen=True, kw_only=True)
class Efficiency:
    """Share of the peak that is assumed, and where it is from."""

    share: float
    tensor: int  # tensor parallelism that the row already pays for
    source: str


def adapted_share() -> float:
    """Share of the TFLOP/s that is left with adapters: the pair with one layout, of the model nearest to the 8B."""
    return ADAPTED[0].tflops / ADAPTED[0].tflops_of_all_weights


@functools.cache
def assumed_efficiency(gpu: str, fp8: str) -> Efficiency | None:
    """The efficiency for a GPU and a precision; None where nothing was published that comes near."""
    like = _LIKE.get(gpu, gpu)
    row = _ASSUMED.get((like, fp8))
    if row is None:
        return None
    share = row.tflops / group_values("hardware", like)["bf16_tflops" if row.fp8 == "none" else "fp8_tflops"]
    format_ = "bf16" if row.fp8 == "none" else f"FP8 {row.fp8}"
    source = f"{row.source}: {row.gpus} x {row.gpu}, {format_}, {row.tflops:,} TFLOP/s, {100 * share:.1f}% of the peak"
    if like != gpu:
        source += f"; nothing was published for {gpu}, the same share is taken"
    elif row.fp8 != fp8:
        source += f"; nothing was published for {fp8}"
    return Efficiency(share=share, tensor=row.tensor, source=source)
