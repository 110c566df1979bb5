"""A directory with `model.gguf`, as `convert --to gguf` writes it, for llama.cpp.

llama.cpp turns neighbouring numbers of a head by one angle, where everyone else turns the two halves, so the rows of
queries and keys are interleaved. Norms are float32 whatever the type of the other weights.
"""

import dataclasses
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from configs.llama import LlamaArchitecture, parse_architecture
from conversion.checkpoint import Rows, Writer
from conversion.files.dtypes import cast
from conversion.files.flushed_file import FlushedFile
from conversion.files.mapped_file import MappedFile, blocks, loaded
from conversion.gguf.container import ALIGNMENT, TENSOR_TYPES, Shape, Stored, Value, read_header, write_header
from conversion.gguf.metadata import CONFIG, metadata, rope_factors
from conversion.gguf.q8_0 import BLOCK, dequantise, quantise
from conversion.strict import check_tensors
from conversion.weight_table import Weight, expand, fuse
from foundation.errors import InputError
from foundation.spelling import option
from foundation.untrusted import parse_json
from tokenizer.vocabulary import VOCAB_SIZE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

NAME = "model.gguf"
_ROPE = "rope_freqs.weight"


class GgufDirectory:
    """The model in `directory`, checked. See `checkpoint.Checkpoint`; numbers of Q8_0 are read as float32.

    Errors: `InputError` naming the key or the tensor, also for a file from other software.
    """

    def __init__(self, directory: Path) -> None:
        self.directory, self.vocabulary = directory, VOCAB_SIZE
        self._file = MappedFile(directory / NAME)
        values, self._tensors = read_header(self._file)
        self.architecture, stored = _architecture(values, self._tensors, self._file.path)
        self.stored_dtypes: Mapping[str, str] = {stored: "token_embd.weight"}
        self.weights = expand(self.architecture)
        expected = tensors_of(self.architecture, stored)
        check_tensors(
            {name: one.shape for name, one in self._tensors.items()},
            {name: shape for name, (_, shape) in expected.items()},
            where=self._file.path,
            file_of=lambda _: self._file.path,
        )
        for name, (kind, _) in expected.items():
            if self._tensors[name].type != kind:
                problem = f"tensor {name!r} is stored as {self._tensors[name].type}, not as {kind}"
                raise InputError(problem, where=self._file.path, fix="Convert again.", kind="tensor-dtype")

    @property
    def stored_bytes(self) -> int:
        """Size of the weights in the file."""
        return sum(TENSOR_TYPES[one.type].size(one.shape) for one in self._tensors.values())

    def parts(self, weight: Weight) -> list[Rows]:
        """The Hugging Face tensors of `weight`, in the table's order."""
        turned = [_halves(self.architecture, name, self._numbers(name)) for name in weight.gguf]
        return [[one] for one in turned]

    def fused(self, weight: Weight) -> "Array":
        """The tensor of `weight` as Megatron-Core has it."""
        import numpy as np

        return np.concatenate(list(fuse(weight, [[loaded(one) for one in rows] for rows in self.parts(weight)])))

    def files(self) -> list[Path]:
        """The file that holds tensors."""
        return [self._file.path]

    def _numbers(self, name: str) -> "Array":
        """Raw numbers of the architecture's dtype; a view of the file where they are stored so."""
        one, wanted = self._tensors[name], self.architecture.dtype
        if one.type == "q8_0":
            row = TENSOR_TYPES["q8_0"].size((1, one.shape[1]))
            return dequantise(loaded(self._file.array(one.start, (one.shape[0], row), "uint8"))).view("<u4")
        array = self._file.array(one.start, one.shape, one.type)
        return array if one.type == wanted else cast(loaded(array), one.type, wanted, name)


