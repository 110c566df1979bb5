"""Norms, scales and sums over lists of tensors, and what the extension says of the machine.

Source: common/multi_tensor/*.cu, csrc/extensions/misc.cpp.
"""

from collections.abc import Sequence

import torch

from benchmarks.emulated_gpu.kernels.block_scaling import scale_from
from benchmarks.emulated_gpu.kernels.registry import KERNELS, check, kernel

Lists = Sequence[Sequence[torch.Tensor]]


@kernel
def multi_tensor_scale(chunk_size: int, noop_flag: torch.Tensor, tensor_lists: Lists, scale: float, /) -> None:
    """Write the first list times `scale` into the second."""
    for source, target in zip(*tensor_lists, strict=True):
        check(source.shape == target.shape, f"shapes differ: {tuple(source.shape)}, {tuple(target.shape)}")
        target.copy_(source.float() * scale)


@kernel
def multi_tensor_l2norm(
    chunk_size: int, noop_flag: torch.Tensor, tensor_lists: Lists, per_tensor_python: bool | None, /
) -> tuple[torch.Tensor, torch.Tensor]:
    """The L2 norm over all tensors, [1], and of each where `per_tensor_python`."""
    norms = torch.stack([tensor.float().norm() for tensor in tensor_lists[0]])
    return norms.norm().view(1), norms if per_tensor_python else norms.new_empty(0)


@kernel
def multi_tensor_compute_scale_and_scale_inv(
    chunk_size: int,
    noop_flag: torch.Tensor,
    tensor_lists: Lists,
    max_fp8: float,
    force_pow_2_scales: bool,
    epsilon: float,
    /,
) -> None:
    """Scales and their inverses from largest values, for current scaling."""
    for amax, scale, inverse in zip(*tensor_lists, strict=True):
        scale.copy_(scale_from(amax, max_fp8, epsilon, force_pow_2_scales))
        inverse.copy_(1 / scale)


def get_cudnn_version() -> int:
    """9.20, which torch 2.13.0 brings."""
    return 92000


def get_cublasLt_version() -> int:  # noqa: N802
    """13.1."""
    return 130100


def get_num_cublas_streams() -> int:
    return 4


def device_supports_multicast(device_id: int = -1) -> bool:
    return False


def get_stream_priority_range(device_id: int = -1) -> tuple[int, int]:
    return (0, -5)


def ubuf_built_with_mpi() -> bool:
    return False


for _told in (
    get_cudnn_version,
    get_cublasLt_version,
    get_num_cublas_streams,
    device_supports_multicast,
    get_stream_priority_range,
    ubuf_built_with_mpi,
):
    KERNELS[_told.__name__] = _told
