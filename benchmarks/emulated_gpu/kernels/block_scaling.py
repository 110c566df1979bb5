"""FP8 block scaling: a scale for each 128 values of a row (activations, gradients), or each 128 x 128 (weights).

The copy for products that run down the columns is transposed, and has scales of its own. Scales, fp32 powers of two,
are stored as cuBLAS reads them: of rows [tiles, rows], of squares [row tiles, tiles], the last dimension padded to 4.
Source: common/transpose/quantize_transpose_{vector,square}_blockwise.cu.
"""

from typing import Any

import torch

from benchmarks.emulated_gpu.kernels.names import LARGEST, TORCH, Float8BlockScaleTensorFormat
from benchmarks.emulated_gpu.kernels.registry import check

TILE = 128


def scale_from(amax: torch.Tensor, bound: float, epsilon: float, power_of_two: bool) -> torch.Tensor:
    """The scale that brings `amax` to `bound` (common/recipe/recipe_common.cuh, `compute_scale_from_amax`)."""
    amax = amax.clamp(min=epsilon)
    scale = (bound / amax).clamp(max=torch.finfo(torch.float32).max)
    scale = torch.where(torch.isfinite(amax) & (amax > 0), scale, torch.ones_like(scale))
    return torch.exp2(torch.floor(torch.log2(scale))) if power_of_two else scale


def quantize_tiles(wide: torch.Tensor, quantizer: Any, output: Any) -> Any:
    """`wide` along its rows, its columns, or both, each from the values themselves."""
    from transformer_engine.pytorch.tensor.float8_blockwise_tensor import Float8BlockwiseQTensor
    from transformer_engine.pytorch.tensor.storage.float8_blockwise_tensor_storage import Float8BlockwiseQTensorStorage

    if quantizer.all_gather_usage:
        raise NotImplementedError("block scaling in the compact form of gathers is not emulated")
    rows = wide.reshape(-1, wide.shape[-1])
    parts: dict[str, Any] = dict.fromkeys(_PARTS)
    if quantizer.rowwise_usage:
        data, scales = _quantized(rows, quantizer)
        parts |= {"rowwise_data": data.view(wide.shape), "rowwise_scale_inv": scales}
    if quantizer.columnwise_usage:
        data, scales = _quantized(rows.t(), quantizer)
        shape = quantizer.get_columnwise_shape(wide.shape)
        parts |= {"columnwise_data": data.view(shape), "columnwise_scale_inv": scales}
    if output is not None:
        check(isinstance(output, Float8BlockwiseQTensorStorage), "Float8BlockQuantizer must output to its own tensors.")
        for name, part in parts.items():
            place = getattr(output, f"_{name}")
            setattr(output, f"_{name}", part if part is None or place is None else place.copy_(part))
        return output
    fields = {
        **parts,
        "fp8_dtype": quantizer.dtype,
        "quantizer": quantizer,
        "is_2D_scaled": quantizer.block_scaling_dim == 2,
        "data_format": Float8BlockScaleTensorFormat.GEMM_READY,
    }
    if quantizer.internal:
        return Float8BlockwiseQTensorStorage(**fields)
    return Float8BlockwiseQTensor(shape=tuple(wide.shape), dtype=wide.dtype, **fields)


def dequantize_tiles(tensor: Any, columns: bool) -> torch.Tensor:
    """The values, fp32; of the copy along columns where `columns`."""
    data = tensor._columnwise_data if columns else tensor._rowwise_data
    scales = tensor._columnwise_scale_inv if columns else tensor._rowwise_scale_inv
    check(data is not None, f"block-scaled tensor has no {'column' if columns else 'row'}-wise data")
    rows = data.reshape(len(data), -1) if columns else data.reshape(-1, data.shape[-1])
    height, width = rows.shape
    scales = scales.repeat_interleave(TILE, 0)[:height] if tensor._is_2D_scaled else scales[:, :height].t()
    wide = rows.view(TORCH[int(tensor._fp8_dtype)]).float() * scales.repeat_interleave(TILE, 1)[:, :width]
    return wide.t().reshape(*data.shape[1:], len(data)) if columns else wide.view(data.shape)


_PARTS = ("rowwise_data", "rowwise_scale_inv", "columnwise_data", "columnwise_scale_inv")


def _quantized(rows: torch.Tensor, quantizer: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Bytes [rows, columns], contiguous, and the inverse scales as they are stored."""
    square = quantizer.block_scaling_dim == 2
    height, width = rows.shape
    padded = torch.nn.functional.pad(rows.float(), (0, -width % TILE, 0, -height % TILE if square else 0))
    tiles = padded.abs().unflatten(1, (-1, TILE)).amax(-1)
    if square:
        tiles = tiles.unflatten(0, (-1, TILE)).amax(1)
    bound = LARGEST[int(quantizer.dtype)]
    scale = scale_from(tiles, bound, quantizer.amax_epsilon, quantizer.force_pow_2_scales)
    each = scale.repeat_interleave(TILE, 1)[:, :width]
    each = each.repeat_interleave(TILE, 0)[:height] if square else each
    data = (rows.float() * each).clamp(-bound, bound).to(TORCH[int(quantizer.dtype)]).view(torch.uint8)
    inverse = (1 / scale) if square else (1 / scale).t()
    return data.contiguous(), torch.nn.functional.pad(inverse, (0, -inverse.shape[1] % 4)).contiguous()
