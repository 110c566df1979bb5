"""Which tensors are the same weights in the formats: one table, read in every direction.

Names of Megatron-Core are those of its modules; a checkpoint may put a prefix before them. Rotary embeddings need no
permutation: all sides rotate halves. Only GGUF has rows interleaved, which `conversion.gguf` does. Transformer Engine
and Megatron-Core fuse in blocks of rows, one block a key-value group (4 query heads a group here):

    linear_qkv  [q q q q k v | q q q q k v | ...]      each letter: head_dim rows
    linear_fc1  [gate | up]                            each word: intermediate_size rows

So every weight moves as whole rows, and no conversion computes with them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from configs.llama import LlamaArchitecture
from tokenizer.vocabulary import VOCAB_SIZE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

HEAD = "score."
"""How the names of a head's tensors begin, in every format."""

Layout = Literal["copy", "qkv", "gate_up"]
Shape = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One weight under its names in Hugging Face, GGUF, NVLlama (`te`) and Megatron-Core; `{layer}` is its number.

    `rows` names the first dimension of each Hugging Face tensor, in order; `columns` the second, which they share.
    """

    hf: tuple[str, ...]
    te: str
    megatron: str
    layout: Layout
    rows: tuple[str, ...]
    columns: str | None = None
    gguf: tuple[str, ...] = ()
    """Of the same tensors as `hf`; none where GGUF has no place for them."""
    part: str = "body"
    """`body`, or `output`: the output layer, unless it is tied or a head is in its place; `head`; its `bias`."""


TABLE = (
    Row(
        hf=("model.embed_tokens.weight",),
        gguf=("token_embd.weight",),
        te="model.embed_tokens.weight",
        megatron="embedding.word_embeddings.weight",
        layout="copy",
        rows=("vocabulary",),
        columns="hidden",
    ),
    Row(
        hf=("model.layers.{layer}.input_layernorm.weight",),
        gguf=("blk.{layer}.attn_norm.weight",),
        te="model.layers.{layer}.self_attention.layernorm_qkv.layer_norm_weight",
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
        gguf=("blk.{layer}.attn_q.weight", "blk.{layer}.attn_k.weight", "blk.{layer}.attn_v.weight"),
        te="model.layers.{layer}.self_attention.layernorm_qkv.weight",
        megatron="decoder.layers.{layer}.self_attention.linear_qkv.weight",
        layout="qkv",
        rows=("query", "key_value", "key_value"),
        columns="hidden",
    ),
    Row(
        hf=("model.layers.{layer}.self_attn.o_proj.weight",),
        gguf=("blk.{layer}.attn_output.weight",),
        te="model.layers.{layer}.self_attention.proj.weight",
        megatron="decoder.layers.{layer}.self_attention.linear_proj.weight",
        layout="copy",
        rows=("hidden",),
        columns="query",
    ),
    Row(
        hf=("model.layers.{layer}.post_attention_layernorm.weight",),
        gguf=("blk.{layer}.ffn_norm.weight",),
        te="model.layers.{layer}.layernorm_mlp.layer_norm_weight",
        megatron="decoder.layers.{layer}.mlp.linear_fc1.layer_norm_weight",
        layout="copy",
        rows=("hidden",),
    ),
    Row(
        hf=("model.layers.{layer}.mlp.gate_proj.weight", "model.layers.{layer}.mlp.up_proj.weight"),
        gguf=("blk.{layer}.ffn_gate.weight", "blk.{layer}.ffn_up.weight"),
        te="model.layers.{layer}.layernorm_mlp.fc1_weight",
        megatron="decoder.layers.{layer}.mlp.linear_fc1.weight",
        layout="gate_up",
        rows=("intermediate", "intermediate"),
        columns="hidden",
    ),
    Row(
        hf=("model.layers.{layer}.mlp.down_proj.weight",),
        gguf=("blk.{layer}.ffn_down.weight",),
        te="model.layers.{layer}.layernorm_mlp.fc2_weight",
        megatron="decoder.layers.{layer}.mlp.linear_fc2.weight",
        layout="copy",
        rows=("hidden",),
        columns="intermediate",
    ),
    Row(
        hf=("model.norm.weight",),
        gguf=("output_norm.weight",),
        te="model.norm.weight",
        megatron="decoder.final_layernorm.weight",
        layout="copy",
        rows=("hidden",),
    ),
    Row(
        hf=("lm_head.weight",),
        gguf=("output.weight",),
        te="lm_head.weight",
        megatron="output_layer.weight",
        layout="copy",
        rows=("vocabulary",),
        columns="hidden",
        part="output",
    ),
    Row(
        hf=("score.weight",),
        te="score.weight",
        megatron="score.weight",
        layout="copy",
        rows=("labels",),
        columns="hidden",
        part="head",
    ),
    Row(
        hf=("score.bias",),
        te="score.bias",
        megatron="score.bias",
        layout="copy",
        rows=("labels",),
        part="bias",
    ),
)


@dataclass(frozen=True, kw_only=True)
class Weight:
    """A row of the table for one layer of one architecture: names and shapes in all formats."""

    hf: Mapping[str, Shape]
    gguf: tuple[str, ...]
    """Names in GGUF, of the same tensors as Hugging Face's."""
    te: str
    megatron: str
    fused_shape: Shape
    """Shape in NVLlama and in Megatron-Core."""
    stacked: str
    """Megatron's name where all layers are stored as one tensor with a leading dimension of num_hidden_layers."""
    layer: int | None
    blocks: int
    """Blocks of rows that the fused tensor consists of; each has an equal part of every Hugging Face tensor."""


