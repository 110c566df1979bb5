"""Attention of one new position per row on a CPU, in fp32, where it costs what reading the cache costs.

Products with so few queries are bound by memory, and those of torch read it at half of its speed. Here each key and
value is read once, only as far as its row goes, and rows are shared among threads. A row's numbers do not depend on
the other rows, nor on the number of threads.

Letters in shapes: B rows, G key-value heads, R heads of a group, T positions, D head dimension.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from torch import Tensor

_ROWS_OF_A_THREAD = 16
"""Below this a thread costs more than it brings."""
_MOST_THREADS = 8
"""More of them do not read faster."""
_SUMS = {"reassoc", "contract", "nsz"}
"""Sums in any order, so that they are vectorized; values that are not numbers stay what they are."""


def attend_one(query: "Tensor", keys: "Tensor", values: "Tensor", last: "Tensor", end: int, scale: float) -> "Tensor":
    """Attention of `query` [B, G, R, D] with the positions [0, last] of its row: [B, G, R, D].

    `keys` and `values`, [B, G, T, D] without gaps, may hold anything after `last` [B], which is below `end`. Sums run
    over `end` positions: a multiple of the vector length makes them the same to the bit for every `end`.
    """
    import torch

    new, ends = query.contiguous().numpy(), last.numpy()
    scores = torch.empty(*query.shape[:3], end)
    _share(_scores, (new, keys.numpy(), ends, np.float32(scale), scores.numpy()))
    weights = torch.softmax(scores, dim=-1)
    result = torch.empty(query.shape)
    _share(_sums, (weights.numpy(), values.numpy(), ends, result.numpy()))
    return result


def _share(kernel: Callable[..., None], arrays: tuple[Any, ...]) -> None:
    """Run `kernel` for all rows, in as many threads as torch uses."""
    import torch

    rows = len(arrays[0])
    threads = max(1, min(torch.get_num_threads(), rows // _ROWS_OF_A_THREAD, _MOST_THREADS))
    cuts = [rows * number // threads for number in range(threads + 1)]
    others = [_pool().submit(kernel, *arrays, *part) for part in pairwise(cuts[1:])]
    kernel(*arrays, cuts[0], cuts[1])
    for other in others:
        other.result()


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=_MOST_THREADS - 1)


@njit(cache=True, nogil=True, fastmath=_SUMS)
def _scores(query, keys, last, scale, scores, first_row, end_row):  # type: ignore[no-untyped-def]
    """Scaled products of queries and keys; minus infinity after a row's last position."""
    for row in range(first_row, end_row):
        end = last[row] + 1
        for group in range(query.shape[1]):
            for position in range(end):
                for head in range(query.shape[2]):
                    product = np.float32(0)
                    for place in range(query.shape[3]):
                        product += query[row, group, head, place] * keys[row, group, position, place]
                    scores[row, group, head, position] = product * scale
            scores[row, group, :, end:] = -np.inf


@njit(cache=True, nogil=True, fastmath=_SUMS)
def _sums(weights, values, last, result, first_row, end_row):  # type: ignore[no-untyped-def]
    """Sums of values by their weights."""
    for row in range(first_row, end_row):
        for group in range(weights.shape[1]):
            for head in range(weights.shape[2]):
                result[row, group, head] = 0
                for position in range(last[row] + 1):
                    weight = weights[row, group, head, position]
                    for place in range(result.shape[3]):
                        result[row, group, head, place] += weight * values[row, group, position, place]
