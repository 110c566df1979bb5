"""FP8 with one scale for each tensor: quantize, dequantize, transpose, and the scales of delayed scaling.

An FP8 tensor holds its bytes row by row (`_data`) and, for the products that Hopper cannot read that way, a transposed
copy (`_transpose`). Source: csrc/quantizer.cpp, csrc/extensions/cast.cpp, common/recipe/delayed_scaling.cu.
"""

from typing import Any

import torch

from benchmarks.emulated_gpu.kernels.block_scaling import quantize_tiles, scale_from
from benchmarks.emulated_gpu.kernels.mxfp8 import dequantize_blocks, quantize_blocks
from benchmarks.emulated_gpu.kernels.names import LARGEST, TORCH
from benchmarks.emulated_gpu.kernels.registry import check, kernel


@kernel
def quantize(tensor: torch.Tensor, quantizer: Any, output: Any = None, noop: torch.Tensor | None = None) -> Any:
    """`tensor` in FP8, as `quantizer` says; into `output` where one is given, which `noop` keeps as it is."""
    if noop is not None and bool(noop):
        return output
    wide = tensor.detach().contiguous()
    kind = type(quantizer).__name__
    if kind == "MXFP8Quantizer":
        return quantize_blocks(wide, quantizer, output)
    if kind == "Float8BlockQuantizer":
        return quantize_tiles(wide, quantizer, output)
    if kind == "Float8Quantizer":
        if quantizer.amax.numel():  # some are made to cast alone
            quantizer.amax.copy_(torch.maximum(quantizer.amax, largest(wide).view_as(quantizer.amax)))
    elif kind == "Float8CurrentScalingQuantizer":
        _scale_now(wide, quantizer)
    else:
        raise NotImplementedError(f"{kind} is not emulated")
    return _store(cast(wide, quantizer.scale, quantizer.dtype), tensor.dtype, quantizer, output)


@kernel
def dequantize(input: Any, otype: Any) -> torch.Tensor:
    """The values of an FP8 tensor in another dtype."""
    if hasattr(input, "_rowwise_data"):
        return dequantize_blocks(input).to(TORCH[int(otype)])
    return (input._data.view(TORCH[int(input._fp8_dtype)]).float() * input._scale_inv).to(TORCH[int(otype)])


@kernel
def bgrad_quantize(input: torch.Tensor, quantizer: Any) -> tuple[torch.Tensor, Any]:
    """The gradient of a bias, and the quantized tensor."""
    return input.reshape(-1, input.shape[-1]).sum(0), quantize(input, quantizer)


@kernel
def fp8_transpose(input: torch.Tensor, dtype: Any, *, out: torch.Tensor | None) -> torch.Tensor:
    """The bytes with the last dimension first."""
    turned = transposed(input)
    return turned if out is None else out.copy_(turned)


@kernel
def compute_amax(input: torch.Tensor, amax: torch.Tensor) -> None:
    """Write the largest magnitude of `input` into `amax`."""
    check(amax.dtype == torch.float32 and amax.numel() == 1, "amax must be a float tensor of one element")
    amax.copy_(largest(input).view_as(amax))


@kernel
def fused_amax_and_scale_update_after_reduction(
    amax_reduction_buffer: torch.Tensor,
    amax_histories: list[torch.Tensor],
    scales: list[torch.Tensor],
    amax_compute_algo: str,
    fp8_dtype: Any,
    margin: float,
    /,
) -> None:
    """Roll each history by a step, and set the scales from it. Histories are [steps, tensors]."""
    check(amax_compute_algo in ("max", "most_recent"), f"amax_compute_algo is {amax_compute_algo!r}")
    start = 0
    for history, scale in zip(amax_histories, scales, strict=True):
        reduced = amax_reduction_buffer[start : start + history.shape[1]]
        start += history.shape[1]
        newest = torch.where(reduced != 0, reduced, history[0])
        rolled = torch.cat([history[1:], newest[None]])
        amax = rolled.amax(0) if amax_compute_algo == "max" else newest
        rolled[0] = 0
        history.copy_(torch.where(newest != 0, rolled, history))
        scaled = (LARGEST[int(fp8_dtype)] * 2.0**-margin) / amax
        scaled = scaled.clamp(max=torch.finfo(torch.float32).max)
        scale.copy_(torch.where(torch.isfinite(amax) & (amax > 0), scaled, scale))