class GgufWriter:
    """Writes `model.gguf` into `directory`, tensor by tensor. See `checkpoint.Writer`.

    `stored`: the type of its matrices, by default the architecture's dtype. Errors: `InputError` for a shape that has
    no Q8_0.
    """

    def __init__(self, directory: Path, architecture: LlamaArchitecture, stored: str | None = None) -> None:
        self._architecture, self._stored = architecture, stored or architecture.dtype
        tensors = tensors_of(architecture, self._stored)
        for name, (kind, shape) in tensors.items():
            if kind == "q8_0" and shape[1] % BLOCK:
                problem = f"tensor {name!r} has rows of {shape[1]} numbers, and Q8_0 stores {BLOCK} together"
                raise InputError(problem, fix=f"Choose another {option('dtype')}, such as bfloat16.", kind="q8_0-shape")
        self._file = FlushedFile(directory / NAME)
        write_header(self._file, metadata(architecture, self._stored), tensors)
        if architecture.rope_scaling:
            factors = rope_factors(architecture)
            self._write([memoryview(struct.pack(f"<{len(factors)}f", *factors))])

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: Any) -> None:
        self._file.close()

    def write(self, weight: Weight, parts: Sequence[Rows]) -> None:
        """Append `weight`, given as its Hugging Face tensors."""
        for name, rows in zip(weight.gguf, parts, strict=True):
            turned = _neighbours(self._architecture, name, rows)
            self._write(block for piece in turned for block in blocks([self._as_stored(piece, name)]))

    def _as_stored(self, piece: "Array", name: str) -> "Array":
        dtype = self._architecture.dtype
        if piece.ndim == 1:
            return cast(loaded(piece), dtype, "float32", name)
        return quantise(loaded(piece).view("<f4"), name) if self._stored == "q8_0" else piece

    def _write(self, content: Any) -> None:
        for block in content:
            self._file.write(block)
        self._file.write(bytes(-self._file.position % ALIGNMENT))


def tensors_of(architecture: LlamaArchitecture, stored: str) -> dict[str, tuple[str, Shape]]:
    """Type and shape of each tensor of a file whose matrices are `stored`, in its order."""
    rope = {_ROPE: ("float32", (architecture.head_dim // 2,))} if architecture.rope_scaling else {}
    listed: dict[str, tuple[str, Shape]] = dict(rope)
    for weight in expand(architecture):
        for name, shape in zip(weight.gguf, weight.hf.values(), strict=True):
            listed[name] = ("float32" if len(shape) == 1 else stored, shape)
    return listed


def _architecture(
    values: Mapping[str, Value], tensors: Mapping[str, Stored], where: Path
) -> tuple[LlamaArchitecture, str]:
    """The architecture, and the type of the matrices. Errors: `InputError` where the values disagree."""
    config, embeddings = values.get(CONFIG), tensors.get("token_embd.weight")
    if not isinstance(config, str) or embeddings is None:
        fix = "Give a file that `genomic-llama convert --to gguf` wrote, or the model that it was made from."
        raise InputError("was not written by this project", where=where, fix=fix, kind="gguf-of-others")
    content = parse_json(config, where=where)
    if not isinstance(content, dict):
        raise InputError("has no configuration", where=where, fix="Convert again.", kind="gguf-metadata")
    architecture = parse_architecture(content, where=where)
    if architecture.head:
        raise InputError("says that it has a head", where=where, fix="Convert again.", kind="gguf-metadata")
    stored = embeddings.type
    architecture = dataclasses.replace(architecture, dtype="float32" if stored == "q8_0" else stored)
    if architecture.num_hidden_layers > len(tensors):
        problem = f"says {architecture.num_hidden_layers:,} layers, but there are {len(tensors):,} tensors"
        raise InputError(problem, where=where, fix="Copy the file again.", kind="config-size")
    for key, value in metadata(architecture, stored).items():
        if key != CONFIG and not _same(values.get(key), value):
            problem = f"the key {key!r} differs from the configuration beside it"
            raise InputError(problem, where=where, fix="Convert again.", kind="gguf-metadata")
    return architecture, stored


def _same(found: Value | None, wanted: Value) -> bool:
    """Whether a value is what was written; a number as float32 has it."""
    if isinstance(wanted, float) and isinstance(found, float):
        return struct.pack("<f", wanted) == struct.pack("<f", found)
    return found == wanted


def _heads(architecture: LlamaArchitecture, name: str) -> int:
    """Heads of the tensor `name` whose rows are interleaved; 0 for any other."""
    if name.endswith("attn_q.weight"):
        return architecture.num_attention_heads
    return architecture.num_key_value_heads if name.endswith("attn_k.weight") else 0


def _neighbours(architecture: LlamaArchitecture, name: str, rows: Rows) -> Sequence["Array"]:
    """Pieces of a tensor as llama.cpp has its rows."""
    import numpy as np

    if not _heads(architecture, name):
        return rows
    whole = np.concatenate([loaded(piece) for piece in rows])
    halves = whole.reshape(_heads(architecture, name), 2, architecture.head_dim // 2, -1)
    return [np.ascontiguousarray(halves.swapaxes(1, 2)).reshape(whole.shape)]


def _halves(architecture: LlamaArchitecture, name: str, array: "Array") -> "Array":
    """A tensor of the file as everyone else has its rows."""
    import numpy as np

    if not _heads(architecture, name):
        return array
    whole = loaded(array)
    pairs = whole.reshape(_heads(architecture, name), architecture.head_dim // 2, 2, -1)
    return np.ascontiguousarray(pairs.swapaxes(1, 2)).reshape(whole.shape)
