"""Whether a configuration can work: told by name, before anything heavy is imported."""

from configs.llama import LlamaArchitecture, read_architecture
from configs.locate import find_directory
from configs.schema import TrainConfig
from recipes.rules import check_run
from tokenizer.huggingface import validate_tokenizer


def check_config(config: TrainConfig) -> tuple[LlamaArchitecture, int]:
    """The architecture and the sequence length in tokens that `config` leads to.

    Errors: `InputError` for a model, tokenizer, length, precision or layout that cannot work.
    """
    architecture = read_architecture(config.model_tag)
    validate_tokenizer(find_directory(config.dataset.tokenizer_path, holding="tokenizer.json"))
    sequence_length = config.dataset.sequence_length or architecture.max_position_embeddings
    check_run(config, architecture, sequence_length)
    return architecture, sequence_length
