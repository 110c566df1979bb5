"""A NeMo 2 checkpoint in the making: `context/` and `weights/`."""

from pathlib import Path

from configs.llama import LlamaArchitecture
from conversion.megatron.megatron_directory import MegatronWriter
from conversion.megatron.nemo_context_writer import write_context
from conversion.megatron.trainer_state import fresh_state, trainer_state
from conversion.megatron.training_state import Training


class NemoWriter(MegatronWriter):
    """Writes the checkpoint `directory`, which a run starts from, or with `training` resumes from. See
    `checkpoint.Writer`.
    """

    def __init__(self, directory: Path, architecture: LlamaArchitecture, training: Training | None) -> None:
        write_context(directory, architecture)
        super().__init__(
            directory / "weights",
            architecture,
            prefix="module.",
            common=trainer_state(training) if training else fresh_state(),
            content=training.content if training else {},
        )
