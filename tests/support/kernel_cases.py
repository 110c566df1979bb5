"""Emulated kernels against plain formulas in fp64. Each case runs in a process of its own with Transformer Engine."""

import pytest
import torch
from kernel_cases_adam import adam_with_masters, adam_with_remainders, norms_and_scales_of_lists
from kernel_cases_attention import attention, packed_sequences_over_ranks, rotary_embeddings
from kernel_cases_fp8 import (
    casts_in_blocks,
    casts_in_tiles,
    casts_with_current_scaling,
    casts_with_delayed_scaling,
    history_of_largest_values,
    transposes,
)
from kernel_cases_products import (
    product_with_a_bias_gradient,
    products,
    products_in_fp8,
    products_in_mxfp8,
    products_in_tiles,
    products_that_are_refused,
    rms_norm,
    rms_norm_to_fp8,
    swiglu,
)


def other_functions_raise() -> None:
    import transformer_engine_torch as tex

    with pytest.raises(NotImplementedError, match="layernorm_fwd"):
        tex.layernorm_fwd()


CASES = (
    rms_norm,
    rms_norm_to_fp8,
    products,
    product_with_a_bias_gradient,
    products_in_fp8,
    products_in_mxfp8,
    products_in_tiles,
    products_that_are_refused,
    casts_with_delayed_scaling,
    casts_with_current_scaling,
    casts_in_blocks,
    casts_in_tiles,
    transposes,
    history_of_largest_values,
    attention,
    packed_sequences_over_ranks,
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
