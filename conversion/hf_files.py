"""What a Hugging Face model directory has beside its weights: configuration, generation defaults, tokenizer."""

import json
from pathlib import Path

from configs.llama import LlamaArchitecture, hf_config
from tokenizer.huggingface import write_tokenizer
from tokenizer.vocabulary import EOS, PAD


def write_hf_files(directory: Path, architecture: LlamaArchitecture) -> None:
    """Write `config.json`, `generation_config.json` and the tokenizer into `directory`."""
    generation = {"bos_token_id": None, "eos_token_id": EOS.id, "pad_token_id": PAD.id}
    for name, content in (("config.json", hf_config(architecture)), ("generation_config.json", generation)):
        (directory / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    write_tokenizer(directory, model_max_length=architecture.max_position_embeddings)
