"""Weights, padding and segments, on examples written by hand. `.` is EOS."""

import numpy as np
import pytest
from refusal import refused

from corpus.samples.example import Example, join_segments, label_weights, make_example, segments, takes_other_strand
from tokenizer.sequence import Ids, encode
from tokenizer.vocabulary import EOS, PAD

WEIGHTS = {"A": 100, "c": 50, "N": 0, "n": 0, "R": 0, "r": 0, ".": 100, "U": 0, "@": 0, "#": 0, "|": 0}


def stored(text: str) -> Ids:
    return np.where(encode(text) == ord("."), EOS.id, encode(text)).astype(np.uint8)


def example(text: str, seq_length: int, *, soft: float = 1.0, markup: float = 0.0, before: int = 0) -> Example:
    return make_example([(stored(text), before)], seq_length, label_weights(soft, markup))


def test_weights_come_from_the_stored_case() -> None:
    made = example("TacN.gtRA", 8, soft=0.5)
    assert made["tokens"].tolist() == stored("TACN.GTR").tolist()
    assert made["labels"].tolist() == stored("ACN.GTRA").tolist()
    assert made["loss_mask"].tolist() == [50, 50, 0, 100, 0, 50, 0, 100]  # not the label after EOS
    assert {str(made[key].dtype) for key in ("tokens", "labels", "loss_mask")} == {"uint8"}  # type: ignore[literal-required]


@pytest.mark.parametrize(("letter", "weight"), WEIGHTS.items())
def test_weight_of_a_label(letter: str, weight: float) -> None:
    assert example("A" + letter, 1, soft=0.5)["loss_mask"].tolist() == [weight]


def test_tags_come_before_everything_else() -> None:
    text = "Ac|d__ACgt|ac@gT#A"
    assert example(text, 20, soft=0.1)["loss_mask"].tolist() == [10] + [0] * 9 + [10, 10, 0, 10, 100, 0, 100, 0, 0, 0]
    weighted = example(text, 17, soft=0.1, markup=0.3)
    assert weighted["loss_mask"].tolist() == [10] + [30] * 9 + [10, 10, 30, 10, 100, 30, 100]
    assert weighted["labels"].tobytes() == b"C|D__ACGT|AC@GT#A"


def test_what_precedes_a_run_tells_of_its_tag() -> None:
    made = example("|d__BACACGT|ACGT", 8, before=7)
    assert made["tokens"].tobytes() == b"ACGT|ACG"
    assert made["loss_mask"].tolist() == [0, 0, 0, 0, 100, 100, 100, 100]


def test_padding_and_special_tokens_have_no_weight() -> None:
    weights = label_weights(1.0)
    assert np.flatnonzero(weights[:5]).tolist() == [EOS.id]
    assert np.flatnonzero(weights[5:]).size == 8  # A, C, G, T in both cases
    made = example("AC.", 5)
    assert made["tokens"].tolist() == [*stored("AC").tolist(), PAD.id, PAD.id, PAD.id]
    assert made["labels"].tolist() == [*stored("C.").tolist(), PAD.id, PAD.id, PAD.id]
    assert made["loss_mask"].tolist() == [100, 100, 0, 0, 0]


def test_runs_one_after_the_other() -> None:
    """The other strand of each, and no label from one to the next."""
    runs = [(stored("AAC."), 0), (stored("ccGG"), 2), (stored("T"), 0)]
    made = make_example(runs, 6, label_weights(0.5), other_strand=True, source=3)
    assert made["tokens"].tobytes() == b"GTTC" + bytes([PAD.id] * 2)
    assert made["labels"].tobytes() == b"TT\0C" + bytes([PAD.id] * 2)
    assert made["loss_mask"].tolist() == [100, 100, 100, 100, 0, 0]
    assert made["source"] == 3


def test_a_blank_example() -> None:
    made = make_example([], 4, label_weights())
    assert made["tokens"].tolist() == made["labels"].tolist() == [PAD.id] * 4
    assert not made["loss_mask"].any()


def test_segments() -> None:
    assert segments([3, 4], 10).tolist() == [0, 3, 7, 10]
    assert segments([3, 7], 10).tolist() == [0, 3, 10]
    assert segments([], 10).tolist() == [0, 10]
    assert segments([3, 4], 16, 4).tolist() == [0, 4, 8, 16]
    assert segments([3, 4, 8], 16, 4).tolist() == [0, 4, 8, 16]
    joined = join_segments([segments([3, 4], 10), segments([10], 10), segments([9], 10)])
    assert joined.tolist() == [0, 3, 7, 10, 20, 29, 30]
    assert joined.dtype == np.int32


@pytest.mark.parametrize("weight", [-0.1, 1.5, 0.125, float("nan")])
def test_weights_are_hundredths(weight: float) -> None:
    with refused("loss-weight", where="soft_mask_weight"):
        label_weights(weight)
    with refused("loss-weight", where="markup_weight"):
        label_weights(1.0, weight)


def test_the_coin_is_fair_and_fixed() -> None:
    tosses = [takes_other_strand(5, 0, 0, sample) for sample in range(10_000)]
    assert abs(sum(tosses) - 5_000) < 250
    assert tosses == [takes_other_strand(5, 0, 0, sample) for sample in range(10_000)]
    for seed, source, epoch in ((6, 0, 0), (5, 1, 0), (5, 0, 1)):
        same = sum(a == takes_other_strand(seed, source, epoch, sample) for sample, a in enumerate(tosses))
        assert abs(same - 5_000) < 250
