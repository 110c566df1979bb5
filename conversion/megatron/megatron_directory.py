"""A `torch_dist` directory of Megatron-Core with its configuration: NeMo 2's, or Megatron-Bridge's.

Both hold the same tensors; names in NeMo 2 begin with `module.`. Layers are written stacked, [num_hidden_layers, ...],
one chunk a layer, as Megatron's homogeneous blocks ask for them, and read in this form and layer by layer.
"""

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from configs.llama import LlamaArchitecture
from conversion.checkpoint import Rows, Writer, check_inside, check_size
from conversion.files.dtypes import DTYPES, cast
from conversion.files.mapped_file import loaded
from conversion.files.pickle_writer import Global
from conversion.megatron.dcp_metadata import read_metadata
from conversion.megatron.dcp_read import Shards
from conversion.megatron.dcp_writer import CONTENT, DcpWriter
from conversion.strict import check_tensors, common_dtype, is_copy_of_embeddings, stored_dtypes
from conversion.weight_table import Shape, Weight, expand, fuse, split
from foundation.errors import InputError
from tokenizer.vocabulary import VOCAB_SIZE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

# What a training run stores beside the weights; compared with the name after the prefix.
NOT_WEIGHTS = re.compile(
    r"optimizer\..*"
    r"|chained_\d+\..*"  # several optimizers, by megatron-core before 0.14
    r"|opt_param_scheduler\..*"
    r"|rng_state.*"
    r"|rerun_state_machine_state.*"
    r"|.*\._extra_state.*"  # scaling factors of FP8 layers, or nothing
)

# Modules of Transformer Engine, which ask for a state of FP8 scales.
_STATEFUL_IN_LAYERS = (
    "self_attention.linear_qkv",
    "self_attention.linear_proj",
    "self_attention.core_attention",
    "mlp.linear_fc1",
    "mlp.linear_fc2",
)
_STATEFUL = ("decoder.final_layernorm",)


class MegatronWeights:
    """The model's tensors in the `torch_dist` directory `weights`, names after `prefix`.

    `stored` has them, `others` the tensors of the optimizer and such. Errors: `InputError`.
    """

    def __init__(self, weights: Path, prefix: str, *, within: Path) -> None:
        self.folder, self.prefix, self.listing = weights, prefix, weights / ".metadata"
        check_inside(weights, within)
        listing = read_metadata(weights)
        tensors, self.objects = listing.tensors, listing.objects
        self.others = {name: tensor for name, tensor in tensors.items() if NOT_WEIGHTS.fullmatch(name)}
        self.stored = {name: tensor for name, tensor in tensors.items() if name not in self.others}
        if not self.stored:
            raise InputError(
                "lists no weights", where=self.listing, fix="Give the checkpoint of a model.", kind="no-weights"
            )
        dtypes = {name: tensor.dtype for name, tensor in self.stored.items()}
        self.stored_dtypes = stored_dtypes(dtypes, where=self.listing)
        self.dtype = common_dtype(self.stored_dtypes)
        self.shards = Shards(self.listing)

    def vocabulary(self) -> int:
        """Rows of the embeddings: 256, or more where Megatron-Core padded them for tensor parallelism."""
        stored = self.stored.get(self.prefix + "embedding.word_embeddings.weight")
        rows = stored.shape[0] if stored and stored.shape else VOCAB_SIZE
        return max(rows, VOCAB_SIZE)

    def check(self, weights: tuple[Weight, ...], layers: int) -> None:
        """Refuse another set of tensors than `weights`; layers may be stored one by one, or stacked."""
        expected: dict[str, Shape] = {}
        for weight in weights:
            name, index = self.stored_as(weight)
            expected[name] = weight.fused_shape if index is None else (layers, *weight.fused_shape)
        check_tensors(
            {name: tensor.shape for name, tensor in self.stored.items()},
            expected,
            where=self.listing,
            file_of=lambda name: self.stored[name].chunks[0].file if self.stored[name].chunks else self.listing,
        )

    def stored_as(self, weight: Weight) -> tuple[str, int | None]:
        """The name of the tensor that has `weight`, and its place in there where layers are stacked."""
        if weight.layer is not None and self.prefix + weight.stacked in self.stored:
            return self.prefix + weight.stacked, weight.layer
        return self.prefix + weight.megatron, None

    def read(self, weight: Weight) -> "Array":
        """Megatron's tensor of `weight`; a view of a shard where one chunk holds it."""
        return self.tensor(*self.stored_as(weight))

    def tensor(self, name: str, index: int | None = None) -> "Array":
        """The tensor stored as `name`, or that of the layer `index` in it; raw numbers of `dtype`."""
        stored = self.stored[name]
        found = self.shards.region(name, stored, () if index is None else (index,))
        return found if stored.dtype == self.dtype else cast(loaded(found), stored.dtype, self.dtype, name)

    def leave_out_tied_copy(self) -> None:
        """Forget an output layer that repeats the tied embeddings. Errors: `InputError` where it has other numbers."""
        embeddings, head = (f"{self.prefix}{name}.weight" for name in ("embedding.word_embeddings", "output_layer"))
        if {embeddings, head} <= self.stored.keys():
            is_copy_of_embeddings(self.tensor(head), self.tensor(embeddings), name=head, where=self.listing)
            del self.stored[head]


