"""A NeMo 2 checkpoint in the making: `context/` and `weights/`."""

from pathlib import Path
from typing import Any

from configs.llama import LlamaArchitecture
from conversion.megatron.megatron_directory import MegatronWriter
from conversion.megatron.nemo_context_writer import write_context
from conversion.megatron.training_state import Training

# State of a trainer that has done nothing.
_FRESH: dict[str, Any] = {"epoch": 0, "global_step": 0, "state_dict": {}}


class NemoWriter(MegatronWriter):
    """Writes the checkpoint `directory`, which a run can start from. See `checkpoint.Writer`."""

    def __init__(self, directory: Path, architecture: LlamaArchitecture, training: Training | None) -> None:
        write_context(directory, architecture)
        state = {"global_step": training.step, "optimizer": [training.optimizer]} if training else {}
        super().__init__(
            directory / "weights",
            architecture,
            prefix="module.",
            common=_FRESH | state,
            content=training.content if training else {},
        )
