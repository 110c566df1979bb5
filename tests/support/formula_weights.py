"""A small Llama whose every number follows from the name of its tensor, so that no copy of it has to be kept."""

import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SMALL: dict[str, Any] = {
    "vocab_size": 256,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 64,
    "rope_theta": 500000.0,
    "rms_norm_eps": 1e-5,
    "bos_token_id": None,
    "eos_token_id": 0,
    "pad_token_id": 1,
    "tie_word_embeddings": False,
}
SCALING = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}


def weights(name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """The numbers of the tensor `name`, exact in bfloat16 too: multiples of 1/128 from -1/2 to 1/2, norms about 1."""
    count = np.arange(int(np.prod(shape)), dtype=np.int64)
    mixed = ((count * 2654435761 + zlib.crc32(name.encode())) >> 7) % 128
    centre = 1.0 if "norm" in name else 0.0
    return ((mixed - 64) / 128 + centre).astype(np.float32).reshape(shape)


def save_formula_llama(folder: Path, **changes: Any) -> Path:
    """The model of `SMALL` with `weights`, with its tokenizer, as Hugging Face has it."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from tokenizer.huggingface import write_tokenizer

    model = LlamaForCausalLM(LlamaConfig(**{**SMALL, **changes}))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(torch.from_numpy(weights(name, tuple(parameter.shape))))
    model.save_pretrained(folder)
    write_tokenizer(folder, model_max_length=SMALL["max_position_embeddings"])
    return folder
