"""Q8_0 of llama.cpp: blocks of 32 numbers of a row, each a float16 scale and 32 signed bytes.

Quantising what was quantised changes nothing, so a weight on this grid is stored without loss.
"""

from typing import TYPE_CHECKING, Any

from foundation.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

BLOCK = 32


def quantise(numbers: "Array", name: str) -> "Array":
    """The bytes [rows, columns / 32 * 34] of float32 `numbers` [rows, columns].

    Errors: `InputError` naming the tensor `name` for values that are not finite, or too large for a float16 scale.
    """
    import numpy as np

    blocks = numbers.reshape(-1, BLOCK)
    largest = np.abs(blocks).max(axis=1, keepdims=True)
    if not (largest <= 127 * 65504.0).all():  # of NaN it is false
        problem = f"{name!r} has values that are not finite, or too large for Q8_0"
        raise InputError(problem, fix="Choose float32.", kind="dtype-overflow")
    scales = largest / np.float32(127)
    with np.errstate(divide="ignore"):
        factors = np.where(scales > 0, np.float32(1) / scales, np.float32(0)).astype(np.float32)
    wide = blocks * np.where(np.isfinite(factors), factors, np.float32(0))
    found = np.empty((len(blocks), BLOCK + 2), np.uint8)
    found[:, :2] = scales.astype("<f2").view(np.uint8)
    found[:, 2:] = (np.sign(wide) * np.floor(np.abs(wide) + np.float32(0.5))).astype(np.int8).view(np.uint8)
    return found.reshape(len(numbers), -1)


def dequantise(stored: "Array") -> "Array":
    """Float32 numbers [rows, columns] of what `quantise` gives."""
    import numpy as np

    blocks = stored.reshape(-1, BLOCK + 2)
    scales = np.ascontiguousarray(blocks[:, :2]).view("<f2").astype(np.float32)
    return (blocks[:, 2:].view(np.int8) * scales).astype(np.float32).reshape(len(stored), -1)


def on_grid(raw: "Array", name: str) -> "Array":
    """Raw float32 numbers, each as Q8_0 stores it. Errors: as `quantise`."""
    return dequantise(quantise(raw.view("<f4"), name)).view("<u4")
