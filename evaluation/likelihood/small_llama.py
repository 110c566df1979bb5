"""The pass of a plain small Llama, written out.

For a small model the arithmetic is cheaper than the hundreds of small operations around it, and than moving their
results in and out of the caches. Written out a pass has a third of them: query, key and value come from one product,
SiLU, gate and residual are part of the products before them, RoPE turns queries and keys together, and nothing builds
masks or cache objects.

Letters in shapes: B rows, S positions, E hidden size, H heads, G key-value heads, D head dimension.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from evaluation.likelihood.attention import Context, causal
from evaluation.likelihood.products import Product, can_be_packed, product_with

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

LARGEST, LARGEST_PACKED = 1 << 30, 1 << 32
"""Bytes of weights up to which they are copied in the order in which they are used; for oneDNN, which gains more."""


def small_llama(model: "PreTrainedModel") -> "SmallLlama | None":
    """The pass of `model` written out; None of a large model, and of one that is not a plain Llama.

    It is kept as long as the model, and made again where a weight has changed.
    """
    weights = list(model.parameters())
    largest = LARGEST_PACKED if can_be_packed(weights[0]) else LARGEST
    if sum(one.numel() * one.element_size() for one in weights) > largest or not _is_plain(model):
        return None
    state = tuple((one.data_ptr(), 0 if one.is_inference() else one._version) for one in weights)
    known = _known.get(model)
    if known is None or known[0] != state:
        known = _known[model] = (state, SmallLlama(model))
    return known[1]


def packed_llama(model: "PreTrainedModel") -> "SmallLlama | None":
    """The same where oneDNN computes its products: there it is quicker than transformers for many positions too."""
    return small_llama(model) if can_be_packed(next(model.parameters())) else None


_known: "WeakKeyDictionary[PreTrainedModel, tuple[tuple[tuple[int, int], ...], SmallLlama]]" = WeakKeyDictionary()


def _is_plain(model: Any) -> bool:
    """Whether `model` is the Llama of transformers and nothing else: no adapters, no hooks, no quantised layers."""
    import torch
    from transformers.models.llama import modeling_llama as llama

    body: Any = getattr(model, "model", None)
    if type(body) is not llama.LlamaModel:
        return False
    known = {
        llama.LlamaModel, llama.LlamaDecoderLayer, llama.LlamaAttention, llama.LlamaMLP, llama.LlamaRMSNorm,
        llama.LlamaRotaryEmbedding, torch.nn.Linear, torch.nn.Embedding, torch.nn.ModuleList, torch.nn.SiLU,
        type(body.layers[0].mlp.act_fn),
    }  # fmt: skip
    modules = list(body.modules())
    return (
        all(type(one) in known and not (one._forward_hooks or one._forward_pre_hooks) for one in modules)
        and model.config.hidden_act == "silu"
        and all(one.bias is None for one in modules if isinstance(one, torch.nn.Linear))
        and body.rotary_emb.attention_scaling == 1.0
    )


@dataclass(frozen=True, kw_only=True)
class _Layer:
    """`qkv`: [(H + 2 G) D, E]."""

    attention_norm: "Tensor"
    qkv: Product
    output: Product
    mlp_norm: "Tensor"
    gate: Product
    up: Product
    down: Product


class SmallLlama:
    """In half precision it rounds where transformers does."""

    def __init__(self, model: "PreTrainedModel") -> None:
        import torch

        config, self._body = model.config, model.model
        self._heads, self._groups = config.num_attention_heads, config.num_key_value_heads
        self._width, self._epsilon = self._body.layers[0].self_attn.head_dim, config.rms_norm_eps
        self._scale = self._width**-0.5
        head = getattr(model, "lm_head", None)
        self._head = product_with(head.weight) if head is not None else None
        self._layers = [_layer(one) for one in self._body.layers]
        everywhere = torch.arange(config.max_position_embeddings, device=model.device)[None]
        cos, sin = self._body.rotary_emb(self._body.embed_tokens.weight, everywhere)
        sin[..., : self._width // 2] *= -1  # the sign of rotate_half, so that a roll does the rest
        self._cos, self._sin = cos[0], sin[0]

    def hidden(
        self, ids: "Tensor", positions: "Tensor", context: Context | None = None, *, layers: int | None = None
    ) -> "Tensor":
        """After all layers and the final norm, or after the first `layers` of them alone: [B, S, E].

        `ids` [B, S] are at `positions` [B, S], or [1, S] for all rows.
        """
        import torch

        hidden = torch.nn.functional.embedding(ids, self._body.embed_tokens.weight)
        cos, sin = self._cos[positions][:, :, None], self._sin[positions][:, :, None]
        for number, layer in enumerate(self._layers[:layers]):
            hidden = self._attention(number, layer, hidden, cos, sin, context)
            given = self._norm(hidden, layer.mlp_norm)
            hidden = layer.down.plus(layer.up.times(given, layer.gate.silu(given)), hidden)
        return hidden if layers is not None else self._norm(hidden, self._body.norm.weight)

    def logits(self, hidden: "Tensor") -> "Tensor":
        """[..., E] to [..., 256], in fp32."""
        assert self._head is not None
        return self._head(hidden).float()

    def _attention(
        self, number: int, layer: _Layer, hidden: "Tensor", cos: "Tensor", sin: "Tensor", context: Context | None
    ) -> "Tensor":
        import torch

        mixed = layer.qkv(self._norm(hidden, layer.attention_norm))
        mixed = mixed.view(*mixed.shape[:2], -1, self._width)
        turning = mixed[:, :, : self._heads + self._groups]
        turned = torch.addcmul(turning * cos, turning.roll(self._width // 2, dims=-1), sin).transpose(1, 2)
        value = mixed[:, :, self._heads + self._groups :].transpose(1, 2)
        query, key = turned[:, : self._heads], turned[:, self._heads :]
        if context is None:
            attended = causal(query, key, value, self._scale)
        else:
            attended = context.attend(number, query, key, value, self._scale)
        return layer.output.plus(attended.transpose(1, 2).flatten(2), hidden)

    def _norm(self, hidden: "Tensor", weight: "Tensor") -> "Tensor":
        import torch

        if hidden.dtype == torch.float32:
            return torch.nn.functional.rms_norm(hidden, weight.shape, weight, self._epsilon)
        normal = torch.nn.functional.rms_norm(hidden.float(), weight.shape, None, self._epsilon)
        return weight * normal.to(hidden.dtype)  # rounded where transformers rounds


def _layer(layer: Any) -> _Layer:
    import torch

    attention, mlp = layer.self_attn, layer.mlp
    return _Layer(
        attention_norm=layer.input_layernorm.weight,
        qkv=product_with(torch.cat([attention.q_proj.weight, attention.k_proj.weight, attention.v_proj.weight])),
        output=product_with(attention.o_proj.weight),
        mlp_norm=layer.post_attention_layernorm.weight,
        gate=product_with(mlp.gate_proj.weight),
        up=product_with(mlp.up_proj.weight),
        down=product_with(mlp.down_proj.weight),
    )
