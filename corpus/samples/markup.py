"""OpenGenome2's markup in a run of tokens: which of them are tags, and the other strand without touching these.

A tag is `|d__Bacteria;p__...|`, letters that are no bases between two bars; `@` joins stitched pieces and `#` contigs.
A run may begin inside a tag. What lies between two bars is told by its content: a byte that no sequence has, such as
`_` or `;`, shows that its place is inside, and every bar changes sides. Kernels, compiled at first use and kept.
"""

import numpy as np
from numba import njit

from tokenizer.sequence import NUCLEOTIDES, reverse_complement
from tokenizer.vocabulary import EOS, SPECIAL_TOKENS, VOCAB_SIZE

TAG = ord("|")
JOINS = b"@#"

LOOK_BACK = 512
"""Tokens before a run that are read to tell whether it begins inside a tag. OpenGenome2's tags are below 300 letters.

Of a tag that began earlier than that, what the run holds up to the closing bar is still known by its own content,
unless that is made of the letters of nucleotides alone.
"""

_TAG, _EOS = np.uint8(TAG), np.uint8(EOS.id)
_IN_TAGS_ALONE = np.ones(VOCAB_SIZE, dtype=np.bool_)
_IN_TAGS_ALONE[[*NUCLEOTIDES, *JOINS, TAG, *b"-.*", *(token.id for token in SPECIAL_TOKENS)]] = False
_ENDS_A_STRETCH = np.zeros(VOCAB_SIZE, dtype=np.bool_)
_ENDS_A_STRETCH[[EOS.id, *JOINS]] = True
_COMPLEMENT = reverse_complement(np.arange(VOCAB_SIZE, dtype=np.uint8))[::-1].copy()


@njit(cache=True, nogil=True)
def find_tags(stored):  # type: ignore[no-untyped-def]
    """Where `stored` (uint8) is a tag, bars included: flags of its length, or an empty array where there is no bar."""
    bars = 0
    for byte in stored:
        bars += byte == _TAG
    tagged = np.zeros(len(stored) if bars else 0, dtype=np.bool_)
    start = 0
    while bars and start < len(stored):
        end = start
        while end < len(stored) and stored[end] != _EOS:
            end += 1
        _mark_tags(stored[start:end], tagged[start:end], start == 0)
        start = end + 1
    return tagged


@njit(cache=True, nogil=True)
def _mark_tags(document, tagged, may_begin_inside):  # type: ignore[no-untyped-def]
    inside = False
    if may_begin_inside:
        crossed = False
        for byte in document:
            if byte == _TAG:
                crossed = not crossed
            elif _IN_TAGS_ALONE[byte]:
                inside = not crossed
                break
    for place in range(len(document)):
        bar = document[place] == _TAG
        tagged[place] = inside or bar
        inside ^= bar


@njit(cache=True, nogil=True)
def turn(run, tagged):  # type: ignore[no-untyped-def]
    """A copy of `run` with every stretch of bases reverse-complemented in its place; case kept.

    `A A C EOS G G T  ->  G T T EOS A C C`. EOS, `@`, `#` and tags end a stretch and stay as and where they are.
    """
    turned = run.copy()
    start = 0
    while start < len(run):
        end = start + _stretch(run[start:], tagged[start:])
        forward, backward = run[start:end], turned[start:end]
        last = len(forward) - 1
        for place in range(len(forward)):
            backward[last - place] = _COMPLEMENT[forward[place]]
        start = end + 1
    return turned


@njit(cache=True, nogil=True)
def _stretch(run, tagged):  # type: ignore[no-untyped-def]
    """Length of the stretch of bases that `run` begins with."""
    end = 0
    while end < len(run) and not _ENDS_A_STRETCH[run[end]]:
        end += 1
    for place in range(min(end, len(tagged))):
        if tagged[place]:
            return place
    return end