class MegatronDirectory:
    """The checkpoint `directory` with `weights` in it and the `architecture` of its configuration, checked.

    See `checkpoint.Checkpoint`. Errors: `InputError` naming the tensor and the file.
    """

    def __init__(
        self, directory: Path, tensors: MegatronWeights, architecture: LlamaArchitecture, *, where: Path
    ) -> None:
        self.directory, self.tensors, self.architecture = directory, tensors, architecture
        self.stored_dtypes = tensors.stored_dtypes
        check_size(architecture, sum(path.stat().st_size for path in self.files()), where=where)
        self.vocabulary = tensors.vocabulary()
        self.weights = expand(architecture, vocabulary=self.vocabulary)
        if architecture.tie_word_embeddings:
            tensors.leave_out_tied_copy()
        tensors.check(self.weights, architecture.num_hidden_layers)

    @property
    def stored_bytes(self) -> int:
        """Size of the weights in the files."""
        return sum(math.prod(one.shape) * DTYPES[one.dtype].itemsize for one in self.tensors.stored.values())

    def parts(self, weight: Weight) -> list[Rows]:
        """The Hugging Face tensors of `weight`, in the table's order."""
        return list(split(weight, self.fused(weight)))

    def fused(self, weight: Weight) -> "Array":
        """Megatron's tensor of `weight`."""
        return self.tensors.read(weight)

    def files(self) -> list[Path]:
        """The files that hold tensors."""
        every = {**self.tensors.stored, **self.tensors.others}.values()
        return sorted({chunk.file for tensor in every for chunk in tensor.chunks})


class MegatronWriter:
    """Writes the `torch_dist` directory `weights`, names after `prefix`. See `checkpoint.Writer`.

    `common` is what `common.pt` has beside the description of its `content`, which completes ours.
    """

    def __init__(
        self,
        weights: Path,
        architecture: LlamaArchitecture,
        *,
        prefix: str,
        common: Mapping[str, Any],
        content: Mapping[str, Any],
    ) -> None:
        self._prefix, self._layers, self._dtype = prefix, architecture.num_hidden_layers, architecture.dtype
        self.dcp = DcpWriter(weights, common={**common, "content_metadata": {**CONTENT, **content}})

    def __enter__(self) -> Writer:
        self.dcp.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        if error[0] is None:
            self._write_states()
        self.dcp.__exit__(*error)

    def write(self, weight: Weight, parts: Sequence[Rows]) -> None:
        """Append `weight`, given as its Hugging Face tensors."""
        rows, shape = fuse(weight, parts), weight.fused_shape
        if weight.layer is None:
            name, offsets, size = weight.megatron, (0,) * len(shape), shape
        else:
            name, size = weight.stacked, (self._layers, *shape)
            offsets, shape = (weight.layer, *(0 for _ in shape)), (1, *shape)
        self.dcp.write(self._prefix + name, self._dtype, size, rows, offsets=offsets, shape=shape)

    def write_objects(self, objects: Mapping[str, Any]) -> None:
        """Append what the distributed optimizer keeps beside its buffers, as `training_state.Training` has it."""
        for name, value in objects.items():
            self.dcp.write_object(name, _with_dtypes(value))

    def _write_states(self) -> None:
        names = [
            f"decoder.layers.{module}._extra_state/shard_{layer}_{self._layers}"
            for layer in range(self._layers)
            for module in _STATEFUL_IN_LAYERS
        ]
        for name in [*names, *(f"{module}._extra_state/shard_0_1" for module in _STATEFUL)]:
            self.dcp.write_object(self._prefix + name, [None])


def _with_dtypes(value: Any) -> Any:
    """`value` with the pairs of dtypes in it, which were read as names, as torch's again."""
    if isinstance(value, list):
        return [_with_dtypes(item) for item in value]
    if isinstance(value, dict):
        return {_dtypes(key) if isinstance(key, tuple) else key: _with_dtypes(item) for key, item in value.items()}
    return value


def _dtypes(names: tuple[str, ...]) -> tuple[Global, ...]:
    return tuple(Global("torch", name.removeprefix("torch.")) for name in names)
