"""The classes that the `.metadata` pickle of a `torch_dist` checkpoint may name, each as an inert stand-in.

Listed from checkpoints that megatron-core 0.15.3 with torch 2.13 writes, and from the sources of
torch.distributed.checkpoint 2.0 to 2.13 for older ones. None of the real classes is imported: a stand-in only keeps
the values that the pickle gives it, so loading a `.metadata` cannot run anything.
"""

from pathlib import Path
from typing import Any

from conversion.files.archive_reader import MOST_DIMENSIONS
from conversion.files.dtypes import DTYPES
from conversion.files.pickle_reader import DataUnpickler, StandIn, empty_dict
from foundation.errors import InputError, shown


class Record(StandIn):
    """An object of the pickle: the name of its class, and its pickled state."""

    class_name = ""

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __getattr__(self, name: str) -> Any:
        state = self.__dict__.get("state")
        if isinstance(state, dict) and name in state:
            return state[name]
        raise AttributeError(f"{self.class_name} without {name}")


def _record(name: str) -> type[Record]:
    return type(name, (Record,), {"class_name": name})


def _sizes(values: Any = ()) -> tuple[int, ...]:
    if not isinstance(values, list | tuple) or len(values) > MOST_DIMENSIONS:
        raise ValueError(f"a size of more than {MOST_DIMENSIONS} dimensions")
    return tuple(values)


def _value(*arguments: Any) -> str:
    """What enum members, layouts and paths become: nothing that is looked at."""
    return ""


_METADATA = "torch.distributed.checkpoint.metadata"
_PLANNER = "torch.distributed.checkpoint.planner"
_OLD_METADATA = "torch.distributed._shard.sharded_tensor.metadata"
_MCORE = "megatron.core.dist_checkpointing.strategies.torch"

ALLOWED: dict[tuple[str, str], Any] = {
    (_MCORE, "MCoreMetadata"): _record("Metadata"),
    (_METADATA, "Metadata"): _record("Metadata"),
    (_METADATA, "MetadataIndex"): _record("MetadataIndex"),
    (_METADATA, "TensorStorageMetadata"): _record("TensorStorageMetadata"),
    (_METADATA, "BytesStorageMetadata"): _record("BytesStorageMetadata"),
    (_METADATA, "ChunkStorageMetadata"): _record("ChunkStorageMetadata"),
    (_METADATA, "TensorProperties"): _record("TensorProperties"),
    (_OLD_METADATA, "TensorProperties"): _record("TensorProperties"),
    (_METADATA, "StorageMeta"): _record("StorageMeta"),
    ("torch.distributed.checkpoint.filesystem", "_StorageInfo"): _record("_StorageInfo"),
    # The plan of each rank, which megatron-core keeps beside the rest; not looked at.
    (_MCORE, "MCoreSavePlan"): _record("SavePlan"),
    (_PLANNER, "SavePlan"): _record("SavePlan"),
    (_PLANNER, "WriteItem"): _record("WriteItem"),
    (_PLANNER, "TensorWriteData"): _record("TensorWriteData"),
    (_PLANNER, "BytesIOWriteData"): _record("BytesIOWriteData"),
    (_PLANNER, "WriteItemType"): _value,
    (_METADATA, "_MEM_FORMAT_ENCODING"): _value,
    (_OLD_METADATA, "MEM_FORMAT_ENCODING"): _value,
    ("builtins", "getattr"): _value,  # how Python 3.11.0 to 3.11.3 pickle a member of an enum; no getattr here
    ("__builtin__", "getattr"): _value,  # the same in protocols 0 to 2
    ("torch.serialization", "_get_layout"): _value,
    ("torch", "Size"): _sizes,
    ("pathlib", "PosixPath"): _value,
    ("pathlib._local", "PosixPath"): _value,
    ("collections", "OrderedDict"): empty_dict,
    **{("torch", dtype): dtype for dtype in DTYPES},
}


class MetadataUnpickler(DataUnpickler):
    """Unpickles `ALLOWED` classes, as their stand-ins, and refuses every other global before anything is called."""

    def __init__(self, data: bytes, path: Path) -> None:
        super().__init__(data)
        self.path = path

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED:
            raise InputError(
                f"asks to load {shown(f'{module}.{name}')}, which no checkpoint needs",
                where=self.path,
                fix="Nothing was run. Do not open this checkpoint with other tools: loading it may run code.",
                kind="pickle-code",
            )
        return ALLOWED[module, name]

    def persistent_load(self, identity: Any) -> Any:
        raise InputError(
            "holds a persistent id, which no checkpoint needs", where=self.path, kind="pickle-persistent-id"
        )
