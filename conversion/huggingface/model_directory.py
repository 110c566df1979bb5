"""A Hugging Face model directory: `config.json`, safetensors, tokenizer. Of a plain Llama, or of BioNeMo's NVLlama.

NVLlama (bionemo-recipes, models/llama3/modeling_llama_te.py) is the same model of Transformer Engine layers, whose
tensors are fused as Megatron-Core's are.
"""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from configs.llama import LlamaArchitecture, hf_config, read_architecture
from conversion.checkpoint import Rows, Writer, check_size
from conversion.files.dtypes import cast
from conversion.files.mapped_file import loaded
from conversion.huggingface.safetensors_reader import SafetensorsReader, size_of
from conversion.huggingface.safetensors_writer import SafetensorsWriter
from conversion.huggingface.tokenizer_directory import write_tokenizer_of
from conversion.strict import check_tensors, common_dtype, is_copy_of_embeddings, stored_dtypes
from conversion.weight_table import Shape, Weight, expand, fuse, split
from foundation.errors import InputError
from foundation.spelling import option
from foundation.untrusted import read_json
from tokenizer.huggingface import validate_tokenizer
from tokenizer.vocabulary import EOS, PAD, VOCAB_SIZE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

Kind = Literal["hf", "te"]

ARCHITECTURES = {"hf": "LlamaForCausalLM", "te": "NVLlamaForCausalLM"}

# Constants that transformers before 4.31 stored with the weights (`rope_theta` gives them), and FP8 scales.
IGNORED = (".rotary_emb.inv_freq", "._extra_state")


ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors", "adapter_model.bin")
_EMBEDDINGS, _HEAD = "model.embed_tokens.weight", "lm_head.weight"


class ModelDirectory:
    """The model in `directory`, checked; its tokenizer too, where it has one. See `checkpoint.Checkpoint`.

    Errors: `InputError` naming the tensor, key or token, and the file.
    """

    def __init__(self, directory: Path, kind: Kind) -> None:
        self.directory, self.kind, self.vocabulary = directory, kind, VOCAB_SIZE
        refuse_adapter(directory)
        if not (directory / "config.json").is_file():
            fix = "Give the directory of a Hugging Face model."
            raise InputError("no config.json here", where=directory, fix=fix, kind="no-config")
        architecture = read_architecture(directory)
        if (directory / "tokenizer.json").is_file():
            validate_tokenizer(directory)
        self._reader = SafetensorsReader(directory)
        self._tensors = {name: t for name, t in self._reader.tensors.items() if not name.endswith(IGNORED)}
        dtypes = {name: tensor.dtype for name, tensor in self._tensors.items()}
        self.stored_dtypes = stored_dtypes(dtypes, where=self._reader.listing)
        self.architecture = dataclasses.replace(architecture, dtype=common_dtype(self.stored_dtypes))
        size = sum(path.stat().st_size for path in self.files())
        check_size(self.architecture, size, where=directory / "config.json")
        self._check_layers()
        self.weights = expand(self.architecture)
        self._leave_out_tied_copy()
        check_tensors(
            {name: tensor.shape for name, tensor in self._tensors.items()},
            {name: shape for weight in self.weights for name, shape in _names(weight, kind).items()},
            where=self._reader.listing,
            file_of=lambda name: self._tensors[name].file.path,
        )

    @property
    def stored_bytes(self) -> int:
        """Size of the weights in the files."""
        return sum(size_of(tensor) for tensor in self._tensors.values())

    def tensor(self, name: str) -> "Array":
        """The tensor that is stored as `name`, raw numbers of `architecture.dtype`; a view where it is stored so."""
        stored = self._tensors[name]
        array, wanted = stored.array(), self.architecture.dtype
        return array if stored.dtype == wanted else cast(loaded(array), stored.dtype, wanted, name)

    def parts(self, weight: Weight) -> list[Rows]:
        """The Hugging Face tensors of `weight`, in the table's order; views of the files."""
        if self.kind == "te":
            return list(split(weight, self.fused(weight)))
        return [[self.tensor(name)] for name in weight.hf]

    def fused(self, weight: Weight) -> "Array":
        """NVLlama's tensor of `weight`."""
        return self.tensor(weight.te)

    def files(self) -> list[Path]:
        """The files that hold tensors."""
        return sorted({tensor.file.path for tensor in self._tensors.values()})

    def _check_layers(self) -> None:
        """Before the table is made of so many layers; a file may be large and hold nothing."""
        layers = self.architecture.num_hidden_layers
        if layers > len(self._tensors):
            raise InputError(
                f"says {layers:,} layers, but there are {len(self._tensors):,} tensors",
                where=self.directory / "config.json",
                fix="Give the weights and the configuration of the same model.",
                kind="config-size",
            )

    def _leave_out_tied_copy(self) -> None:
        if self.architecture.tie_word_embeddings and {_HEAD, _EMBEDDINGS} <= self._tensors.keys():
            where = self._tensors[_HEAD].file.path
            is_copy_of_embeddings(self.tensor(_HEAD), self.tensor(_EMBEDDINGS), name=_HEAD, where=where)
            del self._tensors[_HEAD]


