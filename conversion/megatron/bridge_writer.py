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
from conversion.files.archive_writer import Tensor, save
from conversion.files.dtypes import raw
from conversion.huggingface.tokenizer_directory import write_tokenizer_of
from conversion.locate import TRACKER
from conversion.megatron import bridge_config
from conversion.megatron.megatron_directory import MegatronWriter
from conversion.megatron.training_state import Training

_COUNTERS = ("step", "consumed_train_samples", "skipped_train_samples", "consumed_valid_samples")
_FLAGS = ("do_train", "do_valid", "do_test")


class BridgeWriter(MegatronWriter):
    """Writes the checkpoint `directory` with one iteration. See `checkpoint.Writer`."""

    def __init__(self, directory: Path, architecture: LlamaArchitecture, training: Training | None) -> None:
        import yaml  # type: ignore[import-untyped]

        content = bridge_config.run_config(architecture, optimizer=training is not None)
        step = training.step if training else 0
        iteration = directory / f"iter_{step:07d}"
        state = {"optimizer": training.optimizer, **training.schedule} if training else {}
        common: dict[str, Any] = {"checkpoint_version": 3.0, "iteration": step, **state}
        super().__init__(iteration, architecture, prefix="", common=common)
        text = yaml.safe_dump(content, sort_keys=True)
        (iteration / bridge_config.NAME).write_text(text, encoding="utf-8")
        write_tokenizer_of(iteration / bridge_config.TOKENIZER, architecture)
        for path in (iteration / "train_state.pt", directory / "latest_train_state.pt"):
            save(path, _train_state(step))
        (directory / TRACKER).write_text(f"{step}\n", encoding="utf-8")


def _train_state(step: int) -> dict[str, Tensor]:
    """Megatron-Bridge's `TrainState`: scalar tensors, all zero but the step, and everything is still to be done."""
    counters = {name: _scalar("int32", struct.pack("<i", 0)) for name in _COUNTERS}
    return {
        **counters,
        "step": _scalar("int32", struct.pack("<i", step)),
        "floating_point_operations_so_far": _scalar("float64", struct.pack("<d", 0.0)),
        **{name: _scalar("bool", b"\1") for name in _FLAGS},
    }


def _scalar(dtype: str, data: bytes) -> Tensor:
    import numpy as np

    return Tensor(dtype=dtype, shape=(), rows=[np.frombuffer(data, raw(dtype))])
