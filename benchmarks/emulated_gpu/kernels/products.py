"""Matrix products. FP8 operands only in the order of bytes that the tensor cores of this GPU read.

Source: csrc/extensions/gemm.cpp, common/gemm/cublaslt_gemm.cu.
"""

from typing import Any

import torch

from benchmarks.emulated_gpu.kernels.block_scaling import dequantize_tiles
from benchmarks.emulated_gpu.kernels.fp8 import quantize
from benchmarks.emulated_gpu.kernels.mxfp8 import dequantize_blocks
from benchmarks.emulated_gpu.kernels.names import TORCH
from benchmarks.emulated_gpu.kernels.registry import check, kernel

WIDE = (torch.float32, torch.bfloat16, torch.float16)


@kernel
def generic_gemm(
    A: Any,  # noqa: N803
    transA: bool,  # noqa: N803
    B: Any,  # noqa: N803
    transB: bool,  # noqa: N803
    D: Any,  # noqa: N803
    quantizer: Any,
    output_dtype: Any,
    bias: torch.Tensor | None,
    bias_type: Any,
    gelu: bool,
    gelu_in: torch.Tensor | None,
    grad: bool,
    workspace: torch.Tensor,
    workspace_size: int,
    accumulate: bool,
    use_split_accumulator: bool,
    comm_overlap: Any = None,
    comm_type: Any = None,
    extra_output: Any = None,
    bulk_overlap: bool = False,
    alpha: float = 1.0,
    beta: float | None = None,
) -> list[Any]:
    """`op(B) @ op(A)` of row-major matrices, into `D` where it is given: [result, bias gradient, gelu input, extra]."""
    if comm_overlap is not None or gelu or alpha != 1.0:
        raise NotImplementedError("user buffers, gelu and alpha are not emulated")
    check(workspace.dtype == torch.uint8 and workspace.numel() >= workspace_size, "workspace is too small")
    low = _is_quantized(A) or _is_quantized(B)
    a, b = _operand(A, not transA), _operand(B, transB)
    check(low or a.dtype == b.dtype, f"GEMM of {a.dtype} and {b.dtype}")
    left, right = b.reshape(-1, b.shape[-1]), a.reshape(-1, a.shape[-1])
    left, right = left.t() if transB else left, right.t() if transA else right
    check(
        left.shape[1] == right.shape[0],
        f"Invalid matrix dimensions for GEMM: A {tuple(a.shape)}, transA {transA}, B {tuple(b.shape)}, transB {transB}",
    )
    shape = [left.shape[0], right.shape[1]] if transB else [*b.shape[:-1], right.shape[1]]
    if low:
        _check_alignment(left, right)
    dtype = TORCH[int(output_dtype)] if output_dtype is not None else a.dtype
    if D is not None:
        check(
            list(D.shape) == shape and D.dtype == dtype,
            f"GEMM output is {tuple(D.shape)} {D.dtype}, not {shape} {dtype}",
        )
    product = (left.float() @ right.float()).view(shape)
    bias_gradient = b.reshape(-1, b.shape[-1]).float().sum(0).to(dtype) if bias is not None and grad else None
    if bias is not None and not grad:
        product = product + bias
    if D is None:
        D = product.to(dtype)  # noqa: N806
    else:
        D.copy_(D.float() + product if accumulate else product)
    return [D if quantizer is None else quantize(D, quantizer), bias_gradient, None, extra_output]


def _is_quantized(tensor: Any) -> bool:
    return hasattr(tensor, "_fp8_dtype")


def _operand(tensor: Any, columns: bool) -> torch.Tensor:
    """The matrix, fp32 where it is FP8; `columns`: where the product runs down its columns."""
    if not _is_quantized(tensor):
        check(tensor.dtype in WIDE, f"operand of {tensor.dtype}")
        check(tensor.is_contiguous(), "GEMM of what is not contiguous")
        return tensor.detach()
    if hasattr(tensor, "_is_2D_scaled"):
        return dequantize_tiles(tensor, columns)
    if hasattr(tensor, "_rowwise_data"):
        return dequantize_blocks(tensor, columns)
    return _one_scale(tensor, columns)


def _one_scale(tensor: Any, columns: bool) -> torch.Tensor:
    from transformer_engine.pytorch.utils import is_non_tn_fp8_gemm_supported

    dtype = TORCH[int(tensor._fp8_dtype)]
    if not columns or is_non_tn_fp8_gemm_supported():
        check(tensor._data is not None, "FP8 tensor has no row-wise data for this product")
        return tensor._data.view(dtype).float() * tensor._scale_inv
    stale = tensor._transpose is None or tensor._transpose_invalid
    check(not stale, "FP8 tensor has no column-wise data for this product")
    turned = tensor._transpose.view(dtype).float() * tensor._scale_inv
    return turned.reshape(turned.shape[0], -1).t().reshape(*turned.shape[1:], turned.shape[0])


def _check_alignment(left: torch.Tensor, right: torch.Tensor) -> None:
    """cuBLAS reads FP8 in rows of 16 bytes."""
    rows, inner, columns = *left.shape, right.shape[1]
    check(
        inner % 16 == 0 == columns % 16 and rows % 8 == 0,
        f"FP8 GEMM needs multiples of 16 and 8: inner {inner}, columns {columns}, rows {rows}",
    )
