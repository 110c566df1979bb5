"""A NeMo 2 checkpoint, read as data: `weights/` (torch_dist shards) and `context/model.yaml`."""

import io
import math
import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

from conduct.errors import InputError
from conversion.dcp_metadata import Chunk, StoredTensor, read_metadata
from conversion.nemo_context import read_context
from conversion.strict import check_tensors, one_dtype
from conversion.weight_table import Shape, Weight, expand

if TYPE_CHECKING:
    import torch

PREFIX = "module."

# What a training run stores beside the weights; compared with the whole name.
NOT_WEIGHTS = re.compile(
    r"optimizer\..*"
    r"|chained_\d+\..*"  # several optimizers, by megatron-core before 0.14
    r"|opt_param_scheduler\..*"
    r"|rng_state.*"
    r"|rerun_state_machine_state.*"
    r"|module\..*\._extra_state.*"  # scaling factors of FP8 layers, or nothing
)


class NemoCheckpoint:
    """The directory of a checkpoint (`weights/` and `context/`), checked against its own configuration.

    Attributes: `architecture` (its `dtype` is that of the stored weights), `weights`, `directory`.
    Errors: `InputError` naming the tensor or key and the file.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        folder = directory / "weights"
        if not folder.is_dir():
            raise InputError(
                "no weights/ here", where=directory, fix="Give a NeMo 2 checkpoint, or the directory of its run."
            )
        if not folder.resolve().is_relative_to(directory.resolve()):
            raise InputError("is a link that leads outside of the checkpoint", where=folder)
        metadata = folder / ".metadata"
        self._tensors = {n: t for n, t in read_metadata(folder).items() if not NOT_WEIGHTS.fullmatch(n)}
        if not self._tensors:
            raise InputError("lists no weights", where=metadata, fix="Give the checkpoint of a model.")
        dtype = one_dtype({name: tensor.dtype for name, tensor in self._tensors.items()}, where=metadata)
        self.architecture = read_context(directory, dtype=dtype)
        self.weights = expand(self.architecture)
        self._check(metadata)

    def read(self, weight: Weight) -> "torch.Tensor":
        """Megatron's tensor `weight`, shape `weight.megatron_shape`, assembled from its chunks."""
        name, index = self._stored_as(weight)
        stored = self._tensors[name]
        leading = () if index is None else (index,)
        whole = self._region(name, stored, leading)
        return whole.reshape(weight.megatron_shape)

    def _check(self, metadata: Path) -> None:
        """Names and shapes; layers may be stored one by one, or stacked along a new first dimension."""
        layers = self.architecture.num_hidden_layers
        expected: dict[str, Shape] = {}
        for weight in self.weights:
            stacked = weight.layer is not None and PREFIX + weight.stacked in self._tensors
            name = PREFIX + (weight.stacked if stacked else weight.megatron)
            expected[name] = (layers, *weight.megatron_shape) if stacked else weight.megatron_shape
        check_tensors(
            {name: tensor.shape for name, tensor in self._tensors.items()},
            expected,
            where=metadata,
            file_of=lambda name: self._tensors[name].chunks[0].file if self._tensors[name].chunks else metadata,
        )

    def _stored_as(self, weight: Weight) -> tuple[str, int | None]:
        if weight.layer is not None and PREFIX + weight.stacked in self._tensors:
            return PREFIX + weight.stacked, weight.layer
        return PREFIX + weight.megatron, None

    def _region(self, name: str, stored: StoredTensor, leading: tuple[int, ...]) -> "torch.Tensor":
        """The part of `stored` at the indices `leading` of its first dimensions."""
        import torch

        chunks = [c for c in stored.chunks if _holds(c, leading)]
        rest = len(leading)
        shape = stored.shape[rest:]
        covered = sum(math.prod(chunk.shape[rest:]) for chunk in chunks)
        if covered != math.prod(shape) or any(_overlap(a, b, rest) for a, b in combinations(chunks, 2)):
            raise InputError(
                f"the chunks of {name!r} do not make up the whole tensor", where=self.directory / "weights/.metadata"
            )
        if len(chunks) == 1:
            return _load(chunks[0], stored, name)[_within(chunks[0], leading)]
        whole = torch.empty(shape, dtype=getattr(torch, stored.dtype))
        for chunk in chunks:
            whole[_place(chunk, rest)] = _load(chunk, stored, name)[_within(chunk, leading)]
        return whole


def _holds(chunk: Chunk, leading: tuple[int, ...]) -> bool:
    pairs = zip(leading, chunk.offsets, chunk.shape, strict=False)
    return all(offset <= index < offset + size for index, offset, size in pairs)


def _within(chunk: Chunk, leading: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(index - offset for index, offset in zip(leading, chunk.offsets, strict=False))


def _place(chunk: Chunk, rest: int) -> tuple[slice, ...]:
    return tuple(slice(o, o + s) for o, s in zip(chunk.offsets[rest:], chunk.shape[rest:], strict=True))


def _overlap(a: Chunk, b: Chunk, rest: int) -> bool:
    def sides() -> Iterator[tuple[slice, slice]]:
        return zip(_place(a, rest), _place(b, rest), strict=True)

    return all(x.start < y.stop and y.start < x.stop for x, y in sides())


def _load(chunk: Chunk, stored: StoredTensor, name: str) -> "torch.Tensor":
    """One chunk. Only tensors can come out of it, and only the one that `.metadata` describes."""
    import torch

    with chunk.file.open("rb") as file:
        file.seek(chunk.start)
        archive = io.BytesIO(file.read(chunk.length))
    try:
        tensor = torch.load(archive, weights_only=True, map_location="cpu")
    except Exception as error:  # torch raises RuntimeError, UnpicklingError, EOFError, KeyError, ...
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{name!r} at byte {chunk.start} is no readable tensor ({reason})",
            where=chunk.file,
            fix="Copy the checkpoint anew.",
        ) from error
    if not isinstance(tensor, torch.Tensor):
        raise InputError(f"{name!r} at byte {chunk.start} is no tensor", where=chunk.file)
    if tuple(tensor.shape) != chunk.shape or str(tensor.dtype) != f"torch.{stored.dtype}":
        raise InputError(
            f"{name!r} at byte {chunk.start} is {list(tensor.shape)} {tensor.dtype}, "
            f"`.metadata` says {list(chunk.shape)} {stored.dtype}",
            where=chunk.file,
        )
    return tensor
