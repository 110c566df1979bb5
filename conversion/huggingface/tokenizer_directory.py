"""The tokenizer that travels with a checkpoint, and the BOS that it names (these models have none by default)."""

from pathlib import Path

from configs.llama import LlamaArchitecture
from foundation.errors import InputError, shown
from foundation.untrusted import read_json
from tokenizer.huggingface import validate_tokenizer, write_tokenizer
from tokenizer.vocabulary import BOS


def write_tokenizer_of(directory: Path, architecture: LlamaArchitecture) -> None:
    """Write the Hugging Face tokenizer for `architecture` into `directory`, which is made where it is missing."""
    directory.mkdir(exist_ok=True)
    bos = None if architecture.bos_token_id is None else BOS.content
    write_tokenizer(directory, model_max_length=architecture.max_position_embeddings, bos_token=bos)


def read_bos(directory: Path) -> int | None:
    """The id of the BOS that the tokenizer in `directory` names, which is checked where it is there.

    Errors: `InputError` for another vocabulary, or another BOS.
    """
    if not (directory / "tokenizer.json").is_file():
        return None
    validate_tokenizer(directory)
    path = directory / "tokenizer_config.json"
    values = read_json(path) if path.is_file() else {}
    if not isinstance(values, dict):
        raise InputError("is not a tokenizer configuration", where=path, kind="not-a-tokenizer")
    token = values.get("bos_token")
    content = token.get("content") if isinstance(token, dict) else token
    if content not in (None, BOS.content):
        raise InputError(
            f"bos_token is {shown(content)}", where=path, fix=f"It must be null or {BOS.content!r}.", kind="bos-token"
        )
    return None if content is None else BOS.id
