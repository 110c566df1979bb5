"""The likelihood agrees with a plain fp64 computation, and with itself however it is batched."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from refusal import refused
from scored import base_nats, score_records

from evaluation.likelihood.regions import read_regions
from evaluation.likelihood.score import read_score, write_score
from tokenizer.sequence import encode

CONTEXT = 24


@pytest.fixture(scope="module")
def reference(tiny_model: Any) -> Any:
    """Loss of the last base of `ids` given those before it, in fp64."""
    import torch

    double = copy.deepcopy(tiny_model).double()

    def last_base(ids: np.ndarray) -> float:
        tokens = torch.from_numpy(ids.astype(np.int64))[None]
        with torch.inference_mode():
            logits = double(input_ids=tokens[:, :-1], use_cache=False).logits[0, -1]
        return float(-torch.log_softmax(logits, dim=-1)[tokens[0, -1]])

    return last_base


def _documents(seed: int = 0) -> list[tuple[str, np.ndarray]]:
    random = np.random.default_rng(seed)
    letters = np.frombuffer(b"ACGTacgtN", dtype=np.uint8)
    lengths = [1, 2, 7, 24, 25, 26, 60, 131, 7, 90]
    return [(f"r{i}", random.choice(letters, size=length)) for i, length in enumerate(lengths)]


def test_each_base_agrees_with_a_plain_fp64_reference(tiny_model: Any, reference: Any) -> None:
    ids = encode("ACGTTGCAAGGCTNACGgtacaTTGACCATGACCGATTTACGACNNNGGA")
    upper = np.frombuffer(ids.tobytes().upper(), dtype=np.uint8)
    found = base_nats(tiny_model, ids, stride=1)  # a stride of one: each base sees the whole context
    for position in range(len(ids)):
        if position == 0 or upper[position] == ord("N"):
            assert np.isnan(found[position])
        else:
            expected = reference(upper[max(0, position - CONTEXT) : position + 1])
            assert abs(found[position] - expected) <= 1e-5


def test_batch_size_order_and_padding_do_not_matter(tiny_model: Any) -> None:
    documents = _documents()
    expected = {name: base_nats(tiny_model, ids, batch_size=1) for name, ids in documents}
    for batch_size, order in ((1, 1), (3, 1), (64, 1), (64, -1)):
        score = score_records(tiny_model, documents[::order], source="made up", batch_size=batch_size)
        assert [record.name for record in score.records] == [name for name, _ in documents[::order]]
        for record in score.records:
            values = expected[record.name][~np.isnan(expected[record.name])]
            assert record.bases_scored == len(values)
            assert abs(record.nats - values.sum()) <= 1e-6 * max(1, len(values))


def test_every_acgt_base_but_the_first_is_scored_once(tiny_model: Any) -> None:
    documents = _documents(5)
    for stride in (1, 5, 12, 24):
        score = score_records(tiny_model, documents, source="made up", stride=stride)
        for record, (_, ids) in zip(score.records, documents, strict=True):
            assert record.length == len(ids)
            assert record.bases_scored == sum(chr(base) in "ACGTacgt" for base in ids[1:])


def test_totals_are_weighted_by_base(tiny_model: Any) -> None:
    score = score_records(tiny_model, _documents(), source="made up")
    nats = sum(record.nats for record in score.records)
    assert score.bits_per_base == pytest.approx(nats / np.log(2) / score.bases_scored, rel=1e-12)
    assert score.perplexity == pytest.approx(np.exp(nats / score.bases_scored), rel=1e-12)
    assert np.isnan(score.records[0].bits_per_base)  # a record of one base has no score


def test_case_does_not_matter(tiny_model: Any) -> None:
    lower, upper = base_nats(tiny_model, encode("acgtnacgt")), base_nats(tiny_model, encode("ACGTNACGT"))
    np.testing.assert_array_equal(lower, upper)


def test_log_softmax_of_a_bf16_model_is_fp32(tiny_model: Any) -> None:
    import torch

    half, ids = copy.deepcopy(tiny_model).bfloat16(), encode("ACGTTGCAAGGCTTACG")
    tokens = torch.from_numpy(ids.astype(np.int64))[None]
    with torch.inference_mode():
        logits = half(input_ids=tokens[:, :-1], use_cache=False).logits[0]
    assert logits.dtype == torch.bfloat16
    expected = torch.nn.functional.cross_entropy(logits.double(), tokens[0, 1:], reduction="none").numpy()
    np.testing.assert_allclose(base_nats(half, ids)[1:], expected, atol=2e-6)


def test_a_score_survives_its_file(tiny_model: Any, tmp_path: Path, corpus: Path) -> None:
    documents = read_regions(corpus, split="test")
    score = score_records(tiny_model, documents, source=str(corpus), split="test")
    write_score(score, tmp_path / "score.json")
    assert read_score(tmp_path / "score.json") == score


@pytest.mark.parametrize(
    ("content", "kind", "where"),
    [
        ("{", "not-json", "score.json"),
        ("[]", "not-a-score", "score.json"),
        ('{"format": "genomic-llama score 4"}', "wrong-type", "score.json"),
        ('{"format": "genomic-llama score 4", "score": {}}', "missing-key", "score.json"),
        ('{"format": "genomic-llama score 3"}', "score-version", "score.json"),
    ],
)
def test_a_broken_score_file_is_named(tmp_path: Path, content: str, kind: str, where: str) -> None:
    (tmp_path / "score.json").write_text(content)
    with refused(kind, where=where):
        read_score(tmp_path / "score.json")


def test_what_cannot_be_scored_is_refused(tiny_model: Any) -> None:
    with refused("not-dna", where="record 'protein'"):
        score_records(tiny_model, [("protein", encode("MLEQ"))], source="s")
    with refused("no-base-to-score", where="s"):
        score_records(tiny_model, [("one", encode("A"))], source="s")
    with refused("context-length", names="25", fix="24"):
        base_nats(tiny_model, encode("ACGT"), context_length=25)
    with refused("stride", fix="24"):
        base_nats(tiny_model, encode("ACGT"), stride=25)


def test_a_loss_that_is_no_number_is_an_error(tiny_model: Any) -> None:
    import torch

    broken = copy.deepcopy(tiny_model)
    with torch.no_grad():
        broken.lm_head.weight.fill_(float("nan"))
    with refused("not-a-number", fix="float32"):
        base_nats(broken, encode("ACGT"))
