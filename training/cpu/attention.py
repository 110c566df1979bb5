"""Causal attention on CPU tensors, over the whole sequence, packed documents, or the parts of context parallelism."""

import math
from typing import Any

import torch
from megatron.core import parallel_state
from megatron.core.tensor_parallel import gather_from_sequence_parallel_region

from training.context_parallel import zigzag_places


class CausalAttention(torch.nn.Module):
    """Causal attention through `scaled_dot_product_attention`.

    query [sequence, batch, heads, head_dim], key and value [sequence, batch, groups, head_dim]
    -> [sequence, batch, heads * head_dim]. Packed, without the batch dimension, each document by itself. With context
    parallelism the sequence is this rank's part of it, and keys and values are gathered from all ranks.
    """

    def __init__(self, config: Any, layer_number: int, attn_mask_type: Any, attention_type: str, **kwargs: Any) -> None:
        super().__init__()
        self.context_parallel_size = config.context_parallel_size
        self.scale = kwargs.get("softmax_scale") or 1.0 / math.sqrt(config.kv_channels)

    def forward(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attention_mask: torch.Tensor | None,
        attn_mask_type: Any = None,
        attention_bias: torch.Tensor | None = None,
        packed_seq_params: Any = None,
    ) -> torch.Tensor:
        if attention_mask is not None or attention_bias is not None:
            raise ValueError("the CPU attention is causal only: no mask or bias")
        ends = None if packed_seq_params is None else packed_seq_params.cu_seqlens_q
        if self.context_parallel_size > 1:
            if ends is None:
                whole = torch.tensor([0, len(query) * self.context_parallel_size])
                return self._attend_over_ranks(query, key, value, whole)
            return self._attend_over_ranks(query.unsqueeze(1), key.unsqueeze(1), value.unsqueeze(1), ends)
        if ends is None:
            return self._attend(query, key, value)
        lengths = ends.diff().tolist()
        parts = (torch.split(tensor.unsqueeze(1), lengths) for tensor in (query, key, value))
        return torch.cat([self._attend(*document) for document in zip(*parts, strict=True)])

    def _attend_over_ranks(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, cu_seqlens: torch.Tensor
    ) -> torch.Tensor:
        """Keys and values stay in the order of the ranks; the mask compares documents, and places in the whole."""
        group = parallel_state.get_context_parallel_group()
        places = zigzag_places(cu_seqlens, group.size())
        own, every = places[group.rank()][:, None], places.flatten()
        documents = torch.searchsorted(cu_seqlens, torch.cat([own[:, 0], every]), right=True)
        seen = (every <= own) & (documents[len(own) :] == documents[: len(own), None])
        key, value = (gather_from_sequence_parallel_region(tensor, group=group) for tensor in (key, value))
        return self._attend(query, key, value, seen)

    def _attend(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, seen: torch.Tensor | None = None
    ) -> torch.Tensor:
        query, key, value = (tensor.permute(1, 2, 0, 3) for tensor in (query, key, value))
        attended = torch.nn.functional.scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=seen,
            is_causal=seen is None,
            scale=self.scale,
            enable_gqa=query.shape[1] != key.shape[1],
        )
        return attended.permute(2, 0, 1, 3).flatten(start_dim=2)
