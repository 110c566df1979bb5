"""Two checkpoints run on the same tokens, in fp32, one layer in memory at a time.

Hugging Face directories are run by transformers' own modules, each tensor under the name that it is stored as. The
fused formats are run by the forward pass of Megatron-Core written out below, which takes a fused tensor apart by its
shape as `SelfAttention` and `MLP` of Megatron-Core do; so neither side goes through the table that converted.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from configs.rope import frequencies
from conversion.adapters.merged import MergedAdapter
from conversion.checkpoint import Checkpoint
from conversion.files.dtypes import to_float32
from conversion.files.mapped_file import loaded
from conversion.gguf.gguf_directory import GgufDirectory
from conversion.huggingface.live_model import llama_config, rotary_embedding
from conversion.huggingface.model_directory import ModelDirectory
from conversion.megatron.megatron_directory import MegatronDirectory
from foundation.errors import InputError
from foundation.progress import Advance, no_progress, progress_bar
from tokenizer.vocabulary import VOCAB_SIZE

if TYPE_CHECKING:
    from torch import Tensor

_LONGEST = 1 << 17
"""Positions; a stranger's configuration may claim any number of them."""

TOLERANCE = 1e-3
"""Of the largest logit. Sums in another order differ by 1e-5 or less, a wrong layout or RoPE by 0.05 and more."""


def compare_logits(source: Checkpoint, written: Checkpoint, *, cast: bool) -> float:
    """The largest difference between the logits of both, over positions up to the context length.

    Errors: `InputError` where it is above `TOLERANCE`, unless the weights were `cast` to another format of numbers.
    """
    import torch

    length = min(source.architecture.max_position_embeddings, _LONGEST)
    bases = torch.tensor([ord(base) for base in "ACGT"])
    tokens = bases[torch.randint(0, 4, (1, length), generator=torch.Generator().manual_seed(0))]
    layers = 2 * source.architecture.num_hidden_layers
    with torch.no_grad(), progress_bar("run both models", total=layers, unit="layers") as advance:
        expected, found = logits(source, tokens, advance), logits(written, tokens, advance)
    difference = float((found - expected).abs().max())
    if not difference <= TOLERANCE * float(expected.abs().max()) and not cast:
        raise InputError(
            f"the logits differ by {difference:.3g}", where=written.directory, fix="Report this.", kind="logits-differ"
        )
    return difference


def logits(checkpoint: Checkpoint, tokens: "Tensor", advance: Advance = no_progress) -> "Tensor":
    """Logits [1, length, 256] of the model `checkpoint` after each of `tokens` [1, length]; of its head, where it has
    one, [1, length, labels]."""
    if isinstance(checkpoint, ModelDirectory) and checkpoint.kind == "hf":
        return _transformers(checkpoint, tokens, advance)
    assert isinstance(checkpoint, ModelDirectory | MegatronDirectory | MergedAdapter | GgufDirectory)
    return _megatron(checkpoint, tokens, advance)


def _transformers(checkpoint: ModelDirectory, tokens: "Tensor", advance: Advance) -> "Tensor":
    import torch
    from transformers.models.llama import modeling_llama as llama

    config = llama_config(checkpoint.architecture)
    config._attn_implementation = "sdpa"

    def stored(name: str) -> "Tensor":
        numbers = to_float32(loaded(checkpoint.tensor(name)), checkpoint.architecture.dtype)
        return torch.from_numpy(numbers.copy() if numbers.base is not None else numbers)

    def load(make: Callable[[], Any], prefix: str) -> Any:
        with torch.device("meta"):
            module = make()
        module.load_state_dict({name: stored(prefix + name) for name in module.state_dict()}, assign=True)
        return module

    embedding = load(partial(torch.nn.Embedding, VOCAB_SIZE, config.hidden_size), "model.embed_tokens.")
    hidden = embedding(tokens)
    positions = torch.arange(tokens.shape[1])[None]
    rotary = rotary_embedding(checkpoint.architecture)(hidden, positions)
    for index in range(config.num_hidden_layers):
        layer = load(partial(llama.LlamaDecoderLayer, config, index), f"model.layers.{index}.")
        output = layer(hidden, position_ids=positions, position_embeddings=rotary)
        hidden = output[0] if isinstance(output, tuple) else output
        advance(1)
    norm = load(partial(llama.LlamaRMSNorm, config.hidden_size, config.rms_norm_eps), "model.norm.")
    if task := checkpoint.architecture.head:
        bias = stored("score.bias") if task.bias else None
        return torch.nn.functional.linear(norm(hidden), stored("score.weight"), bias)
    head = embedding.weight if config.tie_word_embeddings else stored("lm_head.weight")
    return torch.nn.functional.linear(norm(hidden), head)


def _megatron(
    checkpoint: ModelDirectory | MegatronDirectory | MergedAdapter | GgufDirectory, tokens: "Tensor", advance: Advance
) -> "Tensor":
    import torch
    from torch.nn.functional import linear, rms_norm, scaled_dot_product_attention, silu

    a = checkpoint.architecture
    weights = _fused(checkpoint)
    embedding = next(weights)[:VOCAB_SIZE]
    hidden = embedding[tokens]
    turns = torch.tensor(frequencies(a.rope_theta, a.head_dim, a.rope_scaling))
    angles = torch.outer(torch.arange(tokens.shape[1], dtype=torch.float32), turns).repeat(1, 2)

    heads = a.num_attention_heads // a.num_key_value_heads

    def rotate(states: "Tensor") -> "Tensor":
        first, second = states.chunk(2, dim=-1)
        return states * angles.cos() + torch.cat([-second, first], dim=-1) * angles.sin()

    for _ in range(a.num_hidden_layers):
        attention_norm, qkv, projection, mlp_norm, fc1, fc2 = (next(weights) for _ in range(6))
        mixed = linear(rms_norm(hidden, attention_norm.shape, attention_norm, a.rms_norm_eps), qkv)
        mixed = mixed.view(1, -1, a.num_key_value_heads, (heads + 2) * a.head_dim).transpose(1, 2)
        query, key, value = mixed.tensor_split([heads * a.head_dim, (heads + 1) * a.head_dim], dim=-1)
        query = query.reshape(1, a.num_key_value_heads, -1, heads, a.head_dim).transpose(2, 3).flatten(1, 2)
        attended = scaled_dot_product_attention(rotate(query), rotate(key), value, is_causal=True, enable_gqa=True)
        hidden = hidden + linear(attended.transpose(1, 2).flatten(2), projection)
        gate, up = linear(rms_norm(hidden, mlp_norm.shape, mlp_norm, a.rms_norm_eps), fc1).chunk(2, dim=-1)
        hidden = hidden + linear(silu(gate) * up, fc2)
        advance(1)
    final = next(weights)
    if a.head:
        rows, bias = next(weights), next(weights) if a.head.bias else None
        return linear(rms_norm(hidden, final.shape, final, a.rms_norm_eps), rows, bias)
    head = embedding if a.tie_word_embeddings else next(weights)[:VOCAB_SIZE]
    return linear(rms_norm(hidden, final.shape, final, a.rms_norm_eps), head)


def _fused(checkpoint: ModelDirectory | MegatronDirectory | MergedAdapter | GgufDirectory) -> Iterator["Tensor"]:
    """The fused tensors in the order of the forward pass, in fp32, each read when it is needed."""
    import torch

    for weight in checkpoint.weights:
        numbers = to_float32(loaded(checkpoint.fused(weight)), checkpoint.architecture.dtype)
        yield torch.from_numpy(numbers.copy() if numbers.base is not None else numbers)
