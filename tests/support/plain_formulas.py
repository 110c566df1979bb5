"""Formulas in fp64 that emulated kernels are held to, and the calls that the cases share."""

from typing import Any

import torch

FP32, BF16 = 2e-6, 4e-3
"""Relative error of sums in fp32, and of a rounding to bf16."""


def close(found: torch.Tensor, expected: torch.Tensor, relative: float) -> None:
    """Within `relative` of the largest magnitude that is expected."""
    error = (found.double() - expected.double()).abs().max() / expected.double().abs().max()
    assert error <= relative, f"error {float(error):.3g}, allowed {relative:.3g}"


def random(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64).to(dtype)


def in_fp8(values: torch.Tensor, form: str = "e4m3") -> torch.Tensor:
    """fp64 values rounded to what FP8 holds: half to even, subnormal below the smallest exponent, saturating."""
    mantissa, smallest, largest = {"e4m3": (3, -6, 448.0), "e5m2": (2, -14, 57344.0)}[form]
    magnitude = values.double().abs().clamp(max=largest)
    exponent = magnitude.clamp(min=1e-30).log2().floor().clamp(min=smallest)
    step = torch.exp2(exponent - mantissa)
    return values.double().sign() * (magnitude / step).round() * step


def by_blocks(values: torch.Tensor) -> torch.Tensor:
    """MXFP8 along rows: 32 values share the smallest power of two that brings them below 448."""
    blocks = values.double().unflatten(1, (-1, 32))
    largest = blocks.abs().amax(-1, keepdim=True)
    shared = torch.exp2((largest / 448.0).log2().ceil().clamp(min=-127))
    return (in_fp8(blocks / shared) * shared).flatten(1)


def by_tiles(values: torch.Tensor, rows: int) -> torch.Tensor:
    """FP8 block scaling: `rows` x 128 values share the largest power of two that keeps them below 448."""
    result = values.double().clone()
    for top in range(0, len(values), rows):
        for left in range(0, values.shape[1], 128):
            tile = result[top : top + rows, left : left + 128]
            largest = tile.abs().max()
            scale = torch.exp2((448.0 / largest).log2().floor()) if largest else torch.ones(())
            result[top : top + rows, left : left + 128] = in_fp8(tile * scale) / scale
    return result


def tiled(rows: int) -> Any:
    """The quantizer for it."""
    import transformer_engine_torch as tex
    from transformer_engine.pytorch.tensor.float8_blockwise_tensor import Float8BlockQuantizer

    dimensions = 2 if rows == 128 else 1
    return Float8BlockQuantizer(tex.DType.kFloat8E4M3, rowwise=True, columnwise=True, block_scaling_dim=dimensions)


def delayed(amax: float, form: str = "e4m3") -> Any:
    """A quantizer with the scale that past steps of that largest value give."""
    import transformer_engine_torch as tex
    from transformer_engine.pytorch.tensor.float8_tensor import Float8Quantizer

    dtype, largest = {"e4m3": (tex.DType.kFloat8E4M3, 448.0), "e5m2": (tex.DType.kFloat8E5M2, 57344.0)}[form]
    return Float8Quantizer(torch.tensor([largest / amax]), torch.zeros(1), dtype)


def current(_amax: float) -> Any:
    import transformer_engine_torch as tex
    from transformer_engine.pytorch.tensor.float8_tensor import Float8CurrentScalingQuantizer

    return Float8CurrentScalingQuantizer(tex.DType.kFloat8E4M3, torch.device("cpu"))


def gemm(a: Any, trans_a: bool, b: Any, trans_b: bool, out: Any = None, accumulate: bool = False) -> torch.Tensor:
    """`op(b) @ op(a)` by the kernel; fp32 out of FP8."""
    import transformer_engine_torch as tex

    low = hasattr(a, "_fp8_dtype")
    workspace = torch.empty(8, dtype=torch.uint8)
    dtype = tex.DType.kFloat32 if low else None
    result, *_ = tex.generic_gemm(
        a, trans_a, b, trans_b, out, None, dtype, None, None, False, None, False, workspace, 8, accumulate, False
    )
    return result
