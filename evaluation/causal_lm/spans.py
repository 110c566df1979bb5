"""The bases of each token of another tokenizer: single bases, k-mers, or pieces of a BPE.

::

    bases      A C G T A C G A
    6-mers    [  ACGTAC  ] G A        tokens 3, starts 0 6 7 8
    BPE       [ACG] [TA] [CGA]        tokens 3, starts 0 3 5 8
"""

from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from foundation.errors import InputError
from tokenizer.sequence import Ids

if TYPE_CHECKING:
    from transformers import BatchEncoding, PreTrainedTokenizerBase

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """`ids`, [prefix + tokens], of which the first `prefix` stand for no base; token i for [starts[i], starts[i + 1]).

    `known`: whether a token is of the vocabulary, [tokens]; what is not has no likelihood of its own.
    """

    ids: Integers
    prefix: int
    starts: Integers
    known: npt.NDArray[np.bool_]


def byte_tokens(sequence: Ids) -> Tokens:
    """The vocabulary of Evo and its like, without a tokenizer: an id is the byte of its letter."""
    return Tokens(
        ids=sequence.astype(np.int64),
        prefix=0,
        starts=np.arange(len(sequence) + 1),
        known=np.ones(len(sequence), dtype=bool),
    )


def tokenize(tokenizer: "PreTrainedTokenizerBase", sequence: Ids, where: Path) -> Tokens:
    """The tokens of upper-case `sequence`, with what the tokenizer puts before it, without what it puts behind it.

    Errors: `InputError`, at `where`, for a tokenizer that drops or changes letters.
    """
    text = sequence.tobytes().decode("ascii")
    found = tokenizer(
        text,
        return_offsets_mapping=tokenizer.is_fast,
        return_special_tokens_mask=True,
        return_attention_mask=False,
        truncation=False,
        verbose=False,
    )
    ids = np.asarray(found["input_ids"], dtype=np.int64)
    added = _added(tokenizer, found, ids)
    prefix = int(np.argmin(added)) if not added.all() else len(added)
    end = len(ids) - int(np.argmin(added[::-1])) if not added.all() else len(added)
    inside = ids[prefix:end]
    if tokenizer.is_fast:
        starts = _by_offsets([tuple(one) for one in found["offset_mapping"][prefix:end]], len(text), where)
    else:
        starts = _by_names(tokenizer.convert_ids_to_tokens(inside.tolist()), text, where)
    return Tokens(ids=ids[:end], prefix=prefix, starts=starts, known=inside != tokenizer.unk_token_id)


def _added(tokenizer: "PreTrainedTokenizerBase", found: "BatchEncoding", ids: Integers) -> npt.NDArray[np.bool_]:
    """Which ids are not of the sequence: those without a letter; by their names, where nothing else tells."""
    if tokenizer.is_fast:
        return np.asarray([start == end for start, end in found["offset_mapping"]], dtype=bool)
    unknown = -1 if tokenizer.unk_token_id is None else tokenizer.unk_token_id
    added: npt.NDArray[np.bool_] = np.asarray(found["special_tokens_mask"], dtype=bool) & (ids != unknown)
    return added


def _by_offsets(offsets: list[tuple[int, ...]], length: int, where: Path) -> Integers:
    ends = [0, *(end for _, end in offsets)]
    if ends[-1] != length or any(start != before for (start, _), before in zip(offsets, ends, strict=False)):
        raise _lossy(where)
    return np.asarray(ends, dtype=np.int64)


def _by_names(names: list[str], text: str, where: Path) -> Integers:
    """For a tokenizer in Python, which has no offsets: its tokens are identified by their letters."""
    if "".join(names) != text:
        raise _lossy(where)
    return np.asarray([0, *accumulate(map(len, names))], dtype=np.int64)


def _lossy(where: Path) -> InputError:
    return InputError(
        "has a tokenizer that drops or changes letters of DNA",
        where=where,
        fix="Give a model whose tokens are pieces of the sequence: bases, k-mers or BPE.",
        kind="tokenizer-loses-letters",
    )


def spread(logs: npt.NDArray[np.float32], tokens: Tokens, sequence: Ids) -> npt.NDArray[np.float32]:
    """ln P of each token, [tokens], as ln P of each base, [bases]: a token's is shared evenly by its bases.

    Sums over whole tokens stay what they are. NaN for tokens of other letters than A, C, G and T, and unknown ones.
    """
    lengths = np.diff(tokens.starts)
    plain = np.isin(sequence, np.frombuffer(b"ACGT", dtype=np.uint8))
    counts = np.add.reduceat(plain, tokens.starts[:-1]) if len(lengths) else np.zeros(0, dtype=np.int64)
    scored = tokens.known & (counts == lengths)
    per_token = np.where(scored, logs / np.maximum(lengths, 1), np.float32(np.nan))
    return np.repeat(per_token, lengths).astype(np.float32)
