"""A NeMo 2 checkpoint, read as data: `weights/` (torch_dist shards) and `context/model.yaml`."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from conduct.errors import InputError
from conversion.dcp_metadata import read_metadata
from conversion.dcp_read import read_region
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
        leading = () if index is None else (index,)
        return read_region(name, self._tensors[name], leading, where=self.directory / "weights" / ".metadata")

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
