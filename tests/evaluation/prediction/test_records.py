"""Regions as records to predict."""

import pytest
from refusal import refused

from evaluation.labelled.examples import Cut
from evaluation.likelihood.regions import Region
from evaluation.prediction.records import region_record
from tokenizer.sequence import encode

pytestmark = pytest.mark.fast


def test_a_tag_is_no_part_of_what_is_predicted() -> None:
    cut = Cut(longest=20, side="refuse")
    region = Region(name="a", contig="a", ids=encode(b"ACGT"))
    assert region_record(region, cut).length == 4
    tagged = Region(name="a", contig="a", ids=encode(b"ACGT"), tag=encode(b"|d__Bacteria|"))
    with refused("tag-not-read", where="'a'", fix="tag"):
        region_record(tagged, cut)
