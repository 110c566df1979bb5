"""What a GGUF file says of a model: its architecture in the keys of llama.cpp, and the byte vocabulary.

llama.cpp has no tokenizer of bytes, but its SentencePiece one falls back to byte tokens where no longer piece is
known. With byte tokens alone, nothing is ever merged: a text is its bytes. The space has a piece of its own, since
SentencePiece writes it as U+2581.
"""

import json

from configs.llama import LlamaArchitecture, hf_config
from configs.rope import frequencies
from conversion.gguf.container import Value
from tokenizer.vocabulary import BOS, EOS, PAD, SPECIAL_TOKENS, UNK, VOCAB_SIZE

CONFIG = "genomic_llama.config"
"""The content of `config.json`, which has more than the keys of llama.cpp can say."""

_FILE_TYPES = {"float32": 0, "float16": 1, "q8_0": 7, "bfloat16": 32}
_NORMAL, _UNKNOWN, _CONTROL, _BYTE = 1, 2, 3, 6


def metadata(architecture: LlamaArchitecture, stored: str) -> dict[str, Value]:
    """All keys and values for `architecture`, whose weights are stored as the type `stored`."""
    a = architecture
    quantised: dict[str, Value] = {"general.quantization_version": 2} if stored == "q8_0" else {}
    return {
        "general.architecture": "llama",
        "general.file_type": _FILE_TYPES[stored],
        **quantised,
        "llama.block_count": a.num_hidden_layers,
        "llama.context_length": a.max_position_embeddings,
        "llama.embedding_length": a.hidden_size,
        "llama.feed_forward_length": a.intermediate_size,
        "llama.attention.head_count": a.num_attention_heads,
        "llama.attention.head_count_kv": a.num_key_value_heads,
        "llama.attention.key_length": a.head_dim,
        "llama.attention.value_length": a.head_dim,
        "llama.attention.layer_norm_rms_epsilon": a.rms_norm_eps,
        "llama.rope.dimension_count": a.head_dim,
        "llama.rope.freq_base": a.rope_theta,
        "llama.vocab_size": VOCAB_SIZE,
        **_tokenizer(a.bos_token_id is not None),
        CONFIG: json.dumps(hf_config(a), sort_keys=True),
    }


def rope_factors(architecture: LlamaArchitecture) -> list[float]:
    """What llama.cpp divides the frequency of each pair by, [head_dim / 2]; of a model with scaled RoPE."""
    theta, width = architecture.rope_theta, architecture.head_dim
    scaled = frequencies(theta, width, architecture.rope_scaling)
    return [one / other for one, other in zip(frequencies(theta, width, None), scaled, strict=True)]


def _tokenizer(begins: bool) -> dict[str, Value]:
    """The vocabulary; a text begins with BOS where `begins`."""
    special = {token.id: token.content for token in SPECIAL_TOKENS}
    ordinary = {id: f"<0x{id:02X}>" for id in range(VOCAB_SIZE) if id not in special} | {ord(" "): "\u2581"}
    types = dict.fromkeys(special, _CONTROL) | dict.fromkeys(ordinary, _BYTE) | {UNK.id: _UNKNOWN, ord(" "): _NORMAL}
    return {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": [(special | ordinary)[id] for id in range(VOCAB_SIZE)],
        "tokenizer.ggml.scores": [0.0] * VOCAB_SIZE,
        "tokenizer.ggml.token_type": [types[id] for id in range(VOCAB_SIZE)],
        "tokenizer.ggml.bos_token_id": BOS.id,
        "tokenizer.ggml.eos_token_id": EOS.id,
        "tokenizer.ggml.unknown_token_id": UNK.id,
        "tokenizer.ggml.padding_token_id": PAD.id,
        "tokenizer.ggml.add_bos_token": begins,
        "tokenizer.ggml.add_eos_token": False,
        "tokenizer.ggml.add_space_prefix": False,
    }
