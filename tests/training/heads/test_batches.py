"""The order of labelled sequences, and how they are put together."""

import numpy as np
import pytest

from evaluation.labelled.examples import Example
from tokenizer.sequence import encode
from training.heads.batches import EveryExample, LabelledOrder, collate

LENGTHS = [5 + number * 7 % 40 for number in range(50)]


def _order(**values: object) -> LabelledOrder:
    return LabelledOrder(LENGTHS, **{"batch": 8, "seed": 1, "both_strands": False, **values})  # type: ignore[arg-type]


def test_every_example_comes_once_in_an_epoch_of_whole_pools() -> None:
    order = _order()
    served = [order(index)[0] for index in range(50 * 64)]  # 50 epochs are 25 pools of 128
    assert np.bincount(served).tolist() == [64] * 50
    assert [_order()(index) for index in range(200)] == [order(index) for index in range(200)]
    assert served[:128] != [_order(seed=2)(index)[0] for index in range(128)]


def test_a_global_batch_has_sequences_of_like_length() -> None:
    order = _order()
    batches = np.array([LENGTHS[order(index)[0]] for index in range(8 * 16 * 4)]).reshape(-1, 8)
    assert np.ptp(batches, axis=1).mean() < 6  # of 39 between the shortest and the longest


def test_half_are_turned_and_the_same_ones_every_time() -> None:
    order = _order(both_strands=True)
    turned = [order(index)[1] for index in range(1280)]
    assert 0.45 < np.mean(turned) < 0.55
    assert turned[:128] == [_order(both_strands=True)(index)[1] for index in range(128)]


def _examples(per_base: bool) -> list[Example]:
    sequences = ("ACGTT", "GG")
    return [
        Example(ids=encode(one), target=np.arange(len(one)) if per_base else np.int64(number), where="")
        for number, one in enumerate(sequences)
    ]


def test_the_other_strand_has_its_labels_turned_too() -> None:
    dataset = EveryExample(_examples(per_base=True), batch=8, most=10, both_strands=True)
    assert (dataset.samples, len(dataset)) == (4, 8)
    assert dataset[1]["ids"].tobytes() == b"AACGT"
    assert dataset[1]["target"].tolist() == [4, 3, 2, 1, 0]
    assert [dataset[index]["real"] for index in range(8)] == [1, 1, 1, 1, 0, 0, 0, 0]


@pytest.mark.parametrize("per_base", [False, True])
def test_a_micro_batch_is_padded_on_the_right(per_base: bool) -> None:
    dataset = EveryExample(_examples(per_base), batch=2, most=1, both_strands=False)
    batch = collate([dataset[0], dataset[1]], per_base=per_base)
    assert batch["tokens"].shape == (2, 16)
    assert batch["tokens"][1].tolist() == [71, 71] + [1] * 14
    assert batch["lengths"].tolist() == [5, 2]
    expected = [[0, 1, 2, 3, 4] + [-100] * 11, [0, 1] + [-100] * 14] if per_base else [0, 1]
    assert batch["labels"].tolist() == expected
