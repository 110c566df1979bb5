"""Floating-point operations of training, by the two conventions in use."""

from collections.abc import Mapping

from configs.llama import LlamaArchitecture
from configs.lora import all_ranks
from tokenizer.vocabulary import VOCAB_SIZE


def flops_per_token(
    architecture: LlamaArchitecture,
    sequence_length: int,
    *,
    causal: bool = True,
    vocab_size: int = VOCAB_SIZE,
    lora_dim: int | Mapping[str, int] = 0,
) -> int:
    """FLOPs of one token, forward and backward: 6 N + 12 L H S c, and 4 N + 6 A + 12 L H S c with adapters.

    N is the number of weights in matrix products (the embedding is a look-up), L layers, H heads x head size, S the
    sequence length, and c a half where attention is counted as the causal half that is needed, one where it is counted
    in full. Model FLOPs: what recomputing activations adds is not in it. Source: PaLM (Chowdhery et al. 2022), app. B.

    Of the 6, forward takes 2, and the gradients of inputs and of weights 2 each. Frozen weights have no gradient, which
    leaves 4; the A weights of adapters have. Attention has no weights, and stays. Source: Megatron-Bridge's
    flop_utils.py (two thirds of the frozen products), which leaves A out.
    """
    width = architecture.num_attention_heads * architecture.head_dim
    attention = 12 * architecture.num_hidden_layers * width * sequence_length
    adapters = architecture.num_hidden_layers * layer_adapters(architecture, lora_dim)
    products = (4 if lora_dim else 6) * matmul_weights(architecture, vocab_size) + 6 * adapters
    return products + (attention // 2 if causal else attention)


def matmul_weights(architecture: LlamaArchitecture, vocab_size: int = VOCAB_SIZE) -> int:
    """Weights that take part in matrix products: all layers' matrices, and the output layer. No adapters."""
    return architecture.num_hidden_layers * layer_matrices(architecture) + vocab_size * architecture.hidden_size


def layer_matrices(architecture: LlamaArchitecture) -> int:
    """Weights in the matrices of one layer: query, key, value, output projection, gate, up and down."""
    query = architecture.num_attention_heads * architecture.head_dim
    key_value = architecture.num_key_value_heads * architecture.head_dim
    return architecture.hidden_size * (2 * query + 2 * key_value + 3 * architecture.intermediate_size)


def layer_adapters(architecture: LlamaArchitecture, dim: int | Mapping[str, int]) -> int:
    """Weights in the low-rank adapters of one layer: [dim, inputs] and [outputs, dim] beside each matrix.

    `dim`: the rank beside each of the four matrices that NeMo's `llm.peft.LoRA` knows, or of all.
    """
    hidden, ffn = architecture.hidden_size, architecture.intermediate_size
    query = architecture.num_attention_heads * architecture.head_dim
    key_value = architecture.num_key_value_heads * architecture.head_dim
    both = {
        "linear_qkv": hidden + query + 2 * key_value,
        "linear_proj": query + hidden,
        "linear_fc1": hidden + 2 * ffn,
        "linear_fc2": ffn + hidden,
    }
    return sum(rank * both[name] for name, rank in all_ranks(dim).items())
