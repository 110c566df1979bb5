"""A Hugging Face Llama directory: safetensors, memory-mapped, checked against the `config.json` beside them."""

import contextlib
import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conduct.errors import InputError
from configs.llama import read_architecture
from conversion.strict import check_tensors, one_dtype
from conversion.weight_table import Shape, Weight, expand, to_megatron
from tokenizer.huggingface import validate_tokenizer

if TYPE_CHECKING:
    import torch

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"

# Constants that transformers before 4.31 stored with the weights; `rope_theta` gives them.
IGNORED_SUFFIX = ".rotary_emb.inv_freq"

_DTYPES = {"F32": "float32", "BF16": "bfloat16", "F16": "float16"}


class HfCheckpoint:
    """The directory of a model, checked; its tokenizer too, where it has one. Close it, or use it in a `with`.

    Attributes: `architecture` (its `dtype` is that of the stored weights), `weights`, `directory`.
    Errors: `InputError` naming the tensor, key or token, and the file.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        if not (directory / "config.json").is_file():
            raise InputError("no config.json here", where=directory, fix="Give the directory of a Hugging Face model.")
        architecture = read_architecture(directory)
        if (directory / "tokenizer.json").is_file():
            validate_tokenizer(directory)
        self._stack = contextlib.ExitStack()
        try:
            self._open(architecture.tie_word_embeddings)
            self.architecture = dataclasses.replace(architecture, dtype=one_dtype(self._dtypes, where=self._listing))
            self.weights = expand(self.architecture)
            check_tensors(
                self._shapes,
                {name: shape for weight in self.weights for name, shape in weight.hf.items()},
                where=self._listing,
                file_of=lambda name: self._files[name],
            )
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "HfCheckpoint":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Unmap the files."""
        self._stack.close()

    def read_parts(self, weight: Weight) -> tuple["torch.Tensor", ...]:
        """The Hugging Face tensors of `weight`, in the table's order. They stay valid as long as this is open."""
        return tuple(self._handles[self._files[name]].get_tensor(name) for name in weight.hf)

    def read(self, weight: Weight) -> "torch.Tensor":
        """Megatron's tensor `weight`, shape `weight.megatron_shape`."""
        return to_megatron(weight, self.read_parts(weight))

    def _open(self, tied: bool) -> None:
        from safetensors import SafetensorError, safe_open

        self._listing, listed = _list_files(self.directory)
        self._handles: dict[Path, Any] = {}
        self._files: dict[str, Path] = {}
        self._shapes: dict[str, Shape] = {}
        self._dtypes: dict[str, str] = {}
        for path, names in listed.items():
            try:
                handle = self._stack.enter_context(safe_open(path, framework="pt"))
            except (SafetensorError, OSError) as error:
                raise InputError(
                    f"is truncated, or no safetensors file ({error})", where=path, fix="Copy the file anew."
                ) from error
            self._handles[path] = handle
            held = set(handle.keys())
            if names is not None and (differing := names ^ held):
                problem = f"tensor {min(differing)!r} is " + ("not listed there" if differing & held else "not in it")
                raise InputError(f"{problem}; {INDEX} and the file disagree", where=path, fix="Copy the model anew.")
            for name in held:
                self._add(name, path, handle.get_slice(name))
        if not self._files:
            raise InputError("holds no tensors", where=self._listing, fix="Give a complete model.")

    def _add(self, name: str, path: Path, piece: Any) -> None:
        if name.endswith(IGNORED_SUFFIX):
            return
        if name in self._files:
            raise InputError(f"tensor {name!r} is in {self._files[name].name} too", where=path, fix="Keep one of them.")
        self._files[name] = path
        self._shapes[name] = tuple(piece.get_shape())
        self._dtypes[name] = _DTYPES.get(piece.get_dtype(), piece.get_dtype())


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
            )
        raise InputError(f"neither {SINGLE} nor {INDEX} here", where=directory, fix="Give a complete model.")
    try:
        weight_map = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        listed: dict[Path, set[str] | None] = {}
        for name, file in weight_map.items():
            names = listed.setdefault(directory / _plain_name(file, index), set())
            assert names is not None
            names.add(name)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"is no index of safetensors files ({error!r})", where=index) from error
    for file in listed:
        if not file.is_file():
            raise InputError("this shard is missing", where=file, fix="Copy the model anew.")
    return index, listed


def _plain_name(file: Any, index: Path) -> str:
    """A file beside the index. It may be a link (the Hugging Face cache is made of them); what it holds is inert."""
    if not isinstance(file, str) or file != Path(file).name or not file.endswith(".safetensors"):
        raise InputError(f"names the file {file!r}", where=index, fix="Only .safetensors files beside it are read.")
    return file
