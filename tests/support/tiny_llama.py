"""A random Llama on disk, small enough for a test."""

import json
from pathlib import Path
from typing import Any


def save_tiny_llama(directory: Path, *, positions: int) -> Path:
    """Two layers of 32, 256 tokens, always the same weights, as safetensors in `directory`."""
    import torch
    from transformers import LlamaForCausalLM

    torch.manual_seed(3)
    LlamaForCausalLM(_config(positions)).save_pretrained(directory)
    return directory


def save_tiny_classifier(directory: Path, *, positions: int) -> Path:
    """The same body with a head for two classes, "no" and "yes", as an export has it."""
    import torch
    from transformers import LlamaForSequenceClassification

    from configs.heads import Head, hf_fields

    torch.manual_seed(3)
    LlamaForSequenceClassification(_config(positions)).save_pretrained(directory)
    path = directory / "config.json"
    head = hf_fields(Head(kind="classify", labels=("no", "yes")))
    path.write_text(json.dumps(json.loads(path.read_text()) | head))
    return directory


def _config(positions: int) -> Any:
    from transformers import LlamaConfig

    return LlamaConfig(
        vocab_size=256,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=positions,
        initializer_range=0.2,
        rope_scaling=None,
        bos_token_id=None,
        eos_token_id=0,
        pad_token_id=1,
    )
