"""The tensors that a checkpoint holds against the tensors that its architecture needs, name by name."""

from collections.abc import Callable, Mapping
from pathlib import Path

from foundation.errors import InputError

Shape = tuple[int, ...]


def check_tensors(
    found: Mapping[str, Shape], expected: Mapping[str, Shape], *, where: Path, file_of: Callable[[str], Path]
) -> None:
    """Refuse a checkpoint with a missing, extra or mis-shaped tensor.

    `where` is the file that lists the tensors, `file_of` gives the one that holds a tensor.
    Errors: `InputError` naming the first such tensor and the file.
    """
    for name in expected:
        if name not in found:
            raise InputError(
                f"tensor {name!r} is missing ({len(expected.keys() - found.keys())} of {len(expected)} are)",
                where=where,
                fix="The weights do not belong to the configuration beside them, or the checkpoint is incomplete.",
            )
    for name in found:
        if name not in expected:
            raise InputError(
                f"unknown tensor {name!r} ({len(found.keys() - expected.keys())} unknown in all)",
                where=file_of(name),
                fix="A Llama of this configuration has no such weight; it would be lost.",
            )
    for name, shape in expected.items():
        if found[name] != shape:
            raise InputError(
                f"tensor {name!r} has shape {list(found[name])}, the configuration says {list(shape)}",
                where=file_of(name),
                fix=_vocabulary_hint(name) or "Give the weights and the configuration of the same model.",
            )


def one_dtype(dtypes: Mapping[str, str], *, where: Path) -> str:
    """The one dtype, as in `config.json`, that all tensors share. Errors: `InputError` naming two that differ."""
    by_dtype = {dtype: name for name, dtype in dtypes.items()}
    for dtype, name in by_dtype.items():
        if dtype not in ("float32", "bfloat16", "float16"):
            raise InputError(
                f"tensor {name!r} is stored as {dtype}", where=where, fix="Store it as float32, bfloat16 or float16."
            )
    if len(by_dtype) > 1:
        shown = ", ".join(f"{name!r} is {dtype}" for dtype, name in by_dtype.items())
        raise InputError(f"the tensors have different dtypes: {shown}", where=where, fix="Store all of them alike.")
    return next(iter(by_dtype))


def _vocabulary_hint(name: str) -> str:
    if any(part in name for part in ("embed", "lm_head", "output_layer")):
        return "The vocabulary has 256 tokens; only Megatron-Core pads it, and then both embeddings alike."
    return ""
