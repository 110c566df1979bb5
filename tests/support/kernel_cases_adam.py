"""The emulated Adam, and norms of lists, against plain formulas in fp64."""

import torch
from plain_formulas import BF16, FP32, close, in_fp8, random


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
