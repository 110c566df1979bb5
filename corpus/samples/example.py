"""From runs of stored tokens to one training example. Pure functions; no files, no state."""

import hashlib
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import TypedDict

import numpy as np
import numpy.typing as npt
from numba import njit

from corpus.letters import BAR, JOINS
from corpus.markup import find_tags, reverse_complement_stretches
from foundation.errors import InputError
from tokenizer.sequence import Ids, is_soft_masked, is_unambiguous
from tokenizer.vocabulary import EOS, PAD, VOCAB_SIZE

FULL_WEIGHT = 100
"""Loss weights are whole hundredths of a token. Megatron-Core counts the tokens of a batch, and NeMo those of a
micro-batch, in integers: fractions are cut off there, hundredths are exact."""


class _Tokens(TypedDict):
    tokens: Ids
    labels: Ids
    loss_mask: Ids
    source: int
    index: int


class Example(_Tokens, total=False):
    """One sample as it leaves a data-loading process; the device widens it. Arrays of shape [seq_length].

    `loss_mask`: weight of each label in hundredths. `source`: which corpus of a blend. `index`: of the sample in its
    dataset, -1 where it is of none. `cu_seqlens`, of packed samples: where documents begin, then the end,
    [documents + 1]; padding counts as a document.
    """

    cu_seqlens: npt.NDArray[np.int32]


Run = tuple[Ids, int]
"""Stored tokens with those that precede them in the stream, and how many these are."""


def make_example(
    runs: Iterable[Run],
    seq_length: int,
    weights: Ids,
    *,
    multiple: int = 1,
    other_strand: bool = False,
    source: int = 0,
    index: int = -1,
) -> Example:
    """The example of `runs`, one after the other: of n stored tokens all but the last are inputs, all but the first
    labels. Each run takes a `multiple` of tokens. What is missing from it and from `seq_length` is PAD without weight.

    `weights` is `label_weights(...)`; they come from the stored case and strand, then tokens and labels are
    upper-cased. Tags are found in the stored case too. `other_strand`: see `markup.reverse_complement_stretches`.
    """
    tokens, labels, loss_mask = (np.empty(seq_length, dtype=np.uint8) for _ in range(3))
    place = 0
    for stored, before in runs:
        end = place + _write(stored, before, other_strand, weights, tokens[place:], labels[place:], loss_mask[place:])
        place = end + -end % multiple
        tokens[end:place] = labels[end:place] = PAD.id
        loss_mask[end:place] = 0
    tokens[place:] = labels[place:] = PAD.id
    loss_mask[place:] = 0
    return Example(tokens=tokens, labels=labels, loss_mask=loss_mask, source=source, index=index)


def segments(lengths: Sequence[int], seq_length: int, multiple: int = 1) -> npt.NDArray[np.int32]:
    """`cu_seqlens` of a packed sample of documents of so many inputs: `[3, 4], 10  ->  0 3 7 10`.

    With padding to a `multiple` in each document: `[3, 4], 16, 4  ->  0 4 8 16`.
    """
    ends = list(accumulate((length + -length % multiple for length in lengths), initial=0))
    return np.array(ends if ends[-1] == seq_length else [*ends, seq_length], dtype=np.int32)


def join_segments(samples: Sequence[npt.NDArray[np.int32]]) -> npt.NDArray[np.int32]:
    """`cu_seqlens` of samples laid end to end: `0 3 10, 0 10  ->  0 3 10 20`."""
    firsts = np.cumsum([0, *(sample[-1] for sample in samples[:-1])], dtype=np.int32)
    ends = [sample[1:] + first for sample, first in zip(samples, firsts, strict=True)]
    return np.concatenate([np.zeros(1, dtype=np.int32), *ends])


@lru_cache
def label_weights(soft_mask_weight: float = 1.0, markup_weight: float = 0.0) -> Ids:
    """Loss weight of each stored token as a label, in hundredths, shape [256].

    A, C, G, T and EOS 1; a, c, g, t `soft_mask_weight`; `|`, `@`, `#` `markup_weight`, which is that of the whole of a
    tag; everything else, N and the IUPAC codes in particular, 0. The label after an EOS never has weight.
    Errors: `InputError` for a weight that is not a whole number of hundredths in [0, 1].
    """
    soft, markup = _hundredths("soft_mask_weight", soft_mask_weight), _hundredths("markup_weight", markup_weight)
    ids = np.arange(VOCAB_SIZE, dtype=np.uint8)
    weights = np.where(is_soft_masked(ids), soft, FULL_WEIGHT) * is_unambiguous(ids)
    weights[[BAR, *JOINS]] = markup
    weights[EOS.id] = FULL_WEIGHT
    return weights.astype(np.uint8)


def _hundredths(name: str, weight: float) -> int:
    if not 0 <= weight <= 1 or abs(weight * FULL_WEIGHT - round(weight * FULL_WEIGHT)) > 1e-6:
        raise InputError(
            f"is {weight}", where=name, fix="Give a loss weight in [0, 1] of at most two decimals.", kind="loss-weight"
        )
    return round(weight * FULL_WEIGHT)


def takes_other_strand(seed: int, source: int, epoch: int, sample: int) -> bool:
    """A fair coin, the same for the same sample whatever the number of ranks, before and after a resume."""
    digest = hashlib.blake2b(f"{seed},{source},{epoch},{sample}".encode(), digest_size=1, person=b"strand")
    return bool(digest.digest()[0] & 1)


_EOS, _a, _z, _CASE = (np.uint8(byte) for byte in (EOS.id, ord("a"), ord("z"), 32))


@njit(cache=True, nogil=True)
def _write(stored, before, other_strand, weights, tokens, labels, loss_mask):  # type: ignore[no-untyped-def]
    """Write one run, without the `before` tokens that precede it, to the front of three arrays; returns its inputs."""
    tagged = find_tags(stored)[before:]
    run = stored[before:]
    if other_strand:
        run = reverse_complement_stretches(run, tagged)
    count = max(len(run) - 1, 0)
    for place in range(count):
        byte = run[place]
        tokens[place] = byte - _CASE * ((byte >= _a) & (byte <= _z))
    for place in range(count):
        byte = run[place + 1]
        labels[place] = byte - _CASE * ((byte >= _a) & (byte <= _z))
    for place in range(count):
        loss_mask[place] = weights[run[place + 1]]
    if len(tagged) > 0:
        for place in range(count):
            if tagged[place + 1]:
                loss_mask[place] = weights[BAR]
    for place in range(count):
        loss_mask[place] *= run[place] != _EOS
    return count
