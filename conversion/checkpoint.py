"""What every format has in common: a checkpoint that is read, one that is written, and how strictly."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from configs.llama import LlamaArchitecture
from conversion.weight_table import Weight
from foundation.errors import InputError
from foundation.untrusted import read_yaml

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

Rows = Sequence["Array"]
"""The rows of one tensor in order, as contiguous arrays of raw numbers."""


class Checkpoint(Protocol):
    """A checkpoint that is open and was checked against its own configuration.

    `architecture.dtype` is that of the weights as they are read: the stored one, or float32 where several are stored
    (norms in float32 beside bfloat16). `vocabulary` is the rows of the embeddings, padding included.
    """

    directory: Path
    architecture: LlamaArchitecture
    vocabulary: int
    weights: tuple[Weight, ...]

    @property
    def stored_dtypes(self) -> Mapping[str, str]:
        """The dtypes of the weights in the files, each with the name of a tensor that has it."""

    @property
    def stored_bytes(self) -> int:
        """Size of the weights in the files."""

    def parts(self, weight: Weight) -> list[Rows]:
        """The Hugging Face tensors of `weight`, in the table's order."""

    def files(self) -> Iterable[Path]:
        """The files that hold tensors."""


class Writer(Protocol):
    """A checkpoint in the making. Its weights come in the order of the table."""

    def __enter__(self) -> "Writer": ...

    def __exit__(self, *error: Any) -> None: ...

    def write(self, weight: Weight, parts: Sequence[Rows]) -> None:
        """Append `weight`, given as its Hugging Face tensors."""


def check_size(architecture: LlamaArchitecture, found: int, *, where: Path) -> None:
    """Refuse a configuration of absurd size, before it is worked with: norms alone larger than all `found` bytes.

    Errors: `InputError`. A layer count of a billion would otherwise keep the table busy.
    """
    layers, hidden = architecture.num_hidden_layers, architecture.hidden_size
    if layers * hidden * 2 > found:  # 2 bytes a number at the least
        raise InputError(
            f"says {layers:,} layers of hidden size {hidden:,}, but the files have {found:,} bytes",
            where=where,
            fix="The weights do not belong to the configuration beside them, or the checkpoint is incomplete.",
            kind="config-size",
        )


def check_inside(path: Path, directory: Path) -> None:
    """Refuse a link that leads out of a checkpoint. Errors: `InputError`."""
    if not path.resolve().is_relative_to(directory.resolve()):
        raise InputError(
            "is a link that leads outside of the checkpoint",
            where=path,
            fix="Put the file itself there.",
            kind="link-outside",
        )


def read_mapping(path: Path, limit: int = 1 << 23) -> Mapping[str, Any]:
    """The YAML file `path` as plain values: nothing that it names is looked up. Errors: `InputError`."""
    content = read_yaml(path, limit=limit)
    if not isinstance(content, dict):
        raise InputError("cannot be read as YAML (it is not a mapping)", where=path, kind="not-a-mapping")
    return content


def read_section(path: Path, key: str, *, within: Path) -> dict[str, Any]:
    """The model's section of `path`, a file of the checkpoint `within`: plain values and a `_target_`.

    Errors: `InputError`, of the kinds `no-config` and `no-model-section` where there is none.
    """
    if not path.is_file():
        fix = "Copy the whole checkpoint: the weights alone do not describe the architecture."
        raise InputError("is missing", where=path, fix=fix, kind="no-config")
    check_inside(path, within)
    fields = read_mapping(path).get(key)
    if not isinstance(fields, dict) or "_target_" not in fields:
        fix = "Give a checkpoint of NeMo 2 or of Megatron-Bridge."
        raise InputError(f"has no section `{key}` with a `_target_`", where=path, fix=fix, kind="no-model-section")
    return fields
