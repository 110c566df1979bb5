"""What the card can do at best: matrix products in bf16 and FP8, and copies in its memory."""

from typing import Any

import torch

from benchmarks.gpu.settings import Settings, architecture_of
from benchmarks.gpu.timing import LEAST, Clock, time_steps


def ceilings(settings: Settings, device: str, seconds: float) -> dict[str, Any]:
    """TFLOP/s of products of random numbers: a large square one, and those of a layer; GB/s of a copy, both ways."""
    dry = device == "cpu"
    architecture, tokens = architecture_of(settings), settings["model"]["seq_length"]
    hidden, ffn = architecture.hidden_size, architecture.intermediate_size
    square = 64 if dry else 8192
    query = (architecture.num_attention_heads + 2 * architecture.num_key_value_heads) * architecture.head_dim
    shapes = {
        f"{square} x {square} x {square}": (square, square, square),
        "query, key, value": (tokens, hidden, query),
        "gate and up": (tokens, hidden, 2 * ffn),
        "down": (tokens, ffn, hidden),
    }
    each = seconds / (2 * len(shapes) + 1)
    products: dict[str, Any] = {}
    for name, shape in shapes.items():
        products[name] = {"bf16": _product(shape, torch.bfloat16, device, each)}
        if not dry and torch.cuda.get_device_capability() >= (8, 9):
            products[name]["fp8"] = _product(shape, torch.float8_e4m3fn, device, each)
    return {"matmul_tflops": products, "copy": _copy(2**20 if dry else 2**32, device, each)}


def _product(shape: tuple[int, int, int], dtype: torch.dtype, device: str, seconds: float) -> dict[str, float]:
    rows, inner, columns = shape
    left = torch.randn(rows, inner, device=device, dtype=torch.bfloat16).to(dtype)
    right = torch.randn(columns, inner, device=device, dtype=torch.bfloat16).to(dtype).t()  # FP8 wants it column-major
    clock = Clock(device)
    one = torch.ones((), device=device)

    def step() -> list[Any]:
        begin = clock.mark()
        for _ in range(REPEATS):
            if dtype == torch.float8_e4m3fn:
                torch._scaled_mm(left, right, scale_a=one, scale_b=one, out_dtype=torch.bfloat16, use_fast_accum=True)
            else:
                torch.matmul(left, right)
        return [begin, clock.mark()]

    times = time_steps(step, clock, (), warmup=3, steps=LEAST if device == "cpu" else 20, seconds=seconds)["total"]
    work = REPEATS * 2 * rows * inner * columns / 1e9
    return {"median": work / times["median"], "min": work / times["max"], "max": work / times["min"]}


REPEATS = 8
"""Products between two marks, so that a launch costs nothing beside them."""


def _copy(size: int, device: str, seconds: float) -> dict[str, float]:
    source = torch.empty(size, dtype=torch.uint8, device=device).random_()
    target = torch.empty_like(source)
    clock = Clock(device)

    def step() -> list[Any]:
        begin = clock.mark()
        target.copy_(source)
        return [begin, clock.mark()]

    times = time_steps(step, clock, (), warmup=3, steps=LEAST if device == "cpu" else 20, seconds=seconds)["total"]
    moved = 2 * size / 1e6
    return {"GB": size / 1e9, **{key: moved / times[of] for key, of in zip(_KEYS, _TIMES, strict=True)}}


_KEYS = ("median_gbs", "min_gbs", "max_gbs")
_TIMES = ("median", "max", "min")
