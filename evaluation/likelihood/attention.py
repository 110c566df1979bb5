"""Causal attention that can keep the keys and values of a prefix, and let many continuations share them.

transformers runs the model; this is the attention function that it calls. Without a `context` it is plain causal
attention and no mask is ever built (the Llama of transformers 4.57 builds one of [length, length] when it is called
without a cache). Letters in shapes: B rows, H heads, G key-value heads, S new positions, P prefix, D head dimension.
"""

from typing import TYPE_CHECKING, Any, Protocol

from evaluation.likelihood.products import can_be_packed

if TYPE_CHECKING:
    from torch import Tensor, nn

NAME = "genomic_llama"
_BLOCK = 224
"""Queries of a block: their scores stay in the caches."""


class Context(Protocol):
    """What a forward pass attends to beside its own tokens. Pass it to the model as `context=`."""

    def attend(self, layer: int, query: "Tensor", key: "Tensor", value: "Tensor", scale: float) -> "Tensor":
        """Attention of one layer: query [B, H, S, D]; key and value [B, G, S, D] of the new positions; the output."""
        ...


class Recorder:
    """Causal attention that keeps each layer's keys and values, [B, G, S, D]; a second continues after the first."""

    def __init__(self) -> None:
        self.layers: list[tuple[Tensor, Tensor]] = []

    def attend(self, layer: int, query: "Tensor", key: "Tensor", value: "Tensor", scale: float) -> "Tensor":
        import torch

        if layer == len(self.layers):
            self.layers.append((key, value))
            return causal(query, key, value, scale)
        before = tuple(kept.to(key.dtype) for kept in self.layers[layer])
        self.layers[layer] = (torch.cat([before[0], key], dim=2), torch.cat([before[1], value], dim=2))
        prefix = SharedPrefix(self, length=before[0].shape[2], rows=list(range(query.shape[0])))
        return prefix.attend(layer, query, key, value, scale)


class SharedPrefix:
    """Row r of the batch continues the first `length` positions of recorded row `rows[r]`; rows of one are adjacent."""

    def __init__(self, recorder: Recorder, *, length: int, rows: list[int]) -> None:
        self._layers, self._length = recorder.layers, length
        starts = [r for r, row in enumerate(rows) if r == 0 or rows[r - 1] != row]
        self._runs = [(rows[a], a, b) for a, b in zip(starts, [*starts[1:], len(rows)], strict=True)]

    def attend(self, layer: int, query: "Tensor", key: "Tensor", value: "Tensor", scale: float) -> "Tensor":
        import torch

        keys, values = self._layers[layer]
        joined = _in_two_parts if query.device.type == "cpu" else _in_one
        parts = []
        for row, first, last in self._runs:
            prefix = (keys[row, :, : self._length], values[row, :, : self._length])
            parts.append(joined(query[first:last], key[first:last], value[first:last], *prefix, scale))
        return parts[0] if len(parts) == 1 else torch.cat(parts)


def use_attention(model: Any) -> None:
    """Make `model`, a Llama of transformers, use this attention."""
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, _attention)
    model.set_attn_implementation(NAME)


def causal(query: "Tensor", key: "Tensor", value: "Tensor", scale: float) -> "Tensor":
    """Plain causal attention, [B, H, S, D]."""
    if can_be_packed(query):
        return _in_blocks(query, key, value, scale)
    return _sdpa(query, key, value, scale, is_causal=True)


def _attention(
    module: "nn.Module",
    query: "Tensor",
    key: "Tensor",
    value: "Tensor",
    attention_mask: object,
    scaling: float,
    context: Context | None = None,
    **_: object,
) -> "tuple[Tensor, None]":
    """As transformers calls it; the result is [B, S, H, D]."""
    assert attention_mask is None
    if context is None:
        return _sdpa(query, key, value, scaling, is_causal=True).transpose(1, 2), None
    layer: int = module.layer_idx  # type: ignore[assignment]
    return context.attend(layer, query, key, value, scaling).transpose(1, 2), None


