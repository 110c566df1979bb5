"""OpenGenome2's tags and joins, on text written by hand. `.` is EOS."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.markup import LOOK_BACK, find_tags, reverse_complement_stretches
from tokenizer.sequence import Ids, encode, reverse_complement
from tokenizer.vocabulary import EOS

TAG = "|d__Bacteria;p__Firm;c__Baci;o__Lact;f__;g__;s__|"


def stored(text: str) -> Ids:
    return np.where(encode(text) == ord("."), EOS.id, encode(text)).astype(np.uint8)


def text(ids: Ids) -> str:
    return bytes(np.where(ids == EOS.id, ord("."), ids).astype(np.uint8)).decode()


TAGGED = [
    (TAG + "ACGT", "x" * len(TAG) + "----"),
    ("AC" + TAG + "GT", "--" + "x" * len(TAG) + "--"),
    ("AC" + TAG + "GT" + TAG, "--" + "x" * len(TAG) + "--" + "x" * len(TAG)),
    # begins inside a tag
    ("eria;p__X|ACGT", "xxxxxxxxxx----"),
    ("eria;p__X|ACGT|d__", "xxxxxxxxxx----xxxx"),
    ("ACGT|d__", "----xxxx"),
    ("|d__", "xxxx"),
    ("AC|", "--x"),
    # without a letter that only tags have, a run begins outside; with one, wherever that letter is inside
    ("ACG|ACGT|AC", "---xxxxxx--"),
    ("ACG|ACGT|d_|AC", "xxxx----xxxx--"),
    # a new document is outside, whatever it begins with
    ("eria|AC.E|d_|", "xxxxx---" + "-xxxx"),
    ("AC.GT", ""),
]


@pytest.mark.parametrize(("before", "flags"), TAGGED)
def test_tags(before: str, flags: str) -> None:
    assert "".join("-x"[tagged] for tagged in find_tags(stored(before)).tolist()) == flags


@pytest.mark.parametrize("cut", range(1, len(TAG)))
def test_a_tag_that_began_before(cut: int) -> None:
    """Whatever part of a tag a run begins with, looking back tells that it is one."""
    whole = stored("ACGT" * 200 + TAG + "ACGTTGCA")
    start = 800 + cut
    tagged = find_tags(whole[start - LOOK_BACK :])[LOOK_BACK:]
    assert tagged.tolist() == [True] * (len(TAG) - cut) + [False] * 8


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("AAC.GGT", "GTT.ACC"),
        ("AacN.gR.T", "NgtT.Yc.A"),
        (".A..CG.", ".T..CG."),
        ("..", ".."),
        ("aACCg", "cGGTt"),
        ("AC@GGT#TTA", "GT@ACC#TAA"),
        ("AC" + TAG + "GGT", "GT" + TAG + "ACC"),
        ("eria;p__X|AACG", "eria;p__X|CGTT"),
        ("AAC|d__AC", "GTT|d__AC"),
    ],
)
def test_other_strand(before: str, after: str) -> None:
    run = stored(before)
    assert text(reverse_complement_stretches(run, find_tags(run))) == after
    assert text(run) == before
    again = reverse_complement_stretches(run, find_tags(run))
    assert text(reverse_complement_stretches(again, find_tags(again))) == before


@given(st.text("ACGTacgtNRYn", max_size=300))
def test_other_strand_of_bases_alone(bases: str) -> None:
    run = stored(bases)
    assert text(reverse_complement_stretches(run, find_tags(run))) == text(reverse_complement(run))
