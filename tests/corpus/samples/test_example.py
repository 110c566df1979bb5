"""Masks, padding and the other strand, on examples written by hand."""

import numpy as np
import pytest

from corpus.samples.example import label_weights, make_example, other_strand, takes_other_strand
from tokenizer.sequence import Ids, encode
from tokenizer.vocabulary import EOS, PAD

WEIGHTS = {"A": 1, "c": 0.5, "N": 0, "n": 0, "R": 0, "r": 0, "|": 1, "U": 0}


def stored(text: str) -> Ids:
    """`|` is EOS."""
    return np.where(encode(text) == ord("|"), EOS.id, encode(text)).astype(np.uint8)


def test_masks_come_from_the_stored_case() -> None:
    example = make_example(stored("TacN|gtRA"), 8, soft_mask_weight=0.5)
    assert example["tokens"].tolist() == stored("TACN|GTR").tolist()
    assert example["labels"].tolist() == stored("ACN|GTRA").tolist()
    assert example["loss_mask"].tolist() == [0.5, 0.5, 0, 1, 0.5, 0.5, 0, 1]
    assert example["position_ids"].tolist() == list(range(8))
    assert {key: str(value.dtype) for key, value in example.items()} == {  # type: ignore[attr-defined]
        "tokens": "int64",
        "labels": "int64",
        "loss_mask": "float32",
        "position_ids": "int64",
    }


@pytest.mark.parametrize(("letter", "weight"), WEIGHTS.items())
def test_weight_of_a_label(letter: str, weight: float) -> None:
    assert make_example(stored("A" + letter), 1, soft_mask_weight=0.5)["loss_mask"].tolist() == [weight]


def test_padding_and_special_tokens_have_no_weight() -> None:
    weights = label_weights(1.0)
    assert np.flatnonzero(weights[:5]).tolist() == [EOS.id]
    assert np.flatnonzero(weights[5:]).size == 8  # A, C, G, T in both cases
    example = make_example(stored("AC|"), 5)
    assert example["tokens"].tolist() == [*stored("AC|").tolist(), PAD.id, PAD.id]
    assert example["labels"].tolist() == [*stored("C|").tolist(), PAD.id, PAD.id, PAD.id]
    assert example["loss_mask"].tolist() == [1, 1, 0, 0, 0]


def test_a_blank_example() -> None:
    example = make_example(np.empty(0, dtype=np.uint8), 4)
    assert example["tokens"].tolist() == example["labels"].tolist() == [PAD.id] * 4
    assert not example["loss_mask"].any()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("AAC|GGT", "GTT|ACC"),
        ("AacN|gR|T", "NgtT|Yc|A"),
        ("|A||CG|", "|T||CG|"),
        ("||", "||"),
        ("aACCg", "cGGTt"),
    ],
)
def test_other_strand_within_documents(before: str, after: str) -> None:
    original = stored(before)
    assert other_strand(original).tolist() == stored(after).tolist()
    assert original.tolist() == stored(before).tolist()
    assert other_strand(other_strand(original)).tolist() == original.tolist()


def test_the_coin_is_fair_and_fixed() -> None:
    tosses = [takes_other_strand(5, 0, sample) for sample in range(10_000)]
    assert abs(sum(tosses) - 5_000) < 250
    assert tosses == [takes_other_strand(5, 0, sample) for sample in range(10_000)]
    for seed, epoch in ((6, 0), (5, 1)):
        same = sum(a == takes_other_strand(seed, epoch, sample) for sample, a in enumerate(tosses))
        assert abs(same - 5_000) < 250
