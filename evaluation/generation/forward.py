"""The pass that gives the next base's logits: of a plain small Llama written out, of any other by transformers.

For a small model the arithmetic of a step is cheaper than the hundreds of small operations around it. Written out it
has a third of them: query, key and value come from one product, gate and up from another, RoPE turns queries and keys
together, and nothing builds masks or cache objects.

Letters in shapes: B rows, S positions, E hidden size, H heads, G key-value heads, D head dimension.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evaluation.likelihood.attention import Context

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

Forward = Callable[["Tensor", "Tensor", Context], "Tensor"]
"""Logits after the last position, [B, 256], in fp32; of ids [B, S] at positions [B, S] or [1, S]."""

LARGEST = 1 << 30
"""Bytes of weights up to which they are copied in the order in which they are used."""


def forward_of(model: "PreTrainedModel") -> Forward:
    """The quickest exact pass for `model`."""
    return SmallLlama(model) if _is_plain(model) and _bytes(model) <= LARGEST else _by_transformers(model)


def _by_transformers(model: "PreTrainedModel") -> Forward:
    def forward(ids: "Tensor", positions: "Tensor", context: Context) -> "Tensor":
        output = model.model(input_ids=ids, position_ids=positions, use_cache=False, context=context)
        logits: Tensor = model.lm_head(output.last_hidden_state[:, -1])
        return logits.float()

    return forward


def _is_plain(model: Any) -> bool:
    """Whether `model` is the Llama of transformers and nothing else: no adapters, no hooks, no quantised layers."""
    import torch
    from transformers.models.llama import modeling_llama as llama

    known = {
        llama.LlamaForCausalLM, llama.LlamaModel, llama.LlamaDecoderLayer, llama.LlamaAttention, llama.LlamaMLP,
        llama.LlamaRMSNorm, llama.LlamaRotaryEmbedding, torch.nn.Linear, torch.nn.Embedding, torch.nn.ModuleList,
        torch.nn.SiLU, type(model.model.layers[0].mlp.act_fn) if type(model) is llama.LlamaForCausalLM else None,
    }  # fmt: skip
    modules = list(model.modules())
    return (
        all(type(one) in known and not (one._forward_hooks or one._forward_pre_hooks) for one in modules)
        and model.config.hidden_act == "silu"
        and all(one.bias is None for one in modules if isinstance(one, torch.nn.Linear))
        and model.model.rotary_emb.attention_scaling == 1.0
    )


def _bytes(model: "PreTrainedModel") -> int:
    return sum(one.numel() * one.element_size() for one in model.parameters())


@dataclass(frozen=True, kw_only=True)
class _Layer:
    """`qkv`: [(H + 2 G) D, E]; `gate_up`: [2 I, E]."""

    attention_norm: "Tensor"
    qkv: "Tensor"
    output: "Tensor"
    mlp_norm: "Tensor"
    gate_up: "Tensor"
    down: "Tensor"


class SmallLlama:
    """A `Forward`. In half precision it rounds where transformers does."""

    def __init__(self, model: "PreTrainedModel") -> None:
        import torch

        config, self._model = model.config, model.model
        self._heads, self._groups = config.num_attention_heads, config.num_key_value_heads
        self._width, self._epsilon = self._model.layers[0].self_attn.head_dim, config.rms_norm_eps
        self._head, self._scale = model.lm_head.weight, self._width**-0.5
        self._layers = [_layer(one) for one in self._model.layers]
        everywhere = torch.arange(config.max_position_embeddings, device=model.device)[None]
        cos, sin = self._model.rotary_emb(self._model.embed_tokens.weight, everywhere)
        sin[..., : self._width // 2] *= -1  # the sign of rotate_half, so that a roll does the rest
        self._cos, self._sin = cos[0], sin[0]

    def __call__(self, ids: "Tensor", positions: "Tensor", context: Context) -> "Tensor":
        import torch

        hidden = torch.nn.functional.embedding(ids, self._model.embed_tokens.weight)
        cos, sin = self._cos[positions][:, :, None], self._sin[positions][:, :, None]
        for number, layer in enumerate(self._layers):
            hidden = hidden + self._attention(number, layer, hidden, cos, sin, context)
            hidden = hidden + self._mlp(layer, hidden)
        last = self._norm(hidden[:, -1], self._model.norm.weight)
        return torch.nn.functional.linear(last, self._head).float()

    def _attention(
        self, number: int, layer: _Layer, hidden: "Tensor", cos: "Tensor", sin: "Tensor", context: Context
    ) -> "Tensor":
        import torch

        mixed = torch.nn.functional.linear(self._norm(hidden, layer.attention_norm), layer.qkv)
        mixed = mixed.view(*mixed.shape[:2], -1, self._width)
        turning = mixed[:, :, : self._heads + self._groups]
        turned = torch.addcmul(turning * cos, turning.roll(self._width // 2, dims=-1), sin).transpose(1, 2)
        value = mixed[:, :, self._heads + self._groups :].transpose(1, 2)
        query, key = turned[:, : self._heads], turned[:, self._heads :]
        attended = context.attend(number, query, key, value, self._scale)
        return torch.nn.functional.linear(attended.transpose(1, 2).flatten(2), layer.output)

    def _mlp(self, layer: _Layer, hidden: "Tensor") -> "Tensor":
        import torch

        gate, up = torch.nn.functional.linear(self._norm(hidden, layer.mlp_norm), layer.gate_up).chunk(2, dim=-1)
        return torch.nn.functional.linear(torch.nn.functional.silu(gate) * up, layer.down)

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
        qkv=torch.cat([attention.q_proj.weight, attention.k_proj.weight, attention.v_proj.weight]),
        output=attention.o_proj.weight,
        mlp_norm=layer.post_attention_layernorm.weight,
        gate_up=torch.cat([mlp.gate_proj.weight, mlp.up_proj.weight]),
        down=mlp.down_proj.weight,
    )
