"""A Megatron-Core layer specification for CPU tensors with Transformer Engine's parameter names.

Transformer Engine fuses each norm into the linear layer after it (`linear_qkv.layer_norm_weight`). The layers here
own the norm weight in the same place, so checkpoint keys and NeMo's own connectors are those of the GPU model.
"""

from typing import Any

import torch
from megatron.core.fusions.fused_bias_dropout import get_bias_dropout_add
from megatron.core.tensor_parallel import ColumnParallelLinear, RowParallelLinear
from megatron.core.transformer.attention import SelfAttention, SelfAttentionSubmodules
from megatron.core.transformer.enums import AttnMaskType
from megatron.core.transformer.mlp import MLP, MLPSubmodules
from megatron.core.transformer.spec_utils import ModuleSpec
from megatron.core.transformer.transformer_block import TransformerBlockSubmodules, get_num_layers_to_build
from megatron.core.transformer.transformer_layer import TransformerLayer, TransformerLayerSubmodules

from training.cpu.attention import CausalAttention
from training.cpu.fused import rms_norm, split_rotated, swiglu


def cpu_block_spec(config: Any, vp_stage: int | None = None) -> TransformerBlockSubmodules:
    """The decoder block for `LlamaConfig.transformer_layer_spec`; as many layers as this pipeline stage has."""
    attention = ModuleSpec(
        module=CpuSelfAttention,
        params={"attn_mask_type": AttnMaskType.causal},
        submodules=SelfAttentionSubmodules(
            linear_qkv=NormColumnParallelLinear,
            core_attention=CausalAttention,
            linear_proj=RowParallelLinear,
        ),
    )
    mlp = ModuleSpec(
        module=CpuMLP, submodules=MLPSubmodules(linear_fc1=NormColumnParallelLinear, linear_fc2=RowParallelLinear)
    )
    layer = ModuleSpec(
        module=TransformerLayer,
        submodules=TransformerLayerSubmodules(
            self_attention=attention,
            self_attn_bda=get_bias_dropout_add,
            mlp=mlp,
            mlp_bda=get_bias_dropout_add,
        ),
    )
    return TransformerBlockSubmodules(
        layer_specs=[layer] * get_num_layers_to_build(config, vp_stage=vp_stage), layer_norm=RMSNorm
    )


class CpuSelfAttention(SelfAttention):  # type: ignore[misc]
    """Megatron-Core's self-attention, with RoPE and the split into query, key and value in one go."""

    def forward(self, hidden_states: torch.Tensor, attention_mask: Any, *args: Any, **kwargs: Any) -> Any:
        frequencies = kwargs.get("rotary_pos_emb")
        packed, inference = kwargs.get("packed_seq_params"), kwargs.get("inference_context")
        if args or frequencies is None or packed is not None or inference is not None:
            return super().forward(hidden_states, attention_mask, *args, **kwargs)
        mixed, _ = self.linear_qkv(hidden_states)
        groups, width = self.num_query_groups_per_partition, self.hidden_size_per_attention_head
        query, key, value = split_rotated(mixed.unflatten(-1, (groups, -1)), frequencies, width)
        return self.linear_proj(self.core_attention(query, key, value, attention_mask))


class CpuMLP(MLP):  # type: ignore[misc]
    """Megatron-Core's MLP, gated by SiLU."""

    def forward(self, hidden_states: torch.Tensor, per_token_scale: None = None) -> Any:
        gate_and_up, _ = self.linear_fc1(hidden_states)
        return self.linear_fc2(swiglu(gate_and_up))


class RMSNorm(torch.nn.Module):
    """Root-mean-square norm (Zhang and Sennrich 2019), with the marks that sequence parallelism needs."""

    def __init__(self, config: Any, hidden_size: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight = _norm_weight(config, hidden_size)
        self.eps = eps

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return rms_norm(hidden, self.weight, self.eps)


class NormColumnParallelLinear(ColumnParallelLinear):  # type: ignore[misc]
    """`RMSNorm` and then `ColumnParallelLinear`, with the parameters `layer_norm_weight` and `weight`.

    With `return_layernorm_output`, Transformer Engine's name, it gives ((output, normed), bias), for adapters.
    """

    return_layernorm_output = False

    def __init__(self, input_size: int, output_size: int, *, config: Any, **kwargs: Any) -> None:
        super().__init__(input_size, output_size, config=config, **kwargs)
        self.layer_norm_weight = _norm_weight(config, input_size)
        self.eps = config.layernorm_epsilon

    def forward(self, hidden: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        normed = rms_norm(hidden, self.layer_norm_weight, self.eps)
        output, bias = super().forward(normed, *args, **kwargs)
        return ((output, normed), bias) if self.return_layernorm_output else (output, bias)


def _norm_weight(config: Any, size: int) -> torch.nn.Parameter:
    weight = torch.nn.Parameter(torch.ones(size, dtype=config.params_dtype))
    weight.sequence_parallel = config.sequence_parallel  # type: ignore[attr-defined]
    return weight
