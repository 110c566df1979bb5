"""Emulated kernels against plain formulas in fp64. Each case runs in a process of its own with Transformer Engine."""

import math
from typing import Any

import pytest
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


# --- norms


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


# --- matrix products


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


# --- FP8


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


def casts_with_delayed_scaling() -> None:
    """Values, largest value, and the transposed copy, in both formats; values above the range saturate."""
    for form in ("e4m3", "e5m2"):
        x = random(16, 32) * 4
        quantizer = delayed(2.0, form)
        low = quantizer(x)
        scale = float(quantizer.scale)
        close(low.dequantize(dtype=torch.float32), in_fp8(x.double() * scale, form) / scale, FP32)
        assert float(quantizer.amax) == float(x.abs().max())
        assert torch.equal(low._transpose, low._data.t())
        assert not low._transpose_invalid


def casts_with_current_scaling() -> None:
    x = random(16, 32)
    quantizer = current(0.0)
    low = quantizer(x)
    scale = 448.0 / float(x.abs().max())
    close(quantizer.scale, torch.tensor([scale]), FP32)
    close(low.dequantize(dtype=torch.float32), in_fp8(x.double() * scale) / scale, FP32)


def casts_in_blocks() -> None:
    import transformer_engine_torch as tex
    from transformer_engine.pytorch.tensor.mxfp8_tensor import MXFP8Quantizer

    x = random(64, 96) * torch.exp2(torch.randint(-20, 20, (64, 96)).float())
    x[:32, :32] = 0
    low = MXFP8Quantizer(tex.DType.kFloat8E4M3)(x)
    assert torch.equal(low.dequantize(dtype=torch.float32).double(), by_blocks(x))
    assert low._rowwise_scale_inv.shape == (128, 4)
    assert low._columnwise_scale_inv.shape == (4, 128)


def by_blocks(values: torch.Tensor) -> torch.Tensor:
    """MXFP8 along rows: 32 values share the smallest power of two that brings them below 448."""
    blocks = values.double().unflatten(1, (-1, 32))
    largest = blocks.abs().amax(-1, keepdim=True)
    shared = torch.exp2((largest / 448.0).log2().ceil().clamp(min=-127))
    return (in_fp8(blocks / shared) * shared).flatten(1)


def transposes() -> None:
    import transformer_engine_torch as tex

    data = torch.randint(0, 255, (4, 6, 8), dtype=torch.uint8)
    assert torch.equal(tex.fp8_transpose(data, tex.DType.kFloat8E4M3, out=None), data.permute(2, 0, 1))


def history_of_largest_values() -> None:
    """Rolled by a step, the scale from its maximum or its newest value; nothing changes where a layer did not run."""
    import transformer_engine_torch as tex

    for algorithm in ("max", "most_recent"):
        history = torch.tensor([[3.0, 0.0], [7.0, 1.0], [2.0, 1.0]])
        scale = torch.tensor([1.0, 5.0])
        tex.fused_amax_and_scale_update_after_reduction(
            torch.tensor([4.0, 0.0]), [history], [scale], algorithm, tex.DType.kFloat8E4M3, 0
        )
        amax = {"max": [7.0, 0.0], "most_recent": [4.0, 0.0]}[algorithm]
        assert history[:, 0].tolist() == [0.0, 2.0, 4.0]
        assert history[:, 1].tolist() == [0.0, 1.0, 1.0]
        assert scale[0] == 448.0 / amax[0]
        # Both algorithms keep the scale of a tensor that was all zeros, except that "max" still sees its history.
        assert scale[1] == (448.0 if algorithm == "max" else 5.0)


# --- attention and positions


def attention() -> None:
    """Forward and backward: both orders of a batch, packed documents, causal and not, shared key-value heads."""
    for form in ("sbhd", "bshd", "thd"):
        for mask in ("causal", "no_mask"):
            lengths = [5, 9, 2] if form == "thd" else [8, 8, 8]
            _attend(form, mask, lengths)


