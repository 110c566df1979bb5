"""Emulated norms and matrix products against plain formulas in fp64."""

import pytest
import torch
from plain_formulas import BF16, FP32, by_blocks, by_tiles, close, current, delayed, gemm, in_fp8, random, tiled


def rms_norm() -> None:
    import transformer_engine_torch as tex

    x, gamma, grad = random(6, 4, 32), random(32), random(6, 4, 32)
    for centred in (False, True):
        out, none, inverse = tex.rmsnorm_fwd(x, gamma, 1e-5, None, None, tex.DType.kFloat32, 0, centred)
        wide, gain = x.double().requires_grad_(), gamma.double().requires_grad_()
        scale = 1 / torch.sqrt((wide**2).mean(-1, keepdim=True) + 1e-5)
        expected = wide * scale * (gain + 1 if centred else gain)
        expected.backward(grad.double())
        dx, dgamma = tex.rmsnorm_bwd(grad, x, inverse, gamma, 0, centred)
        assert none is None
        assert wide.grad is not None
        assert gain.grad is not None
        for found, wanted in ((out, expected), (inverse, scale.flatten()), (dx, wide.grad), (dgamma, gain.grad)):
            close(found, wanted.detach(), FP32)


def rms_norm_to_fp8() -> None:
    import transformer_engine_torch as tex

    x, gamma = random(16, 32), random(32)
    out, _, _ = tex.rmsnorm_fwd(x, gamma, 1e-5, None, delayed(16.0), tex.DType.kBFloat16, 0, False)
    wide = x.double()
    expected = wide / torch.sqrt((wide**2).mean(-1, keepdim=True) + 1e-5) * gamma.double()
    close(out.dequantize(dtype=torch.float32), expected, 2**-4)


def products() -> None:
    """Every pair of orders, in fp32 and bf16, alone and added to what was there."""
    for dtype, tolerance in ((torch.float32, FP32), (torch.bfloat16, BF16)):
        for trans_a in (False, True):
            for trans_b in (False, True):
                a = random(*((5, 7) if trans_a else (7, 5)), dtype=dtype)
                b = random(*((7, 3) if trans_b else (3, 7)), dtype=dtype)
                right = a.double().t() if trans_a else a.double()
                expected = (b.double().t() if trans_b else b.double()) @ right
                close(gemm(a, trans_a, b, trans_b), expected, tolerance)
                before = random(3, 5, dtype=dtype)
                total = gemm(a, trans_a, b, trans_b, out=before.clone(), accumulate=True)
                close(total, expected + before.double(), tolerance)


def product_with_a_bias_gradient() -> None:
    import transformer_engine_torch as tex

    grad, x = random(6, 5), random(6, 7)
    workspace = torch.empty(8, dtype=torch.uint8)
    place = random(5)
    weight_grad, bias_grad, *_ = tex.generic_gemm(
        x, False, grad, True, None, None, None, place, None, False, None, True, workspace, 8, False, False
    )
    close(weight_grad, grad.double().t() @ x.double(), FP32)
    close(bias_grad, grad.double().sum(0), FP32)


def products_in_fp8() -> None:
    """Delayed and current scaling: the product of the rounded matrices, in the three orders of a linear layer."""
    for make in (delayed, current):
        x, weight, grad = random(16, 32), random(48, 32), random(16, 48)
        parts = [make(float(one.abs().max())) for one in (x, weight, grad)]
        low = [quantizer(one) for quantizer, one in zip(parts, (x, weight, grad), strict=True)]
        rounded = [
            in_fp8(one.double() * float(quantizer.scale)) / float(quantizer.scale)
            for quantizer, one in zip(parts, (x, weight, grad), strict=True)
        ]
        for found, expected, exact in (
            (gemm(low[1], True, low[0], False), rounded[0] @ rounded[1].t(), x.double() @ weight.double().t()),
            (gemm(low[1], False, low[2], False), rounded[2] @ rounded[1], grad.double() @ weight.double()),
            (gemm(low[0], False, low[2], True), rounded[2].t() @ rounded[0], grad.double().t() @ x.double()),
        ):
            close(found, expected, FP32)
            close(found, exact, 0.1)


def products_in_mxfp8() -> None:
    import transformer_engine_torch as tex
    from transformer_engine.pytorch.tensor.mxfp8_tensor import MXFP8Quantizer

    x, weight = random(64, 96), random(32, 96)
    low = [MXFP8Quantizer(tex.DType.kFloat8E4M3)(one) for one in (x, weight)]
    close(gemm(low[1], True, low[0], False), by_blocks(x) @ by_blocks(weight).t(), FP32)
    grad = random(64, 32)
    low_grad = MXFP8Quantizer(tex.DType.kFloat8E4M3)(grad)
    close(gemm(low[1], False, low_grad, False), by_blocks(grad) @ by_blocks(weight.t()).t(), FP32)
    close(gemm(low[0], False, low_grad, True), by_blocks(grad.t()) @ by_blocks(x.t()).t(), FP32)


def products_in_tiles() -> None:
    """Block scaling: activations and gradients in rows of 128, weights in squares."""
    x, weight, grad = random(48, 192), random(160, 192), random(48, 160)
    low, low_weight, low_grad = tiled(1)(x), tiled(128)(weight), tiled(1)(grad)
    square = by_tiles(weight, 128)
    close(gemm(low_weight, True, low, False), by_tiles(x, 1) @ square.t(), FP32)
    close(gemm(low_weight, False, low_grad, False), by_tiles(grad, 1) @ square, FP32)
    close(gemm(low, False, low_grad, True), by_tiles(grad.t(), 1) @ by_tiles(x.t(), 1).t(), FP32)


def products_that_are_refused() -> None:
    """What the extension and cuBLAS refuse: other dtypes, shapes and alignments, a copy that is not there or old."""
    x, weight = delayed(3.0)(random(16, 32)), delayed(3.0)(random(32, 32))
    old = delayed(3.0)(random(32, 32))
    old._reset_caches()
    for a, trans_a, b, words in (
        (random(4, 4), True, random(4, 4, dtype=torch.bfloat16), "GEMM of"),
        (random(4, 4).t(), True, random(4, 4), "not contiguous"),
        (random(4, 5), True, random(4, 4), "Invalid matrix dimensions"),
        (random(4, 4, dtype=torch.float64), True, random(4, 4), "operand of"),
        (delayed(3.0)(random(24, 32)), True, x, "multiples of 16"),
        (old, False, x, "no column-wise data"),
    ):
        with pytest.raises(RuntimeError, match=words):
            gemm(a, trans_a, b, False)
    gemm(weight, False, x, False)


def swiglu() -> None:
    """Megatron-Core's fused form, which the recipes use: silu(gate) * up, gate first."""
    from megatron.core.fusions.fused_bias_swiglu import bias_swiglu_impl

    x, grad = random(5, 2, 24), random(5, 2, 12)
    leaf, wide = x.clone().requires_grad_(), x.double().requires_grad_()
    out = bias_swiglu_impl(leaf, None)
    gate, up = wide.chunk(2, -1)
    expected = gate / (1 + torch.exp(-gate)) * up
    close(out.detach(), expected.detach(), FP32)
    close(torch.autograd.grad(out, leaf, grad)[0], torch.autograd.grad(expected, wide, grad.double())[0], FP32)
