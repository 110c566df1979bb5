"""Floating-point operations of training, by the two conventions in use."""

from configs.llama import LlamaArchitecture
from tokenizer.vocabulary import VOCAB_SIZE


def flops_per_token(
    architecture: LlamaArchitecture, sequence_length: int, *, causal: bool = True, vocab_size: int = VOCAB_SIZE
) -> int:
    """FLOPs of one token, forward and backward: 6 N + 12 L H S c.

    N is the number of weights in matrix products (the embedding is a look-up), L layers, H heads x head size, S the
    sequence length, and c a half where attention is counted as the causal half that is needed, one where it is counted
    in full. Model FLOPs: what recomputing activations adds is not in it. Source: PaLM (Chowdhery et al. 2022), app. B.
    """
    width = architecture.num_attention_heads * architecture.head_dim
    attention = 12 * architecture.num_hidden_layers * width * sequence_length
    return 6 * matmul_weights(architecture, vocab_size) + (attention // 2 if causal else attention)


def matmul_weights(architecture: LlamaArchitecture, vocab_size: int = VOCAB_SIZE) -> int:
    """Weights that take part in matrix products: all layers' matrices, and the output layer."""
    return architecture.num_hidden_layers * layer_matrices(architecture) + vocab_size * architecture.hidden_size


def layer_matrices(architecture: LlamaArchitecture) -> int:
    """Weights in the matrices of one layer: query, key, value, output projection, gate, up and down."""
    query = architecture.num_attention_heads * architecture.head_dim
    key_value = architecture.num_key_value_heads * architecture.head_dim
    return architecture.hidden_size * (2 * query + 2 * key_value + 3 * architecture.intermediate_size)