def expand(architecture: LlamaArchitecture, *, vocabulary: int = VOCAB_SIZE) -> tuple[Weight, ...]:
    """All weights of `architecture`, in the order of the forward pass; every format has exactly these.

    `vocabulary` is the number of rows of the embeddings, more than 256 where Megatron-Core padded them.
    """
    return tuple(_expand(architecture, vocabulary))


def fuse(weight: Weight, parts: Sequence[Sequence["Array"]]) -> Iterator["Array"]:
    """The rows of the fused tensor of `weight`, as pieces of its Hugging Face tensors; nothing is copied.

    Each of `parts` is a tensor in one piece, or in as many as `split` gives.
    """
    blocks = [rows if len(rows) == weight.blocks else _blocks(weight, rows[0]) for rows in parts]
    for block in range(weight.blocks):
        for part in blocks:
            yield part[block]


def split(weight: Weight, fused: "Array") -> list[list["Array"]]:
    """The rows of each Hugging Face tensor of `weight`, as pieces of the `fused` one; undoes `fuse`."""
    blocks = _blocks(weight, fused)
    parts: list[list[Array]] = []
    start = 0
    for shape in weight.hf.values():
        stop = start + shape[0] // weight.blocks
        parts.append([blocks[block, start:stop] for block in range(weight.blocks)])
        start = stop
    return parts


def _blocks(weight: Weight, rows: "Array") -> "Array":
    return rows.reshape(weight.blocks, -1, *rows.shape[1:])


def _expand(architecture: LlamaArchitecture, vocabulary: int) -> Iterator[Weight]:
    layers = range(architecture.num_hidden_layers)
    in_layers = [row for row in TABLE if "{layer}" in row.megatron]
    first, last = TABLE.index(in_layers[0]), TABLE.index(in_layers[-1])
    ordered: list[tuple[Row, int | None]] = [(row, None) for row in TABLE[:first]]
    ordered += [(row, layer) for layer in layers for row in in_layers]
    ordered += [(row, None) for row in TABLE[last + 1 :]]
    parts = _parts(architecture)
    for row, layer in ordered:
        if row.part in parts:
            yield _weight(row, layer, architecture, vocabulary)


def _parts(architecture: LlamaArchitecture) -> tuple[str, ...]:
    """The parts of the table that `architecture` has."""
    if head := architecture.head:
        return ("body", "head", "bias") if head.bias else ("body", "head")
    return ("body",) if architecture.tie_word_embeddings else ("body", "output")


def _weight(row: Row, layer: int | None, architecture: LlamaArchitecture, vocabulary: int) -> Weight:
    size = {
        "vocabulary": vocabulary,
        "hidden": architecture.hidden_size,
        "query": architecture.num_attention_heads * architecture.head_dim,
        "key_value": architecture.num_key_value_heads * architecture.head_dim,
        "intermediate": architecture.intermediate_size,
        "labels": len(architecture.head.labels) if architecture.head else 0,
    }
    columns = (size[row.columns],) if row.columns else ()
    return Weight(
        hf={name.format(layer=layer): (size[rows], *columns) for name, rows in zip(row.hf, row.rows, strict=True)},
        gguf=tuple(name.format(layer=layer) for name in row.gguf),
        te=row.te.format(layer=layer),
        megatron=row.megatron.format(layer=layer),
        fused_shape=(sum(size[rows] for rows in row.rows), *columns),
        stacked=row.megatron.replace(".{layer}", ""),
        layer=layer,
        blocks=architecture.num_key_value_heads if row.layout == "qkv" else 1,
    )