def refuse_adapter(directory: Path) -> None:
    """Refuse a directory with a PEFT adapter: what loads it takes the base model from wherever the adapter says.

    Errors: `InputError`.
    """
    for name in ADAPTER_FILES:
        if (directory / name).exists():
            raise InputError(
                "belongs to a PEFT adapter, which names its base but is not the model",
                where=directory / name,
                fix=f"Give the model's own directory, and this one beside it, as {option('adapter')}; or "
                "merge it: `genomic-llama convert DIRECTORY OUT --to hf --base MODEL`. Where weights lie beside it, "
                "take the adapter's files out of the directory to use them without it.",
                kind="peft-adapter",
            )


class ModelDirectoryWriter:
    """Writes the model directory `directory`, weights in the dtype of `architecture`. See `checkpoint.Writer`."""

    def __init__(self, directory: Path, architecture: LlamaArchitecture, kind: Kind) -> None:
        self._kind = kind
        if kind == "te" and architecture.head_dim * architecture.num_attention_heads != architecture.hidden_size:
            raise InputError(
                f"NVLlama has no head_dim setting, and {architecture.num_attention_heads} heads of "
                f"{architecture.head_dim} are not hidden_size {architecture.hidden_size}",
                fix="Convert to another format.",
                kind="no-head-dim",
            )
        config = hf_config(architecture) | ({} if architecture.head else {"architectures": [ARCHITECTURES[kind]]})
        generation = {"bos_token_id": architecture.bos_token_id, "eos_token_id": EOS.id, "pad_token_id": PAD.id}
        for name, content in (("config.json", config), ("generation_config.json", generation)):
            (directory / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        write_tokenizer_of(directory, architecture)
        shapes: dict[str, Shape] = {}
        for weight in expand(architecture):
            shapes |= _names(weight, kind)
        self._writer = SafetensorsWriter(directory, shapes, dtype=architecture.dtype)

    def __enter__(self) -> Writer:
        self._writer.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._writer.__exit__(*error)

    def write(self, weight: Weight, parts: Sequence[Rows]) -> None:
        """Append `weight`, given as its Hugging Face tensors."""
        if self._kind == "hf":
            for name, rows in zip(weight.hf, parts, strict=True):
                self._writer.write(name, rows)
        else:
            self._writer.write(weight.te, fuse(weight, parts))


def is_nvllama(directory: Path) -> bool:
    """Whether the `config.json` in `directory` says NVLlama."""
    try:
        content = read_json(directory / "config.json")
    except InputError:
        return False
    return isinstance(content, dict) and content.get("architectures") == [ARCHITECTURES["te"]]


def _names(weight: Weight, kind: Kind) -> dict[str, Shape]:
    return dict(weight.hf) if kind == "hf" else {weight.te: weight.fused_shape}
