"""Which tokens a context-parallel rank has: as Megatron-Core deals out one sequence, and document by document."""

import pytest
import torch

from training.context_parallel import zigzag_places
from training.data.order import document_multiple


def test_one_sequence_is_dealt_out_in_pairs_of_chunks() -> None:
    """The first rank has the first and the last of 2 x ranks chunks (`get_batch_on_this_cp_rank`)."""
    assert zigzag_places(torch.tensor([0, 8]), 2).tolist() == [[0, 1, 6, 7], [2, 3, 4, 5]]
    places = zigzag_places(torch.tensor([0, 24]), 4)
    assert places[1].tolist() == [3, 4, 5, 18, 19, 20]


@pytest.mark.parametrize("ranks", [2, 4])
def test_each_document_is_dealt_out_for_itself(ranks: int) -> None:
    multiple = document_multiple(ranks)
    ends = torch.tensor([0, 1, 4, 4, 6]) * multiple
    places = zigzag_places(ends, ranks)
    assert places.shape == (ranks, 6 * multiple // ranks)
    assert sorted(places.flatten().tolist()) == list(range(6 * multiple))
    for start, end in ((0, multiple), (multiple, 4 * multiple), (4 * multiple, 6 * multiple)):
        alone = zigzag_places(torch.tensor([0, end - start]), ranks) + start
        inside = places[(places >= start) & (places < end)].view(ranks, -1)
        assert torch.equal(inside, alone)


def test_the_multiple() -> None:
    assert [document_multiple(ranks) for ranks in (1, 2, 8)] == [1, 4, 16]
