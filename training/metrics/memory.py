"""The most memory that this process has held."""

import resource

import torch


def peak_memory_gib() -> float:
    """GiB. On a GPU what PyTorch had allocated on it, without NCCL's and the caching allocator's spare; else RSS."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # Linux counts KiB
