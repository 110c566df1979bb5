"""The safetensors files of a model directory: headers checked, numbers mapped. Nothing in the format can be run.

Format: 8 bytes of header length (little-endian), the header as JSON, the tensors' bytes end to end.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conversion.files.dtypes import DTYPES, OF_SAFETENSORS
from conversion.files.mapped_file import MappedFile, ShrankError
from foundation.errors import InputError, shown
from foundation.untrusted import parse_json, read_json, unique_keys

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

Shape = tuple[int, ...]

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"

_HEADER_LIMIT = 100_000_000
"""Bytes; the limit of the safetensors library."""


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A tensor and its position. `dtype` as in `config.json`, or as in the file for dtypes that no model has."""

    dtype: str
    shape: Shape
    file: MappedFile
    start: int

    def array(self) -> "Array":
        """Its raw numbers, without a copy."""
        return self.file.array(self.start, self.shape, self.dtype)


class SafetensorsReader:
    """All tensors of `directory`, by name: of its one file, or of those that its index names.

    Errors: `InputError` naming the tensor and the file.
    """

    def __init__(self, directory: Path) -> None:
        self.listing, listed = _list_files(directory)
        self.tensors: dict[str, Listed] = {}
        for path, names in listed.items():
            held = read_safetensors(path)
            if names is not None and (differing := names ^ held.keys()):
                problem = f"tensor {min(differing)!r} is " + (
                    "not listed there" if differing & held.keys() else "not in it"
                )
                raise InputError(
                    f"{problem}; {INDEX} and the file disagree",
                    where=path,
                    fix="Copy the model again.",
                    kind="index-disagrees",
                )
            for name, tensor in held.items():
                if name in self.tensors:
                    raise InputError(
                        f"tensor {name!r} is in {self.tensors[name].file.path.name} too",
                        where=path,
                        fix="Keep one of them.",
                        kind="duplicate-tensor",
                    )
                self.tensors[name] = tensor
        if not self.tensors:
            raise InputError("holds no tensors", where=self.listing, fix="Give a complete model.", kind="no-weights")


def read_safetensors(path: Path) -> dict[str, Listed]:
    """The tensors of the file `path` by name; the header is checked, the numbers mapped. Errors: `InputError`."""
    file = MappedFile(path)
    try:
        length = int.from_bytes(file.bytes(0, 8), "little")
        if length > min(_HEADER_LIMIT, file.size - 8):
            raise ValueError(f"a header of {length} bytes in a file of {file.size}")
        header = parse_json(file.bytes(8, length).decode("utf-8"), where=path, pairs_hook=unique_keys)
        _check_framework(header.pop("__metadata__", None))
        tensors = {name: _listed(name, entry, file, 8 + length) for name, entry in header.items()}
        ends = sorted((t.start, t.start + size_of(t)) for t in tensors.values())
        gaps = [a for (_, a), (b, _) in zip([(0, 8 + length), *ends], [*ends, (file.size, 0)], strict=True) if a != b]
        if gaps:
            raise ValueError(f"tensors and file do not fit together at byte {gaps[0]} of {file.size}")
    except ShrankError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        reason = error.problem if isinstance(error, InputError) else error
        raise InputError(
            f"is truncated, or not a safetensors file of PyTorch ({reason})",
            where=path,
            fix="Copy the file again.",
            kind="safetensors-damaged",
        ) from error
    return tensors


def _listed(name: str, entry: dict[str, Any], file: MappedFile, data: int) -> Listed:
    begin, end = entry["data_offsets"]
    shape = tuple(entry["shape"])
    if any(type(size) is not int or size < 0 for size in (begin, end, *shape)):
        raise ValueError(f"impossible sizes of {name!r}")
    dtype = OF_SAFETENSORS.get(entry["dtype"])
    tensor = Listed(dtype=dtype.name if dtype else str(entry["dtype"]), shape=shape, file=file, start=data + begin)
    if data + end > file.size or (dtype and end - begin != math.prod(shape) * dtype.itemsize):
        raise ValueError(f"{name!r} takes bytes {begin} to {end} of {file.size - data}, its shape is {list(shape)}")
    return tensor if dtype else UnknownDtype(**vars(tensor), size=end - begin)


@dataclass(frozen=True, kw_only=True)
class UnknownDtype(Listed):
    """A tensor of a format that no weight here is stored in; only its `size` in bytes is known."""

    size: int


def size_of(tensor: Listed) -> int:
    """Bytes of `tensor` in its file."""
    if isinstance(tensor, UnknownDtype):
        return tensor.size
    return math.prod(tensor.shape) * DTYPES[tensor.dtype].itemsize


def _check_framework(metadata: Any) -> None:
    """Refuse weights of TensorFlow or JAX, which store linear layers transposed, under names of their own."""
    framework = metadata.get("format") if isinstance(metadata, dict) else None
    if framework not in (None, "pt", "np", "mlx"):
        raise ValueError(f"its metadata says the format {shown(framework)}, not 'pt'")


def _list_files(directory: Path) -> tuple[Path, dict[Path, set[str] | None]]:
    """The file that lists the tensors, and each file of tensors with the names it must hold (None: any)."""
    single, index = directory / SINGLE, directory / INDEX
    if single.is_file():
        return single, {single: None}
    if not index.is_file():
        pickled = sorted([*directory.glob("*.bin"), *directory.glob("*.pt"), *directory.glob("*.pth")])
        if pickled:
            raise InputError(
                "is pickled weights, which can run code when loaded",
                where=pickled[0],
                fix="Convert to safetensors first: `save_pretrained` of transformers writes them.",
                kind="pickled-weights",
            )
        problem = f"neither {SINGLE} nor {INDEX} here"
        raise InputError(problem, where=directory, fix="Give a complete model.", kind="no-weights")
    try:
        weight_map = read_json(index, limit=_HEADER_LIMIT)["weight_map"]
        listed: dict[Path, set[str] | None] = {}
        for name, file in weight_map.items():
            names = listed.setdefault(directory / _plain_name(file, index), set())
            assert names is not None
            names.add(name)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"is not an index of safetensors files ({error!r})", where=index, fix="Copy it again.",
                         kind="index-damaged") from error  # fmt: skip
    for file in listed:
        if not file.is_file():
            raise InputError("this shard is missing", where=file, fix="Copy the model again.", kind="missing-shard")
    return index, listed


def _plain_name(file: Any, index: Path) -> str:
    """A file beside the index. It may be a link (the Hugging Face cache is made of them); what it holds is inert."""
    if not isinstance(file, str) or file != Path(file).name or not file.endswith(".safetensors"):
        raise InputError(
            f"names the file {shown(file)}",
            where=index,
            fix="Only .safetensors files beside it are read.",
            kind="index-outside",
        )
    return file
