"""The tensors that a checkpoint holds against the tensors that its architecture needs, name by name."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conversion.files.dtypes import WEIGHTS
from conversion.files.mapped_file import loaded
from foundation.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

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
                fix=_untied_hint(name)
                or "The weights do not belong to the configuration beside them, or the checkpoint is incomplete.",
                kind="missing-tensor",
            )
    for name in found:
        if name not in expected:
            raise InputError(
                f"unknown tensor {name!r} ({len(found.keys() - expected.keys())} unknown in all)",
                where=file_of(name),
                fix="A Llama of this configuration has no such weight; it would be lost.",
                kind="unknown-tensor",
            )
    for name, shape in expected.items():
        if found[name] != shape:
            raise InputError(
                f"tensor {name!r} has shape {list(found[name])}, the configuration says {list(shape)}",
                where=file_of(name),
                fix=_vocabulary_hint(name) or "Give the weights and the configuration of the same model.",
                kind="tensor-shape",
            )


def stored_dtypes(dtypes: Mapping[str, str], *, where: Path) -> dict[str, str]:
    """The dtypes, as in `config.json`, that tensors have, each with the name of one; usually there is one.

    Errors: `InputError` naming a tensor of another dtype than a model may be stored in.
    """
    found: dict[str, str] = {}
    for name, dtype in dtypes.items():
        if dtype not in WEIGHTS:
            raise InputError(
                f"tensor {name!r} is stored as {dtype}",
                where=where,
                fix="Store it as float32, bfloat16 or float16.",
                kind="tensor-dtype",
            )
        found.setdefault(dtype, name)
    return found


def common_dtype(stored: Mapping[str, str]) -> str:
    """The dtype in which the numbers of all `stored_dtypes` are exact: theirs, or float32 where they differ."""
    return next(iter(stored)) if len(stored) == 1 else "float32"


def is_copy_of_embeddings(head: "Array", embeddings: "Array", *, name: str, where: Path) -> bool:
    """Whether the output layer, stored beside tied embeddings, repeats them (Megatron-Bridge writes such).

    Errors: `InputError` where it has other numbers.
    """
    if head.shape == embeddings.shape and bool((loaded(head) == loaded(embeddings)).all()):
        return True
    raise InputError(
        f"tensor {name!r} differs from the embeddings, but the configuration ties them",
        where=where,
        fix="If the model has its own output layer, set tie_word_embeddings to false.",
        kind="tied-head-differs",
    )


def _vocabulary_hint(name: str) -> str:
    if any(part in name for part in ("embed", "lm_head", "output_layer")):
        return "The vocabulary has 256 tokens; only Megatron-Core pads it, and then both embeddings alike."
    return ""


def _untied_hint(name: str) -> str:
    if any(part in name for part in ("lm_head", "output_layer")):
        return "If the model has no output layer, set tie_word_embeddings to true."
    return ""
