"""MXFP8: a scale, a power of two, for each 32 values along a row (`rowwise`) or along a column (`columnwise`).

Scales are bytes, exponents biased by 127, in a matrix padded to the tiles that the tensor cores read: 128 x 4 along
rows, 4 x 128 along columns. Source: csrc/quantizer.cpp, common/util/ptx.cuh (`float_to_e8m0`).
"""

from typing import Any

import torch

from benchmarks.emulated_gpu.kernels.names import LARGEST, TORCH
from benchmarks.emulated_gpu.kernels.registry import check

BLOCK = 32


def quantize_blocks(wide: torch.Tensor, quantizer: Any, output: Any) -> Any:
    """`wide` in MXFP8 along its rows, its columns, or both."""
    from transformer_engine.pytorch.tensor.mxfp8_tensor import MXFP8Tensor
    from transformer_engine.pytorch.tensor.storage.mxfp8_tensor_storage import MXFP8TensorStorage

    rows = wide.reshape(-1, wide.shape[-1])
    divisible = rows.shape[0] % BLOCK == 0 == rows.shape[1] % BLOCK
    check(divisible, f"MXFP8 requires tensor dims that are divisible by {BLOCK} (got shape={tuple(wide.shape)})")
    parts: dict[str, Any] = dict.fromkeys(_PARTS)
    if quantizer.rowwise_usage:
        data, scales = _along_rows(rows, quantizer.dtype)
        parts |= {"rowwise_data": data.view(wide.shape), "rowwise_scale_inv": _padded(scales, 128, 4)}
    if quantizer.columnwise_usage:
        data, scales = _along_rows(rows.t(), quantizer.dtype)
        data, scales = data.t().contiguous(), scales.t()
        parts |= {"columnwise_data": data.view(wide.shape), "columnwise_scale_inv": _padded(scales, 4, 128)}
    if output is not None:
        check(isinstance(output, MXFP8TensorStorage), "MXFP8Quantizer must output to MXFP8Tensor.")
        _overwrite(output, parts)
        output._fp8_dtype = quantizer.dtype
        return output
    fields = {**parts, "fp8_dtype": quantizer.dtype, "quantizer": quantizer}
    if quantizer.internal:
        return MXFP8TensorStorage(**fields)
    return MXFP8Tensor(shape=tuple(wide.shape), dtype=wide.dtype, **fields)


def dequantize_blocks(tensor: Any, columns: bool | None = None) -> torch.Tensor:
    """The values, fp32; of the copy along columns where `columns`, by default of the one that is there."""
    if columns is None:
        columns = tensor._rowwise_data is None
    data = tensor._columnwise_data if columns else tensor._rowwise_data
    scales = tensor._columnwise_scale_inv if columns else tensor._rowwise_scale_inv
    check(data is not None, f"MXFP8 tensor has no {'column' if columns else 'row'}-wise data")
    values = data.view(TORCH[int(tensor._fp8_dtype)]).float().reshape(-1, data.shape[-1])
    height, width = values.shape
    if columns:
        exponents = scales[: height // BLOCK, :width].repeat_interleave(BLOCK, 0)
    else:
        exponents = scales[:height, : width // BLOCK].repeat_interleave(BLOCK, 1)
    return (values * torch.exp2(exponents.float() - 127)).view(data.shape)


_PARTS = ("rowwise_data", "rowwise_scale_inv", "columnwise_data", "columnwise_scale_inv")


def _along_rows(rows: torch.Tensor, dtype: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Bytes [rows, columns] and biased exponents [rows, columns / 32]."""
    bound = LARGEST[int(dtype)]
    blocks = rows.float().unflatten(1, (-1, BLOCK))
    exponents = _rounded_up(blocks.abs().amax(-1) / bound)
    scaled = blocks * torch.exp2(127 - exponents.float()).unsqueeze(-1)
    data = scaled.clamp(-bound, bound).to(TORCH[int(dtype)]).view(torch.uint8)
    return data.flatten(1), exponents.to(torch.uint8)


def _rounded_up(values: torch.Tensor) -> torch.Tensor:
    """The exponent of the next power of two, biased by 127; 0 for 0."""
    bits = values.view(torch.int32)
    exponent, mantissa = (bits >> 23) & 0xFF, bits & 0x7FFFFF
    up = (mantissa > 0) & (exponent != 0xFE) & ~((exponent == 0) & (mantissa <= 0x400000))
    return exponent + up.int()


def _padded(scales: torch.Tensor, high: int, wide: int) -> torch.Tensor:
    padded = scales.new_zeros([-(-size // tile) * tile for size, tile in zip(scales.shape, (high, wide), strict=True)])
    padded[: scales.shape[0], : scales.shape[1]] = scales
    return padded


def _overwrite(output: Any, parts: dict[str, torch.Tensor | None]) -> None:
    for name, part in parts.items():
        place = getattr(output, f"_{name}")
        setattr(output, f"_{name}", part if part is None or place is None else place.copy_(part))