def _sdpa(query: "Tensor", key: "Tensor", value: "Tensor", scale: float, **options: Any) -> "Tensor":
    import torch

    key, value = _per_head(query, key), _per_head(query, value)
    return torch.nn.functional.scaled_dot_product_attention(query, key, value, scale=scale, **options)


def _in_blocks(query: "Tensor", key: "Tensor", value: "Tensor", scale: float) -> "Tensor":
    """By oneDNN, whose products are quicker than those of torch's fused kernel; about `_BLOCK` queries at a time."""
    import torch

    multiply = torch.ops.mkldnn._linear_pointwise
    rows, heads, length, width = query.shape
    groups = key.shape[1]
    size = -(-length // -(-length // _BLOCK))
    future = query.new_full((size, size), -torch.inf).triu(1)
    # [B, G, H / G, S, D], and values as weights, [B, G, D, S]
    query = (query * scale).view(rows, groups, -1, length, width)
    result = query.new_empty(rows, length, groups, heads // groups, width).permute(0, 2, 3, 1, 4)
    for start in range(0, length, size):
        end = min(length, start + size)
        for row in range(rows):
            for group in range(groups):
                asked = query[row, group, :, start:end]
                scores = multiply(asked, _weight(key[row, group, :end]), None, "none", [], "")
                scores[..., start:] += future[: end - start, : end - start]
                seen = _weight(value[row, group, :end].T)
                result[row, group, :, start:end] = multiply(scores.softmax(-1), seen, None, "none", [], "")
    return result.flatten(1, 2)


def _weight(values: "Tensor") -> "Tensor":
    """For oneDNN, without its own layout, which takes longer than it saves."""
    result: Tensor = values.contiguous().to_mkldnn()
    return result


def _in_one(
    query: "Tensor", key: "Tensor", value: "Tensor", prefix_key: "Tensor", prefix_value: "Tensor", scale: float
) -> "Tensor":
    """Prefix and new keys side by side, and a causal mask that is aligned at the lower right: fused on a GPU."""
    import torch
    from torch.nn.attention.bias import causal_lower_right

    rows = query.shape[0]
    keys, values = (
        torch.cat([prefix.expand(rows, *prefix.shape), new], dim=2)
        for prefix, new in ((prefix_key, key), (prefix_value, value))
    )
    return _sdpa(query, keys, values, scale, attn_mask=causal_lower_right(query.shape[2], keys.shape[2]))


def _in_two_parts(
    query: "Tensor", key: "Tensor", value: "Tensor", prefix_key: "Tensor", prefix_value: "Tensor", scale: float
) -> "Tensor":
    """The prefix without a mask, once for all rows; the new keys causally; joined by their log-sum-exp.

    A CPU has no fused kernel for the aligned mask: it would build it, and compute what it masks.
    """
    import torch

    flash = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    rows, heads, new, width = query.shape
    stacked = query.transpose(0, 1).reshape(1, heads, rows * new, width)
    old, old_lse = flash(
        stacked, _per_head(query, prefix_key[None]), _per_head(query, prefix_value[None]), 0.0, False, scale=scale
    )
    old = old.reshape(heads, rows, new, width).transpose(0, 1)
    old_lse = old_lse.reshape(heads, rows, new).transpose(0, 1)
    own, own_lse = flash(query, _per_head(query, key), _per_head(query, value), 0.0, True, scale=scale)
    share = torch.sigmoid(own_lse - old_lse)[..., None].to(own.dtype)
    return torch.lerp(old, own, share)


def _per_head(query: "Tensor", grouped: "Tensor") -> "Tensor":
    """[B, G, S, D] repeated to the query's heads, [B, H, S, D]."""
    return grouped.repeat_interleave(query.shape[1] // grouped.shape[1], dim=1)
