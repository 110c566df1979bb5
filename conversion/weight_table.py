"""Which Hugging Face tensors are which Megatron-Core tensor: one table, read in both directions.

Names of Megatron-Core are those under `module.` in a NeMo 2 checkpoint. Rotary embeddings need no permutation: both
sides rotate halves. Megatron fuses in blocks of rows, one block a key-value group (4 query heads a group here):

    linear_qkv  [q q q q k v | q q q q k v | ...]      each letter: head_dim rows
    linear_fc1  [gate | up]                            each word: intermediate_size rows
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from configs.llama import LlamaArchitecture
from tokenizer.vocabulary import VOCAB_SIZE

if TYPE_CHECKING:
    import torch

Layout = Literal["copy", "qkv", "gate_up"]
Shape = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One Megatron tensor and the Hugging Face tensors it is made of; `{layer}` stands for each layer's number.

    `rows` names the first dimension of each Hugging Face tensor, in order; `columns` the second, which they share.
    """

    hf: tuple[str, ...]
    megatron: str
    layout: Layout
    rows: tuple[str, ...]
    columns: str | None = None
    only_untied: bool = False


TABLE = (
    Row(
        hf=("model.embed_tokens.weight",),
        megatron="embedding.word_embeddings.weight",
        layout="copy",
        rows=("vocabulary",),
        columns="hidden",
    ),
    Row(
        hf=("model.layers.{layer}.input_layernorm.weight",),
        megatron="decoder.layers.{layer}.self_attention.linear_qkv.layer_norm_weight",
        layout="copy",
        rows=("hidden",),
    ),
    Row(
        hf=(
            "model.layers.{layer}.self_attn.q_proj.weight",
            "model.layers.{layer}.self_attn.k_proj.weight",
            "model.layers.{layer}.self_attn.v_proj.weight",
        ),
        megatron="decoder.layers.{layer}.self_attention.linear_qkv.weight",
        layout="qkv",
        rows=("query", "key_value", "key_value"),
        columns="hidden",
    ),
    Row(
        hf=("model.layers.{layer}.self_attn.o_proj.weight",),
        megatron="decoder.layers.{layer}.self_attention.linear_proj.weight",
        layout="copy",
        rows=("hidden",),
        columns="query",
    ),
    Row(
        hf=("model.layers.{layer}.post_attention_layernorm.weight",),
        megatron="decoder.layers.{layer}.mlp.linear_fc1.layer_norm_weight",
        layout="copy",
        rows=("hidden",),
    ),
    Row(
        hf=("model.layers.{layer}.mlp.gate_proj.weight", "model.layers.{layer}.mlp.up_proj.weight"),
        megatron="decoder.layers.{layer}.mlp.linear_fc1.weight",
        layout="gate_up",
        rows=("intermediate", "intermediate"),
        columns="hidden",
    ),
    Row(
        hf=("model.layers.{layer}.mlp.down_proj.weight",),
        megatron="decoder.layers.{layer}.mlp.linear_fc2.weight",
        layout="copy",
        rows=("hidden",),
        columns="intermediate",
    ),
    Row(hf=("model.norm.weight",), megatron="decoder.final_layernorm.weight", layout="copy", rows=("hidden",)),
    Row(
        hf=("lm_head.weight",),
        megatron="output_layer.weight",
        layout="copy",
        rows=("vocabulary",),
        columns="hidden",
        only_untied=True,
    ),
)


@dataclass(frozen=True, kw_only=True)
class Weight:
    """A row of the table for one layer of one architecture: names and shapes on both sides."""

    hf: Mapping[str, Shape]
    megatron: str
    megatron_shape: Shape
    stacked: str
    """Megatron's name where all layers are stored as one tensor with a leading dimension of num_hidden_layers."""
    layer: int | None
    blocks: int
    """Blocks of rows that Megatron's tensor consists of; each has an equal part of every Hugging Face tensor."""


def expand(architecture: LlamaArchitecture) -> tuple[Weight, ...]:
    """All weights of `architecture`, in the order of the forward pass; both sides are exactly these."""
    return tuple(_expand(architecture))


def to_megatron(weight: Weight, parts: Sequence["torch.Tensor"]) -> "torch.Tensor":
    """Megatron's tensor, shape `weight.megatron_shape`, of the Hugging Face tensors `parts`, in the table's order."""
    import torch

    if len(parts) == 1:
        return parts[0]
    blocks = [part.reshape(weight.blocks, -1, part.shape[-1]) for part in parts]
    return torch.cat(blocks, dim=1).reshape(weight.megatron_shape)


def to_hf(weight: Weight, tensor: "torch.Tensor") -> tuple["torch.Tensor", ...]:
    """The Hugging Face tensors, shapes `weight.hf.values()`, of Megatron's `tensor`; undoes `to_megatron`."""
    import torch

    if len(weight.hf) == 1:
        return (tensor,)
    shapes = list(weight.hf.values())
    blocks = tensor.reshape(weight.blocks, -1, tensor.shape[-1])
    parts = torch.split(blocks, [shape[0] // weight.blocks for shape in shapes], dim=1)
    return tuple(part.reshape(shape) for part, shape in zip(parts, shapes, strict=True))


def _expand(architecture: LlamaArchitecture) -> Iterator[Weight]:
    layers = range(architecture.num_hidden_layers)
    in_layers = [row for row in TABLE if "{layer}" in row.megatron]
    first, last = TABLE.index(in_layers[0]), TABLE.index(in_layers[-1])
    ordered: list[tuple[Row, int | None]] = [(row, None) for row in TABLE[:first]]
    ordered += [(row, layer) for layer in layers for row in in_layers]
    ordered += [(row, None) for row in TABLE[last + 1 :]]
    for row, layer in ordered:
        if not (row.only_untied and architecture.tie_word_embeddings):
            yield _weight(row, layer, architecture)


def _weight(row: Row, layer: int | None, architecture: LlamaArchitecture) -> Weight:
    size = {
        "vocabulary": VOCAB_SIZE,
        "hidden": architecture.hidden_size,
        "query": architecture.num_attention_heads * architecture.head_dim,
        "key_value": architecture.num_key_value_heads * architecture.head_dim,
        "intermediate": architecture.intermediate_size,
    }
    columns = (size[row.columns],) if row.columns else ()
    return Weight(
        hf={name.format(layer=layer): (size[rows], *columns) for name, rows in zip(row.hf, row.rows, strict=True)},
        megatron=row.megatron.format(layer=layer),
        megatron_shape=(sum(size[rows] for rows in row.rows), *columns),
        stacked=row.megatron.replace(".{layer}", ""),
        layer=layer,
        blocks=architecture.num_key_value_heads if row.layout == "qkv" else 1,
    )
