"""OpenGenome2's markup: its bytes, the check of a text that has it, tags in a run of tokens, and the other strand.

A tag is `|d__Bacteria;p__...|`, letters between two bars that are not bases; `@` joins stitched pieces and `#` contigs.
A run may begin inside a tag. What lies between two bars is known by its content: a byte that no sequence has, such as
`_` or `;`, shows that its place is inside, and every bar changes sides. Kernels, compiled at first use and kept.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from corpus.letters import BAR, JOINS
from corpus.scan.batch import Batch
from foundation.errors import InputError
from tokenizer.sequence import NUCLEOTIDES, Ids, first_letter, reverse_complement, to_dna
from tokenizer.vocabulary import EOS, SPECIAL_TOKENS, VOCAB_SIZE

LONGEST_TAG = 2048
"""Bytes between two bars; a bar without its other would make a tag of the sequence."""

_FINE, _LETTER, _TAG, _UNCLOSED, _BARE = 0, 1, 2, 3, 4
_ALLOWED = np.zeros(256, dtype=np.bool_)
_ALLOWED[list(NUCLEOTIDES + JOINS)] = True

LOOK_BACK = 512
"""Tokens before a run that are read to tell whether it begins inside a tag. OpenGenome2's tags are below 300 letters.

Of a tag that began earlier than that, what the run holds up to the closing bar is still known by its own content,
unless that is made of the letters of nucleotides alone.
"""

_BAR, _EOS = np.uint8(BAR), np.uint8(EOS.id)
_IN_BARS_ALONE = np.ones(VOCAB_SIZE, dtype=np.bool_)
_IN_BARS_ALONE[[*NUCLEOTIDES, *JOINS, BAR, *b"-.*", *(token.id for token in SPECIAL_TOKENS)]] = False
_ENDS_A_STRETCH = np.zeros(VOCAB_SIZE, dtype=np.bool_)
_ENDS_A_STRETCH[[EOS.id, *JOINS]] = True
_COMPLEMENT = reverse_complement(np.arange(VOCAB_SIZE, dtype=np.uint8))[::-1].copy()


def check_markup(batch: Batch, where: object) -> None:
    """That all outside of the tags is nucleotide letters and joins, and that tags are closed and printable.

    Errors: `InputError` with `where`, the record and the place.
    """
    status, record, place = _check(batch.tokens, batch.bounds, _ALLOWED)
    if status == _FINE:
        return
    start = batch.bounds[record] + place
    where = f"{where}, record {batch.first + record} {batch.names[record]!r}"
    raise _error(status, batch.tokens[start : start + 4], place, where, fix="Remove the record, or repair the file.")


def split_tag(text: Ids, where: object, *, fix: str) -> tuple[Ids, Ids]:
    """The tags that `text` begins with, bars included, and the rest, where nothing may be left.

    Errors: `InputError` with `where`, as `check_markup`.
    """
    bounds = np.array([0, len(text) + 1], dtype=np.int64)
    status, _, place = _check(np.append(text, _EOS), bounds, _ALLOWED)
    if status not in (_FINE, _BARE):
        raise _error(status, text[place : place + 4], place, where, fix=fix)
    end = 0
    while end < len(text) and text[end] == BAR:
        end += 2 + int(np.argmax(text[end + 1 :] == BAR))
    return text[:end], text[end:]


def to_dna_outside_tags(tokens: Ids) -> Ids:
    """`tokens`, of documents that end with EOS or of one, with T for U of RNA; tags stay as they are."""
    tagged = find_tags(tokens)
    return np.where(tagged, tokens, to_dna(tokens)) if len(tagged) else to_dna(tokens)


def other_strand(text: Ids) -> Ids:
    """`text`, one document, as read on the other strand: see `reverse_complement_stretches`."""
    return reverse_complement_stretches(text, find_tags(text)) if _has_markup(text) else reverse_complement(text)


def to_this_strand(text: Ids, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The `values` of the letters of `other_strand(text)`, along the first axis, in the order of `text`."""
    if not _has_markup(text):
        return values[::-1]
    found = values.copy()
    edges = np.flatnonzero(np.diff(np.concatenate([[True], is_markup(text), [True]]).astype(np.int8)))
    for start, end in edges.reshape(-1, 2):
        found[start:end] = values[start:end][::-1]
    return found


def is_markup(text: Ids) -> npt.NDArray[np.bool_]:
    """Where `text`, one document, is a tag or a join."""
    if not _has_markup(text):
        return np.zeros(len(text), dtype=np.bool_)
    tagged = find_tags(text)
    joins: npt.NDArray[np.bool_] = np.isin(text, list(JOINS))
    return tagged | joins if len(tagged) else joins


def _has_markup(text: Ids) -> bool:
    return any(bool((text == byte).any()) for byte in (BAR, *JOINS))


def _error(status: int, letters: Ids, place: int, where: object, *, fix: str) -> InputError:
    shown = first_letter(letters.tobytes())
    kind, problem = {
        _LETTER: (
            "not-nucleotides",
            f"{shown} at place {place + 1} is not an IUPAC nucleotide letter and is in no tag",
        ),
        _TAG: ("tag-not-printable", f"{shown} at place {place + 1} is in a tag and is not printable ASCII"),
        _UNCLOSED: (
            "tag-not-closed",
            f"the tag that opens at place {place + 1} does not close within {LONGEST_TAG:,} characters",
        ),
        _BARE: ("no-sequence", "has tags and no bases"),
    }[status]
    return InputError(problem, where=where, fix=fix, kind=kind)


@njit(cache=True, nogil=True)
def _check(tokens: Ids, bounds: npt.NDArray[np.int64], allowed: npt.NDArray[np.bool_]) -> tuple[int, int, int]:
    """Status, record and place of the first error."""
    for record in range(len(bounds) - 1):
        start, stop = bounds[record], bounds[record + 1] - 1
        tag, bases = -1, 0
        for index in range(start, stop):
            byte = tokens[index]
            if byte == BAR:
                tag = -1 if tag >= 0 else index
            elif tag < 0:
                if not allowed[byte]:
                    return _LETTER, record, index - start
                bases += 1
            elif index - tag > LONGEST_TAG:
                return _UNCLOSED, record, tag - start
            elif byte < 32 or byte > 126:
                return _TAG, record, index - start
        if tag >= 0:
            return _UNCLOSED, record, tag - start
        if bases == 0:
            return _BARE, record, 0
    return _FINE, 0, 0


@njit(cache=True, nogil=True)
def find_tags(stored):  # type: ignore[no-untyped-def]
    """Where `stored` (uint8) is a tag, bars included: flags of its length, or an empty array where there is no bar."""
    bars = 0
    for byte in stored:
        bars += byte == _BAR
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
            if byte == _BAR:
                crossed = not crossed
            elif _IN_BARS_ALONE[byte]:
                inside = not crossed
                break
    for place in range(len(document)):
        bar = document[place] == _BAR
        tagged[place] = inside or bar
        inside ^= bar


@njit(cache=True, nogil=True)
def reverse_complement_stretches(run, tagged):  # type: ignore[no-untyped-def]
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
