"""Products by oneDNN: their values, and which ones stay torch's."""

from collections.abc import Callable

import pytest
import torch

from training.cpu.products import matmul
from training.cpu.stand_in import cpu_stand_in

BY_ONEDNN = "mkldnn::_linear_pointwise"


def _used(call: Callable[[], object]) -> bool:
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        call()
    return any(event.key == BY_ONEDNN for event in profile.key_averages())


@pytest.mark.parametrize("shape", [(64, 96), (16, 4, 96), (1, 64, 96)])
@pytest.mark.parametrize("turned", [False, True])
def test_values_are_those_of_fp64(shape: tuple[int, ...], turned: bool) -> None:
    torch.manual_seed(0)
    left, right = torch.randn(shape), torch.randn(96, 200)
    if turned:  # as in a backward pass: the same numbers, the other way round in memory
        right = right.t().contiguous().t()
        left = left.transpose(0, -1).contiguous().transpose(0, -1)
    with torch.no_grad():
        found = matmul(left, right)
        assert _used(lambda: matmul(left, right))
    assert found.shape == (*shape[:-1], 200)
    torch.testing.assert_close(found, (left.double() @ right.double()).float(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("why", ["autograd", "dtype", "small", "three dimensions"])
def test_other_products_are_torchs(why: str) -> None:
    torch.manual_seed(0)
    left, right = torch.randn(64, 128), torch.randn(128, 128, requires_grad=why == "autograd")
    if why == "dtype":
        left, right = left.double(), right.double()
    elif why == "small":
        left = left[:2]
    elif why == "three dimensions":
        left, right = left[None], right[None]
    with torch.set_grad_enabled(why == "autograd"):
        assert not _used(lambda: matmul(left, right))
        found = matmul(left, right)
    assert torch.equal(found, torch.matmul(left, right))
    assert found.requires_grad == (why == "autograd")


def test_products_of_megatrons_layers_run_through_it_both_ways() -> None:
    from megatron.core.pipeline_parallel.schedules import custom_backward
    from megatron.core.tensor_parallel.layers import LinearWithGradAccumulationAndAsyncCommunication as Linear

    torch.manual_seed(0)
    given = torch.randn(64, 128, requires_grad=True)
    weight = torch.randn(160, 128, requires_grad=True)
    gradient = torch.randn(64, 160)

    def both_ways() -> torch.Tensor:
        output: torch.Tensor = Linear.apply(given, weight, None, False, False, False, None, None, None)
        custom_backward((output * gradient).sum(), None)
        return output

    with cpu_stand_in(), torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        output = both_ways()
    (event,) = (event for event in profile.key_averages() if event.key == BY_ONEDNN)
    assert event.count == 3
    assert given.grad is not None
    assert weight.grad is not None
    for found, left, right in (
        (output, given, weight.t()),
        (given.grad, gradient, weight),
        (weight.grad, gradient.t(), given),
    ):
        torch.testing.assert_close(found, (left.double() @ right.double()).float(), rtol=1e-5, atol=1e-5)
