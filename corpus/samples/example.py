"""From a run of stored tokens to one training example. Pure functions; no files, no state."""

import hashlib
from functools import lru_cache
from typing import TypedDict

import numpy as np
import numpy.typing as npt

from tokenizer.sequence import Ids, is_soft_masked, is_unambiguous, reverse_complement, to_upper
from tokenizer.vocabulary import EOS, PAD, VOCAB_SIZE


class Example(TypedDict):
    """What NeMo's forward step takes, each of shape [seq_length]; no attention mask: attention is causal."""

    tokens: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]
    loss_mask: npt.NDArray[np.float32]
    position_ids: npt.NDArray[np.int64]


def make_example(stored: Ids, seq_length: int, *, soft_mask_weight: float = 1.0) -> Example:
    """Tokens and labels of `stored`, whose length is at most seq_length + 1; what is missing is PAD without weight.

    The weights come from the stored case; then tokens and labels are upper-cased.
    """
    assert len(stored) <= seq_length + 1
    count = max(len(stored) - 1, 0)
    tokens = np.full(seq_length, PAD.id, dtype=np.int64)
    labels = np.full(seq_length, PAD.id, dtype=np.int64)
    loss_mask = np.zeros(seq_length, dtype=np.float32)
    upper = to_upper(stored)
    tokens[: len(stored)] = upper[:seq_length]
    labels[:count] = upper[1:]
    loss_mask[:count] = label_weights(soft_mask_weight)[stored[1:]]
    return Example(
        tokens=tokens, labels=labels, loss_mask=loss_mask, position_ids=np.arange(seq_length, dtype=np.int64)
    )


@lru_cache
def label_weights(soft_mask_weight: float) -> npt.NDArray[np.float32]:
    """Loss weight of each stored token as a label, shape [256].

    A, C, G, T and EOS 1; a, c, g, t `soft_mask_weight`; everything else, N and the IUPAC codes in particular, 0.
    """
    ids = np.arange(VOCAB_SIZE, dtype=np.uint8)
    weights = np.where(is_soft_masked(ids), soft_mask_weight, 1.0) * is_unambiguous(ids)
    weights[EOS.id] = 1.0
    return weights.astype(np.float32)


def other_strand(stored: Ids) -> Ids:
    """Each document's part of `stored` reverse-complemented in its place; EOS stays where it is.

    `A A C EOS G G T  ->  G T T EOS A C C`. Case is kept, and with it every base's loss weight.
    """
    result = stored.copy()
    start = 0
    for end in [*np.flatnonzero(stored == EOS.id).tolist(), len(stored)]:
        result[start:end] = reverse_complement(stored[start:end])
        start = end + 1
    return result


def takes_other_strand(seed: int, epoch: int, sample: int) -> bool:
    """A fair coin, the same for the same sample whatever the number of ranks, before and after a resume."""
    digest = hashlib.blake2b(f"{seed},{epoch},{sample}".encode(), digest_size=1, person=b"strand")
    return bool(digest.digest()[0] & 1)