def _attend(form: str, mask: str, lengths: list[int]) -> None:
    import transformer_engine_torch as tex

    heads, groups, width, scale = 4, 2, 16, 0.3
    each = [
        [random(length, n, width, dtype=torch.bfloat16) for n in (heads, groups, groups, heads)] for length in lengths
    ]
    stacked = [_laid(form, [one[place] for one in each]) for place in range(4)]
    ends = torch.tensor([0, *torch.tensor(lengths).cumsum(0).tolist()], dtype=torch.int32)
    names = form.upper(), {"causal": "CAUSAL_MASK", "no_mask": "NO_MASK"}[mask]
    layout = getattr(tex.NVTE_QKV_Layout, f"NVTE_{names[0]}_{names[0]}_{names[0]}")
    mask_type = getattr(
        tex.NVTE_Mask_Type, f"NVTE_{'PADDING_' if form == 'thd' else ''}{names[1]}".replace("PADDING_NO_", "PADDING_")
    )
    common = (0.0, True, layout, tex.NVTE_Bias_Type.NVTE_NO_BIAS, mask_type, tex.NVTE_Softmax_Type.NVTE_VANILLA_SOFTMAX)
    most = max(lengths)
    rest = (torch.bfloat16, None, None, None, None, None, None, None, None, None, 0, False)
    out, sums, state = tex.fused_attn_fwd(most, most, True, scale, *common, [-1, 0], ends, ends, *stacked[:3], *rest)
    dtype = tex.DType.kBFloat16
    gradients = tex.fused_attn_bwd(
        *(most, most, scale, *common, [-1, 0], False, ends, ends, *stacked[:3], out, stacked[3], torch.bfloat16),
        *(dtype, [sums, state], None, None, None, None, None),
    )
    expected = [_plain_attention(*one, scale, mask == "causal") for one in each]
    for place, found in enumerate((out, *gradients[:3])):
        close(found, _laid(form, [one[place] for one in expected]), 2 * BF16)


def _laid(form: str, parts: list[torch.Tensor]) -> torch.Tensor:
    if form == "thd":
        return torch.cat(parts)
    return torch.stack(parts, 1 if form == "sbhd" else 0).contiguous()


def _plain_attention(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, grad: torch.Tensor, scale: float, causal: bool
) -> list[torch.Tensor]:
    """[output, gradients of q, k and v] of one sequence, [s, h, d], head by head."""
    leaves = [one.double().requires_grad_() for one in (q, k, v)]
    outputs = []
    for head in range(q.shape[1]):
        group = head * k.shape[1] // q.shape[1]
        scores = leaves[0][:, head] @ leaves[1][:, group].t() * scale
        if causal:
            scores = scores.masked_fill(torch.ones_like(scores).triu(1).bool(), -math.inf)
        outputs.append(scores.softmax(-1) @ leaves[2][:, group])
    out = torch.stack(outputs, 1)
    return [out.detach(), *torch.autograd.grad(out, leaves, grad.double())]


def rotary_embeddings() -> None:
    """A rotation of pairs, as complex numbers; the gradient is turned back. Packed documents begin at 0 each."""
    import transformer_engine_torch as tex

    angles = torch.rand(16, 4) * 6
    freqs = torch.cat([angles, angles], -1)[:, None, None]
    for form, x, places in (
        (tex.NVTE_QKV_Format.NVTE_SBHD, random(10, 2, 3, 12), torch.arange(10)[:, None, None]),
        (tex.NVTE_QKV_Format.NVTE_BSHD, random(2, 10, 3, 12), torch.arange(10)[None, :, None]),
        (tex.NVTE_QKV_Format.NVTE_THD, random(10, 3, 12), torch.cat([torch.arange(4), torch.arange(6)])[:, None]),
    ):
        ends = torch.tensor([0, 4, 10], dtype=torch.int32) if x.dim() == 3 else None
        turned = tex.fused_rope_forward(x, freqs, None, form, False, ends, 1, 0)
        pairs = torch.complex(x[..., :4].double(), x[..., 4:8].double())
        pairs = pairs * torch.exp(1j * angles.double())[places.expand(x.shape[:-1])]
        close(turned, torch.cat([pairs.real, pairs.imag, x[..., 8:].double()], -1), FP32)
        close(tex.fused_rope_backward(turned, freqs, form, False, ends, 1, 0), x, FP32)


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


# --- optimizer


def adam_with_remainders() -> None:
    """Five steps: the fp32 weight in two halves, the upper one being the weight rounded to bf16."""
    import transformer_engine_torch as tex

    from benchmarks.emulated_gpu.kernels.adam import joined, parted

    start = random(1000)
    weight, rest = parted(start)
    assert torch.equal(joined(weight, rest), start)
    assert (weight.float() - start).abs().max() <= (start.abs() * 2**-8).max()
    state = [torch.zeros(1000), torch.zeros(1000)]
    gradients = [random(1000, dtype=torch.bfloat16) for _ in range(5)]
    for step, gradient in enumerate(gradients, start=1):
        lists = [[gradient], [weight], [state[0]], [state[1]], [rest]]
        tex.multi_tensor_adam_param_remainder(65536, torch.zeros(1), lists, 0.01, 0.9, 0.95, 1e-8, step, 1, 1, 0.1)
    close(joined(weight, rest), _plain_adam(start, gradients), FP32)


