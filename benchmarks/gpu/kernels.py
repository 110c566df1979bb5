"""Each emulated kernel beside the real one, on the same numbers: what the tests on emulated kernels rest on.

On a GPU with Transformer Engine. In a dry run nothing is compared: both would be the emulation.
"""

from collections.abc import Callable
from typing import Any

import torch

from benchmarks.emulated_gpu.extension import load
from benchmarks.emulated_gpu.kernels.registry import KERNELS
from benchmarks.gpu.settings import Settings

LIMIT = 0.02
"""Largest difference, of the largest value: sums in other orders, rounded to bf16 or FP8."""
Call = Callable[..., Any]
"""A kernel by its name, and its arguments."""


def kernels(settings: Settings, device: str, seconds: float) -> dict[str, Any]:
    """The largest relative difference of each. Errors: `ValueError` where one is above `LIMIT`."""
    import transformer_engine.pytorch  # noqa: F401  # loads the extension
    import transformer_engine_torch as real

    load()
    differences = {}
    for case in CASES:
        results = []
        for call in (lambda name, *a, **k: getattr(real, name)(*a, **k), lambda name, *a, **k: KERNELS[name](*a, **k)):
            torch.manual_seed(1)
            results.append(case(call, real, device))
        differences[case.__name__] = max(map(_difference, *results))
    result = {"kernel_differences": differences, "limit": LIMIT}
    bad = {name: value for name, value in differences.items() if not value <= LIMIT}
    if bad:
        raise ValueError(f"emulated kernels differ from the real ones by more than {LIMIT}: {bad}; all: {differences}")
    return result


def rms_norm(call: Call, names: Any, device: str) -> list[torch.Tensor]:
    x, gamma, grad = _random(device, 256, 1024), _random(device, 1024), _random(device, 256, 1024)
    out, _, inverse = call("rmsnorm_fwd", x, gamma, 1e-5, None, None, names.DType.kBFloat16, 0, False)
    return [out, inverse, *call("rmsnorm_bwd", grad, x, inverse, gamma, 0, False)]


def product(call: Call, names: Any, device: str) -> list[torch.Tensor]:
    return [_gemm(call, names, _random(device, 512, 256), _random(device, 128, 256))]


def product_in_fp8(call: Call, names: Any, device: str) -> list[torch.Tensor]:
    low = [call("quantize", _random(device, rows, 256), _delayed(names, device)) for rows in (512, 128)]
    return [_gemm(call, names, *low, output=names.DType.kBFloat16)]


def cast_and_transpose(call: Call, names: Any, device: str) -> list[torch.Tensor]:
    quantizer = _delayed(names, device)
    low = call("quantize", _random(device, 256, 512), quantizer)
    return [call("dequantize", low, names.DType.kFloat32), low._transpose.float(), quantizer.amax]


def history_of_largest_values(call: Call, names: Any, device: str) -> list[torch.Tensor]:
    history, scale = torch.rand(16, 6, device=device), torch.ones(6, device=device)
    newest = torch.rand(6, device=device)
    name = "fused_amax_and_scale_update_after_reduction"
    call(name, newest, [history], [scale], "max", names.DType.kFloat8E4M3, 0.0)
    return [history, scale]


def rotation(call: Call, names: Any, device: str) -> list[torch.Tensor]:
    x, freqs = _random(device, 128, 2, 8, 128), torch.rand(128, 1, 1, 128, device=device)
    rest = (names.NVTE_QKV_Format.NVTE_SBHD, False, None, 1, 0)
    return [call("fused_rope_forward", x, freqs, None, *rest), call("fused_rope_backward", x, freqs, *rest)]


def attention(call: Call, names: Any, device: str) -> list[torch.Tensor]:
    q, k, v, grad = (_random(device, 128, 2, heads, 128) for heads in (8, 2, 2, 8))
    ends = torch.arange(3, device=device, dtype=torch.int32) * 128
    layout, bias = names.NVTE_QKV_Layout.NVTE_SBHD_SBHD_SBHD, names.NVTE_Bias_Type.NVTE_NO_BIAS
    mask, softmax = names.NVTE_Mask_Type.NVTE_CAUSAL_MASK, names.NVTE_Softmax_Type.NVTE_VANILLA_SOFTMAX
    common, window, bf16 = (0.0, True, layout, bias, mask, softmax), [-1, 0], torch.bfloat16
    nothing = (None,) * 8
    out, *kept = call(
        *("fused_attn_fwd", 128, 128, True, 0.1, *common, window, ends, ends, q, k, v, bf16),
        *(*nothing, None, 0, False),
    )
    gradients = call(
        *("fused_attn_bwd", 128, 128, 0.1, *common, window, False, ends, ends, q, k, v, out, grad, bf16),
        *(names.DType.kBFloat16, kept, *(None,) * 5),
    )
    return [out, *gradients[:3]]


def adam(call: Call, names: Any, device: str) -> list[torch.Tensor]:
    weight, gradient = _random(device, 4096), _random(device, 4096)
    moments = [torch.zeros(4096, device=device) for _ in range(2)]
    rest, flag = torch.zeros(4096, dtype=torch.int16, device=device), torch.zeros(1, dtype=torch.int, device=device)
    lists = [[gradient], [weight], [moments[0]], [moments[1]], [rest]]
    call("multi_tensor_adam_param_remainder", 65536, flag, lists, 0.01, 0.9, 0.95, 1e-8, 1, 1, 1, 0.1)
    return [weight, *moments]


def norm_of_lists(call: Call, names: Any, device: str) -> list[torch.Tensor]:
    flag = torch.zeros(1, dtype=torch.int, device=device)
    return list(call("multi_tensor_l2norm", 65536, flag, [[_random(device, 1000), _random(device, 30, 40)]], True))


CASES = (
    rms_norm,
    product,
    product_in_fp8,
    cast_and_transpose,
    history_of_largest_values,
    rotation,
    attention,
    adam,
    norm_of_lists,
)


def _gemm(call: Call, names: Any, weight: Any, x: Any, output: Any = None) -> torch.Tensor:
    size = 32 * 2**20
    workspace = torch.empty(size, dtype=torch.uint8, device=x.device)
    tail = (None, None, False, None, False, workspace, size, False, False)
    result: torch.Tensor = call("generic_gemm", weight, True, x, False, None, None, output, *tail)[0]
    return result


def _delayed(names: Any, device: str) -> Any:
    from transformer_engine.pytorch.tensor.float8_tensor import Float8Quantizer

    scale, amax = torch.full((1,), 100.0, device=device), torch.zeros(1, device=device)
    return Float8Quantizer(scale, amax, names.DType.kFloat8E4M3)


def _random(device: str, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, device=device).to(torch.bfloat16)


def _difference(one: torch.Tensor, other: torch.Tensor) -> float:
    """Of the largest magnitude."""
    return float((one.double() - other.double()).abs().max() / other.double().abs().max().clamp(min=1e-30))
