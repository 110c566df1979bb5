"""A small random model twice, for comparisons of what runs it."""

import copy
from typing import Any

import torch

from evaluation.likelihood.attention import use_attention


def twin_models(*, hidden: int, intermediate: int, layers: int, positions: int) -> tuple[Any, Any]:
    """With our attention, and as transformers runs it; the same weights."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=256, hidden_size=hidden, intermediate_size=intermediate, num_hidden_layers=layers,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=positions, bos_token_id=None,
        eos_token_id=0, pad_token_id=1, initializer_range=0.1, attn_implementation="sdpa",
    )  # fmt: skip
    peer = LlamaForCausalLM(config).eval()
    ours = LlamaForCausalLM(copy.deepcopy(config)).eval()
    ours.load_state_dict(peer.state_dict())
    use_attention(ours)
    return ours, peer
