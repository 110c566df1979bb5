"""A Megatron-Bridge checkpoint in the making.

    latest_checkpointed_iteration.txt    the number of steps
    latest_train_state.pt                the same for Megatron-Bridge, with its other counters
    iter_0000000/                        torch_dist shards, .metadata, common.pt, metadata.json,
                                         run_config.yaml, train_state.pt, tokenizer/
"""

import struct
from pathlib import Path
from typing import Any

from configs.llama import LlamaArchitecture
from conversion import bridge_config
from conversion.archive_writer import tensor_pickle, write_archive
from conversion.dtypes import raw
from conversion.flushed_file import FlushedFile
from conversion.locate import TRACKER
from conversion.megatron_directory import MegatronWriter
from conversion.tokenizer_directory import write_tokenizer_of
from conversion.training_state import Training

_COUNTERS = ("step", "consumed_train_samples", "skipped_train_samples", "consumed_valid_samples")
_FLAGS = ("do_train", "do_valid", "do_test")


class BridgeWriter(MegatronWriter):
    """Writes the checkpoint `directory` with one iteration. See `checkpoint.Writer`."""

    def __init__(self, directory: Path, architecture: LlamaArchitecture, training: Training | None) -> None:
        import yaml  # type: ignore[import-untyped]

        content = bridge_config.run_config(architecture, optimizer=training is not None)
        step = training.step if training else 0
        iteration = directory / f"iter_{step:07d}"
        state = {"optimizer": training.optimizer} if training else {}
        common: dict[str, Any] = {"checkpoint_version": 3.0, "iteration": step, **state}
        super().__init__(iteration, architecture, prefix="", common=common)
        text = yaml.safe_dump(content, sort_keys=True)
        (iteration / bridge_config.NAME).write_text(text, encoding="utf-8")
        write_tokenizer_of(iteration / bridge_config.TOKENIZER, architecture)
        for path in (iteration / "train_state.pt", directory / "latest_train_state.pt"):
            _write_train_state(path, step)
        (directory / TRACKER).write_text(f"{step}\n", encoding="utf-8")


def _write_train_state(path: Path, step: int) -> None:
    """Megatron-Bridge's `TrainState`: scalar tensors, all zero but the step, and everything is to be done."""
    import numpy as np

    values = [(name, "int32", struct.pack("<i", step if name == "step" else 0)) for name in _COUNTERS]
    values.append(("floating_point_operations_so_far", "float64", bytes(8)))
    values += [(name, "bool", b"\1") for name in _FLAGS]
    content = {name: tensor_pickle(dtype, (), str(key)) for key, (name, dtype, _) in enumerate(values)}
    with FlushedFile(path) as file:
        write_archive(file, content, [[np.frombuffer(data, raw(dtype))] for _, dtype, data in values])
