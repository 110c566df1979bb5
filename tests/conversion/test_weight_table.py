"""The table of weights: counts, the two fused layouts row by row, and that one direction undoes the other."""

import dataclasses
import math

import numpy as np
import pytest

from configs.llama import LlamaArchitecture, read_architecture
from configs.locate import CONFIGS
from conversion.weight_table import Weight, expand, fuse, split

SHIPPED = sorted(path.parent.name for path in CONFIGS.glob("*/config.json"))


def small(**changes: object) -> LlamaArchitecture:
    return dataclasses.replace(
        LlamaArchitecture(
            num_hidden_layers=2,
            hidden_size=6,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=2,
            intermediate_size=5,
            max_position_embeddings=8,
            rope_theta=1e4,
            rms_norm_eps=1e-5,
            initializer_range=0.02,
            tie_word_embeddings=False,
            dtype="float32",
        ),
        **changes,
    )


def find(architecture: LlamaArchitecture, suffix: str) -> Weight:
    return next(weight for weight in expand(architecture) if weight.megatron.endswith(suffix))


def test_the_8b_has_6_981_685_248_parameters_on_both_sides() -> None:
    weights = expand(read_architecture("llama3_8b_genomic_config"))
    assert sum(math.prod(shape) for weight in weights for shape in weight.hf.values()) == 6_981_685_248
    assert sum(math.prod(weight.fused_shape) for weight in weights) == 6_981_685_248
    assert sum(len(weight.hf) for weight in weights) == 32 * 9 + 3
    shapes = {weight.megatron: weight.fused_shape for weight in weights}
    assert shapes["decoder.layers.31.self_attention.linear_qkv.weight"] == (6144, 4096)
    assert shapes["decoder.layers.31.mlp.linear_fc1.weight"] == (28672, 4096)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_architecture_expands_to_its_parameters(name: str) -> None:
    architecture = read_architecture(name)
    weights = expand(architecture)
    names = [name for weight in weights for name in weight.hf]
    assert len(names) == len(set(names))
    assert len(weights) == len({weight.megatron for weight in weights}) == len({weight.te for weight in weights})
    assert sum(math.prod(weight.fused_shape) for weight in weights) == architecture.parameters


def rows(*numbers: int) -> np.ndarray:
    return np.repeat(np.array(numbers, "<u4")[:, None], 6, axis=1)


def test_qkv_is_one_block_of_query_heads_key_and_value_a_group() -> None:
    weight = find(small(), "0.self_attention.linear_qkv.weight")
    query, key, value = rows(*range(8)), rows(*range(100, 104)), rows(*range(200, 204))
    fused = np.concatenate(list(fuse(weight, [[query], [key], [value]])))
    expected = [0, 1, 2, 3, 100, 101, 200, 201, 4, 5, 6, 7, 102, 103, 202, 203]  # heads of 2 rows, 2 groups
    assert fused[:, 0].tolist() == expected


def test_gate_comes_before_up() -> None:
    weight = find(small(), "0.mlp.linear_fc1.weight")
    fused = np.concatenate(list(fuse(weight, [[rows(0, 0, 0, 0, 0)], [rows(1, 1, 1, 1, 1)]])))
    assert fused[:, 0].tolist() == [0] * 5 + [1] * 5


@pytest.mark.parametrize(("heads", "groups"), [(4, 4), (4, 2), (4, 1), (6, 3)])
def test_each_direction_undoes_the_other_and_copies_nothing(heads: int, groups: int) -> None:
    for weight in expand(small(num_attention_heads=heads, num_key_value_heads=groups)):
        fused = np.random.default_rng(0).integers(0, 1 << 16, weight.fused_shape).astype("<u2")
        parts = split(weight, fused)
        assert [sum(len(piece) for piece in part) for part in parts] == [shape[0] for shape in weight.hf.values()]
        assert all(piece.base is not None and piece.flags.c_contiguous for part in parts for piece in part)
        whole = [[np.concatenate(part)] for part in parts]
        assert [part[0].shape for part in whole] == list(weight.hf.values())
        for given in (parts, whole):
            assert np.array_equal(np.concatenate(list(fuse(weight, given))), fused)


def test_tied_embeddings_have_no_output_layer() -> None:
    tied, untied = (expand(small(tie_word_embeddings=value)) for value in (True, False))
    assert [weight.megatron for weight in untied if weight not in tied] == ["output_layer.weight"]
    assert "lm_head.weight" not in {name for weight in tied for name in weight.hf}
