"""Sequences as arrays: bytes to ids and back, reverse complement, classes of bases. Table look-ups, no loops."""

import numpy as np
import numpy.typing as npt

from tokenizer.vocabulary import SPECIAL_TOKENS, UNK, VOCAB_SIZE

Ids = npt.NDArray[np.uint8]

_COMPLEMENT_PAIRS = ("AT", "CG", "RY", "KM", "BV", "DH")  # S, W and N are their own complement
_FIRST_BASES = dict(zip("RYSWKMBDHV", "ACCAGACAAA", strict=True))

NUCLEOTIDES = b"ACGTUNRYSWKMBDHVacgtunryswkmbdhv"
"""The IUPAC nucleotide codes, both cases."""


def encode(sequence: str | bytes) -> Ids:
    """Ids of `sequence`, shape [len(sequence)]. Bytes 0 to 4, which are not text, become UNK.

    Errors: `UnicodeEncodeError` for characters above U+00FF.
    """
    data = sequence.encode("latin-1") if isinstance(sequence, str) else sequence
    return np.frombuffer(bytearray(data).translate(_IDS), np.uint8)


def decode(ids: npt.ArrayLike, *, skip_special_tokens: bool = True) -> str:
    """Text of `ids`. Special tokens are left out, or written as their content where asked."""
    array = np.asarray(ids, dtype=np.int64)
    if array.size and (array.min() < 0 or array.max() >= VOCAB_SIZE):
        raise ValueError(f"ids outside [0, {VOCAB_SIZE}): {array[(array < 0) | (array >= VOCAB_SIZE)][:5].tolist()}")
    first_byte = len(SPECIAL_TOKENS)
    if skip_special_tokens:
        return array[array >= first_byte].astype(np.uint8).tobytes().decode("latin-1")
    text = array.astype(np.uint8).tobytes().decode("latin-1")
    return text.translate({token.id: token.content for token in SPECIAL_TOKENS})


def reverse_complement(ids: Ids) -> Ids:
    """Reverse complement along the last axis; IUPAC codes, case kept, U to A; other ids do not change."""
    backwards = bytearray(ids.tobytes()[::-1]).translate(_COMPLEMENT)  # every axis is backwards, not the last alone
    return np.flip(np.frombuffer(backwards, np.uint8).reshape(ids.shape), axis=tuple(range(ids.ndim - 1)))


def is_unambiguous(ids: Ids) -> npt.NDArray[np.bool_]:
    """True where the base is A, C, G or T, in either case."""
    return _look_up(_UNAMBIGUOUS, ids).view(np.bool_)


def is_soft_masked(ids: Ids) -> npt.NDArray[np.bool_]:
    """True where the base is lower case: a repeat, by RepeatMasker's convention."""
    return _look_up(_LOWER, ids).view(np.bool_)


def to_upper(ids: Ids) -> Ids:
    """Lower-case letters upper-cased; everything else unchanged."""
    return _look_up(_UPPER, ids)


def to_dna(ids: Ids) -> Ids:
    """U of RNA as T, case kept; everything else unchanged."""
    return _look_up(_DNA, ids)


def first_bases(ids: Ids) -> Ids:
    """IUPAC codes as the alphabetically first base that each denotes (R as A), N unchanged: VCF 4.3 on REF."""
    return _look_up(_FIRST, ids)


def not_nucleotides(sequence: bytes) -> bytes:
    """The distinct bytes of `sequence` that are not IUPAC nucleotide codes, sorted; empty when all is well."""
    return bytes(sorted(set(sequence.translate(None, NUCLEOTIDES))))


def foreign_letters(sequence: str | bytes, most: int = 10) -> str:
    """The first `most` distinct characters of `sequence` that are not IUPAC nucleotide codes, in order.

    Bytes are read as UTF-8, and those that are not UTF-8 as surrogates.
    """
    text = sequence if isinstance(sequence, str) else sequence.decode("utf-8", "surrogateescape")
    return "".join(list(dict.fromkeys(text.translate(dict.fromkeys(NUCLEOTIDES))))[:most])


def first_letter(data: bytes) -> str:
    """The character of UTF-8 that `data` begins with, quoted; its first byte where that is none, or not printable."""
    for size in range(1, 5):
        letter = data[:size].decode("utf-8", "replace")
        if len(letter) == 1 and letter.isprintable() and letter not in " \ufffd":
            return repr(letter)
    return f"byte 0x{data[0]:02x}" if data else "nothing"


def _look_up(table: bytes, ids: Ids) -> Ids:
    """`table[id]` of each id; `bytes.translate` is several times as fast as indexing an array with one."""
    return np.frombuffer(bytearray(ids.tobytes()).translate(table), np.uint8).reshape(ids.shape)


def _table(mapping: dict[int, int]) -> bytes:
    return bytes(mapping.get(byte, byte) for byte in range(VOCAB_SIZE))


def _flags(members: bytes) -> bytes:
    return bytes(byte in members for byte in range(VOCAB_SIZE))


def _complements() -> dict[int, int]:
    pairs = [*_COMPLEMENT_PAIRS, *(pair[::-1] for pair in _COMPLEMENT_PAIRS), "UA"]
    upper = {ord(pair[0]): ord(pair[1]) for pair in pairs}
    return upper | {base + 32: complement + 32 for base, complement in upper.items()}


_LOWER_CASE = bytes(range(ord("a"), ord("z") + 1))
_IDS = _table({token.id: UNK.id for token in SPECIAL_TOKENS})
_COMPLEMENT = _table(_complements())
_UNAMBIGUOUS = _flags(b"ACGTacgt")
_LOWER = _flags(_LOWER_CASE)
_UPPER = _table({byte: byte - 32 for byte in _LOWER_CASE})
_FIRST = _table({ord(code) + case: ord(base) + case for code, base in _FIRST_BASES.items() for case in (0, 32)})
_DNA = _table({ord("U"): ord("T"), ord("u"): ord("t")})
