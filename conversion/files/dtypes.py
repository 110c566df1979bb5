"""Number formats under their names in `config.json`, in safetensors and in torch, and casts between those of models.

Numbers stay bytes here: an array of a format holds unsigned integers of its width, so that bfloat16, which numpy does
not know, is like the others, and nothing (NaN payloads, negative zero) changes on the way.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from foundation.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Dtype:
    """`storage` is the class in a `torch.save` archive."""

    name: str
    safetensors: str
    storage: str
    itemsize: int


DTYPES = {
    dtype.name: dtype
    for dtype in (
        Dtype(name="float32", safetensors="F32", storage="FloatStorage", itemsize=4),
        Dtype(name="bfloat16", safetensors="BF16", storage="BFloat16Storage", itemsize=2),
        Dtype(name="float16", safetensors="F16", storage="HalfStorage", itemsize=2),
        Dtype(name="float64", safetensors="F64", storage="DoubleStorage", itemsize=8),
        Dtype(name="int64", safetensors="I64", storage="LongStorage", itemsize=8),
        Dtype(name="int32", safetensors="I32", storage="IntStorage", itemsize=4),
        Dtype(name="int16", safetensors="I16", storage="ShortStorage", itemsize=2),
        Dtype(name="int8", safetensors="I8", storage="CharStorage", itemsize=1),
        Dtype(name="uint8", safetensors="U8", storage="ByteStorage", itemsize=1),
        Dtype(name="bool", safetensors="BOOL", storage="BoolStorage", itemsize=1),
    )
}
OF_SAFETENSORS = {dtype.safetensors: dtype for dtype in DTYPES.values()}
OF_STORAGE = {dtype.storage: dtype for dtype in DTYPES.values()}

WEIGHTS = ("float32", "bfloat16", "float16")
"""What weights may be stored as."""

_NUMPY = {"float32": "<f4", "float16": "<f2"}
_INFINITY = {"float32": 0x7F80_0000, "bfloat16": 0x7F80, "float16": 0x7C00}
"""Bits of positive infinity; those of a NaN are above."""
_BLOCK = 1 << 20


def raw(name: str) -> str:
    """numpy's type for the bytes of the format `name`: a little-endian unsigned integer."""
    return f"<u{DTYPES[name].itemsize}"


def cast(array: "Array", source: str, target: str, name: str) -> "Array":
    """`array`, raw numbers of the format `source`, as `target`, rounded to nearest even as torch does.

    Errors: `InputError` naming the tensor `name` where a finite value would become infinite (float16 ends at 65504).
    """
    import numpy as np

    if source == target:
        return array
    result = np.empty(array.shape, raw(target))
    numbers, written = array.reshape(-1), result.reshape(-1)
    for start in range(
        0, len(numbers), _BLOCK
    ):  # in blocks, since what a cast needs on the way is several times larger
        place = slice(start, start + _BLOCK)
        wide = to_float32(numbers[place], source)
        with np.errstate(over="ignore", invalid="ignore"):  # checked below
            written[place] = (
                _to_bfloat16(wide) if target == "bfloat16" else wide.astype(_NUMPY[target]).view(raw(target))
            )
        if not np.array_equal(np.isfinite(to_float32(written[place], target)), np.isfinite(wide)):
            raise InputError(
                f"{name!r} has values too large for {target}", fix="Choose bfloat16 or float32.", kind="dtype-overflow"
            )
    return result


def count_not_finite(block: memoryview, dtype: str) -> int:
    """How many of the numbers in `block`, bytes of the format `dtype`, one of `WEIGHTS`, are NaN or infinite."""
    import numpy as np

    bits = np.frombuffer(block, raw(dtype))
    magnitude = np.array((1 << (8 * DTYPES[dtype].itemsize - 1)) - 1, bits.dtype)  # all bits but the sign's
    found = np.bitwise_and(bits, magnitude)
    if found.max(initial=0) < _INFINITY[dtype]:
        return 0
    return int(np.count_nonzero(found >= _INFINITY[dtype]))


def to_float32(array: "Array", source: str) -> "Array":
    """The numbers of raw `array` of the format `source`, one of `WEIGHTS`, as numpy's float32; exact."""
    import numpy as np

    if source == "float32":
        return array.view("<f4")
    if source == "float16":
        return array.view("<f2").astype("<f4")
    return (array.astype("<u4") << np.uint32(16)).view("<f4")


def _to_bfloat16(wide: "Array") -> "Array":
    import numpy as np

    bits = wide.view("<u4")
    rounded = (bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)
    # Rounding would carry a NaN over into infinity or zero; torch gives the quiet NaN.
    return np.where(np.isnan(wide), np.uint32(0x7FC0), rounded).astype("<u2")
