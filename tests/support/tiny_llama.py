"""A random Llama on disk, small enough for a test."""

from pathlib import Path


def save_tiny_llama(directory: Path, *, positions: int) -> Path:
    """Two layers of 32, 256 tokens, always the same weights, as safetensors in `directory`."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(3)
    config = LlamaConfig(
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
    LlamaForCausalLM(config).save_pretrained(directory)
    return directory
