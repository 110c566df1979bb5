"""Which tokens of a sample each context-parallel rank has.

Megatron-Core and Transformer Engine cut each sequence into twice as many chunks as ranks; with two ranks the first has
chunks 0 and 3, the second 1 and 2, so that causal attention is the same work for both. Packed samples are cut document
by document, each of which is padded for it (`training.data.order.document_multiple`).
"""

import torch


def zigzag_places(cu_seqlens: torch.Tensor, ranks: int) -> torch.Tensor:
    """[ranks, tokens / ranks]: where the tokens of each rank are, in documents that begin at `cu_seqlens` and end at
    the last of them.
    """
    starts, ends = cu_seqlens[:-1].long(), cu_seqlens[1:].long()
    chunk = (ends - starts) // (2 * ranks)
    return torch.stack([_places(starts + rank * chunk, ends - (rank + 1) * chunk, chunk) for rank in range(ranks)])


def _places(first: torch.Tensor, second: torch.Tensor, chunk: torch.Tensor) -> torch.Tensor:
    """`chunk` places from each `first`, then from the `second` beside it."""
    counts = chunk.repeat_interleave(2)
    begins = torch.stack([first, second], 1).flatten() - (counts.cumsum(0) - counts)
    return torch.repeat_interleave(begins, counts) + torch.arange(int(counts.sum()))