def largest(tensor: torch.Tensor) -> torch.Tensor:
    """The largest magnitude, fp32."""
    return tensor.abs().amax().float() if tensor.numel() else torch.zeros((), device=tensor.device)


def cast(wide: torch.Tensor, scale: torch.Tensor, dtype: Any) -> torch.Tensor:
    """`wide` times `scale` in FP8, saturating; as bytes."""
    bound = LARGEST[int(dtype)]
    return (wide.float() * scale).clamp(-bound, bound).to(TORCH[int(dtype)]).view(torch.uint8)


def transposed(data: torch.Tensor) -> torch.Tensor:
    return data.reshape(-1, data.shape[-1]).t().contiguous().view(data.shape[-1], *data.shape[:-1])


def _scale_now(wide: torch.Tensor, quantizer: Any) -> None:
    """Current scaling: from the largest value of the tensor itself, over all ranks that hold a part of it."""
    if not quantizer.use_existing_amax:
        quantizer.amax.copy_(largest(wide).view_as(quantizer.amax))
    if quantizer.with_amax_reduction:
        group = quantizer._canonicalized_amax_reduction_group()
        torch.distributed.all_reduce(quantizer.amax, torch.distributed.ReduceOp.MAX, group=group)
    bound = LARGEST[int(quantizer.dtype)]
    scale = scale_from(quantizer.amax, bound, quantizer.amax_epsilon, quantizer.force_pow_2_scales)
    quantizer.scale.copy_(scale.view_as(quantizer.scale))


def _store(data: torch.Tensor, dtype: torch.dtype, quantizer: Any, output: Any) -> Any:
    """The bytes in an FP8 tensor: row by row, transposed, or both, as this GPU's products read them."""
    from transformer_engine.pytorch.tensor.float8_tensor import Float8Tensor
    from transformer_engine.pytorch.tensor.storage.float8_tensor_storage import Float8TensorStorage
    from transformer_engine.pytorch.utils import is_non_tn_fp8_gemm_supported

    any_order = is_non_tn_fp8_gemm_supported()
    rows, columns = quantizer.rowwise_usage or any_order, quantizer.columnwise_usage and not any_order
    check(rows or columns, "Invalid usages for Float8Quantizer.")
    turned = transposed(data) if columns else None
    if output is not None:
        check(isinstance(output, Float8TensorStorage), "Float8Quantizer must output to Float8Tensor.")
        _overwrite(output, data if rows else None, turned, quantizer)
        return output
    fields = {
        "data": data if rows else None,
        "fp8_scale_inv": (1 / quantizer.scale).view(1),
        "fp8_dtype": quantizer.dtype,
        "data_transpose": turned,
        "quantizer": quantizer,
    }
    if quantizer.internal:
        return Float8TensorStorage(**fields)
    return Float8Tensor(shape=tuple(data.shape), dtype=dtype, **fields)


def _overwrite(output: Any, data: torch.Tensor | None, turned: torch.Tensor | None, quantizer: Any) -> None:
    check(output._data is not None or output._transpose is not None, "Float8Tensor has no data.")
    if data is not None and output._data is not None:
        shapes = tuple(output._data.shape), tuple(data.shape)
        check(shapes[0] == shapes[1], f"FP8 data (shape={shapes[0]}) and input (shape={shapes[1]}) do not match")
        data = output._data.copy_(data)
    if turned is not None and output._transpose is not None:
        turned = output._transpose.copy_(turned)
    output._data, output._transpose, output._transpose_invalid = data, turned, turned is None
    output._fp8_dtype = quantizer.dtype
    output._scale_inv.copy_(1 / quantizer.scale)
