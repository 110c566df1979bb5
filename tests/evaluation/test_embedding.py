"""Embeddings are the hidden states of transformers, pooled as said, whatever the batches and the file."""

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from refusal import refused

from evaluation.embedding.embedding import Embedding, embed_regions
from evaluation.embedding.embedding_files import write_embeddings
from evaluation.likelihood.likelihood import plan_reading
from evaluation.likelihood.regions import Region
from tokenizer.sequence import encode

TEXTS = {"a": "ACGTTGCAAGGC", "b": "acg", "c": "T", "d": "GATTACAGATTACAGATTACAGAT"}
REGIONS = [Region(name=name, contig="chr", start=5, ids=encode(text)) for name, text in TEXTS.items()]
LONG = Region(name="long", ids=encode("GATTACA" * 10))


def _embed(
    model: Any, regions: list[Region], *, layer: int = -1, pooling: str = "mean", **options: Any
) -> list[Embedding]:
    return list(embed_regions(model, regions, plan_reading(model, **options), layer=layer, pooling=pooling))


def _states(model: Any, text: str) -> list[np.ndarray]:
    import torch

    peer = copy.deepcopy(model)
    peer.set_attn_implementation("eager")
    with torch.inference_mode():
        states = peer(torch.tensor([list(text.upper().encode())]), output_hidden_states=True).hidden_states
    return [state[0].numpy() for state in states]


@pytest.mark.parametrize("layer", [0, 1, 2, -1, -3])
def test_layers_are_those_of_transformers(tiny_model: Any, layer: int) -> None:
    bases, means, lasts, most = (
        _embed(tiny_model, REGIONS, layer=layer, pooling=p) for p in ("none", "mean", "last", "max")
    )
    for number, text in enumerate(TEXTS.values()):
        expected = _states(tiny_model, text)[layer]
        np.testing.assert_allclose(bases[number].values, expected, atol=1e-5)
        np.testing.assert_allclose(means[number].values, expected.mean(axis=0), atol=1e-5)
        np.testing.assert_allclose(lasts[number].values, expected[-1], atol=1e-5)
        np.testing.assert_allclose(most[number].values, expected.max(axis=0), atol=1e-5)
    assert tiny_model.config.num_hidden_layers == 2


def test_batches_do_not_matter_and_long_sequences_are_read_in_windows(tiny_model: Any) -> None:
    for pooling in ("mean", "last", "max", "none"):
        one, many = (_embed(tiny_model, [*REGIONS, LONG], pooling=pooling, batch_size=size) for size in (1, 32))
        for first, second in zip(one, many, strict=True):
            np.testing.assert_allclose(first.values, second.values, atol=1e-5)
    assert one[-1].values.shape == (70, 32)
    pooled = _embed(tiny_model, [LONG])[0].values
    np.testing.assert_allclose(pooled, one[-1].values.mean(axis=0), atol=1e-5)
    last = _states(tiny_model, ("GATTACA" * 10)[-24:])[-1][-1]
    np.testing.assert_allclose(one[-1].values[-1], last, atol=1e-5)


def test_a_base_of_the_reverse_strand_is_named_by_the_genome(tiny_model: Any, tmp_path: Path) -> None:
    from pyarrow import parquet

    minus = Region(name="m", contig="c", start=5, strand="-", ids=encode("AACGNt"))
    write_embeddings(_embed(tiny_model, [minus], pooling="none"), tmp_path / "m.parquet", {})
    table = parquet.read_table(tmp_path / "m.parquet")
    assert "".join(table["base"].to_pylist()) == "tNGCAA"
    assert table["strand"].to_pylist() == ["-"] * 6
    assert table["position"].to_pylist() == [10, 9, 8, 7, 6, 5]
    (plus,) = _embed(tiny_model, [Region(name="p", ids=encode("ANCGTT"))], pooling="none")
    np.testing.assert_allclose(np.array(table["embedding"].to_pylist(), np.float32), plus.values, atol=1e-6)


def test_files(tiny_model: Any, tmp_path: Path) -> None:
    from pyarrow import parquet
    from safetensors import safe_open

    settings = {"model": "tiny", "pooling": "mean"}
    means, bases = (_embed(tiny_model, REGIONS, pooling=pooling) for pooling in ("mean", "none"))
    for name, rows in (("m.parquet", means), ("b.parquet", bases), ("m.safetensors", means), ("b.safetensors", bases)):
        assert write_embeddings(rows, tmp_path / name, settings) == 4
    table = parquet.read_table(tmp_path / "m.parquet")
    assert table.schema.metadata[b"model"] == b"tiny"
    assert table["name"].to_pylist() == list(TEXTS)
    assert table["end"].to_pylist() == [17, 8, 6, 29]
    np.testing.assert_array_equal(np.array(table["embedding"].to_pylist(), np.float32)[3], means[3].values)
    table = parquet.read_table(tmp_path / "b.parquet")
    assert "".join(table["base"].to_pylist()) == "".join(TEXTS.values())
    assert table["position"].to_pylist()[:12] == list(range(5, 17))
    np.testing.assert_array_equal(np.array(table["embedding"].to_pylist()[:12], np.float32), bases[0].values)
    with safe_open(tmp_path / "m.safetensors", "np") as file:
        assert json.loads(file.metadata()["names"]) == list(TEXTS)
        np.testing.assert_array_equal(file.get_tensor("embeddings")[1], means[1].values)
    with safe_open(tmp_path / "b.safetensors", "np") as file:
        np.testing.assert_array_equal(file.get_tensor("d"), bases[3].values)


def test_what_cannot_be_is_refused(tiny_model: Any, tmp_path: Path) -> None:
    with refused("layer", names="[0, 2]"):
        _embed(tiny_model, REGIONS, layer=3)
    with refused("embedding-suffix", where="x.npy", fix=".parquet"):
        write_embeddings([], tmp_path / "x.npy", {})
    twice = _embed(tiny_model, [REGIONS[0], REGIONS[0]], pooling="none")
    with refused("duplicate-name", where="x.safetensors", names="'a'"):
        write_embeddings(twice, tmp_path / "x.safetensors", {})
    assert not list(tmp_path.iterdir())