def adam_with_masters() -> None:
    """The same with fp32 masters of bf16 weights, without masters, and with FP8 weights."""
    import transformer_engine_torch as tex

    start, gradients = random(1000), [random(1000) for _ in range(5)]
    expected = _plain_adam(start, gradients)
    numbers = (0.01, 0.9, 0.95, 1e-8)
    for kind in ("masters", "alone", "fp8"):
        state, master = [torch.zeros(1000), torch.zeros(1000)], start.clone()
        low = torch.zeros(1000, dtype=torch.uint8 if kind == "fp8" else torch.bfloat16)
        scale, amax, inverse = torch.tensor([50.0]), torch.zeros(1), torch.zeros(1)
        for step, gradient in enumerate(gradients, start=1):
            flag, tail = torch.zeros(1), (step, 1, 1, 0.1)
            if kind == "alone":
                tex.multi_tensor_adam(65536, flag, [[gradient], [master], [state[0]], [state[1]]], *numbers, *tail)
                continue
            lists = [[gradient], [low], [state[0]], [state[1]], [master]]
            if kind == "masters":
                tex.multi_tensor_adam(65536, flag, lists, *numbers, *tail)
            else:
                lists += [[scale], [amax], [inverse]]
                tex.multi_tensor_adam_fp8(65536, flag, lists, *numbers, *tail, tex.DType.kFloat8E4M3)
        close(master, expected, FP32)
        if kind == "masters":
            close(low, expected, BF16)
        if kind == "fp8":
            close(low.view(torch.float8_e4m3fn).double() / 50, in_fp8(expected * 50) / 50, 2**-5)
            assert float(inverse) == 1 / torch.tensor(50.0)
            assert float(amax) >= float(master.abs().max())


def _plain_adam(weight: torch.Tensor, gradients: list[torch.Tensor]) -> torch.Tensor:
    weight, first, second = weight.double(), torch.zeros(1), torch.zeros(1)
    for step, gradient in enumerate(gradients, start=1):
        first = 0.9 * first + 0.1 * gradient.double()
        second = 0.95 * second + 0.05 * gradient.double() ** 2
        move = (first / (1 - 0.9**step)) / ((second / (1 - 0.95**step)).sqrt() + 1e-8)
        weight = weight - 0.01 * (move + 0.1 * weight)
    return weight


def norms_and_scales_of_lists() -> None:
    import transformer_engine_torch as tex

    tensors = [random(10), random(3, 4)]
    total, each = tex.multi_tensor_l2norm(65536, torch.zeros(1), [tensors], True)
    norms = torch.stack([one.double().square().sum().sqrt() for one in tensors])
    close(each, norms, FP32)
    close(total, norms.square().sum().sqrt().view(1), FP32)
    places = [torch.empty_like(one) for one in tensors]
    tex.multi_tensor_scale(65536, torch.zeros(1), [tensors, places], 0.3)
    for place, one in zip(places, tensors, strict=True):
        close(place, one.double() * 0.3, FP32)
    amaxes = [torch.tensor([2.0]), torch.tensor([0.0])]
    scales, inverses = [torch.empty(1), torch.empty(1)], [torch.empty(1), torch.empty(1)]
    tex.multi_tensor_compute_scale_and_scale_inv(65536, torch.zeros(1), [amaxes, scales, inverses], 448.0, False, 0.0)
    assert torch.cat(scales).tolist() == [224.0, 1.0]
    close(torch.cat(inverses), torch.tensor([1 / 224, 1.0]), FP32)


def other_functions_raise() -> None:
    import transformer_engine_torch as tex

    with pytest.raises(NotImplementedError, match="layernorm_fwd"):
        tex.layernorm_fwd()


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


CASES = (
    rms_norm,
    rms_norm_to_fp8,
    products,
    product_with_a_bias_gradient,
    products_in_fp8,
    products_in_mxfp8,
    products_that_are_refused,
    casts_with_delayed_scaling,
    casts_with_current_scaling,
    casts_in_blocks,
    transposes,
    history_of_largest_values,
    attention,
    rotary_embeddings,
    swiglu,
    adam_with_remainders,
    adam_with_masters,
    norms_and_scales_of_lists,
    other_functions_raise,
)


def run(name: str) -> None:
    """One of `CASES`, on numbers that are always the same."""
    torch.manual_seed(7)
    {case.__name__: case for case in CASES}[name]()


def compare_with_itself() -> None:
    """`benchmarks.gpu.kernels` with the emulation on both sides: every case runs, and differs by nothing."""
    from benchmarks.gpu.kernels import CASES as COMPARED
    from benchmarks.gpu.kernels import kernels

    differences = kernels({}, "cpu", 60.0)["kernel_differences"]
    assert differences == {case.__name__: 0.0 for case in COMPARED}
