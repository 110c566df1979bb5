"""Bytes to ids and back, reverse complement, classes of bases."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenizer.sequence import (
    NUCLEOTIDES,
    decode,
    encode,
    is_soft_masked,
    is_unambiguous,
    not_nucleotides,
    reverse_complement,
    to_upper,
)
from tokenizer.vocabulary import SPECIAL_TOKENS, TOKENS, UNK, VOCAB_SIZE

nucleotides = st.binary().map(lambda data: bytes(NUCLEOTIDES[byte % len(NUCLEOTIDES)] for byte in data))


def test_vocabulary_is_the_bytes_with_five_special_tokens() -> None:
    assert len(TOKENS) == len(set(TOKENS)) == VOCAB_SIZE
    assert [token.id for token in SPECIAL_TOKENS] == [0, 1, 2, 3, 4]
    assert TOKENS[:5] == ("<EOS>", "<PAD>", "<BOS>", "<SEP>", "<UNK>")
    assert all(TOKENS[byte] == chr(byte) for byte in range(5, 256))


def test_ids_are_byte_values() -> None:
    assert encode("ACGTNacgtn").tolist() == [ord(base) for base in "ACGTNacgtn"]
    assert encode(bytes(range(256))).tolist() == [UNK.id] * 5 + list(range(5, 256))


@given(nucleotides)
def test_decode_inverts_encode(sequence: bytes) -> None:
    assert decode(encode(sequence)) == sequence.decode()


def test_decode_shows_or_skips_special_tokens() -> None:
    ids = [0, 65, 1, 2, 3, 4, 84]
    assert decode(ids) == "AT"
    assert decode(ids, skip_special_tokens=False) == "<EOS>A<PAD><BOS><SEP><UNK>T"
    with pytest.raises(ValueError, match="256"):
        decode([65, 256])


def test_reverse_complement_covers_both_cases_and_iupac() -> None:
    assert decode(reverse_complement(encode("ACGTURYSWKMBDHVN"))) == "NBDHVKMWSRYAACGT"
    assert decode(reverse_complement(encode("acgturyswkmbdhvn"))) == "nbdhvkmwsryaacgt"
    assert decode(reverse_complement(encode("AAc-N"))) == "N-gTT"


@given(nucleotides.filter(lambda sequence: not set(sequence) & set(b"Uu")))
def test_reverse_complement_is_its_own_inverse(sequence: bytes) -> None:
    assert decode(reverse_complement(reverse_complement(encode(sequence)))) == sequence.decode()


def test_reverse_complement_works_along_the_last_axis_and_gives_a_writable_array() -> None:
    batch = np.stack([encode("AACG"), encode("TTTC")])
    result = reverse_complement(batch)
    assert [decode(row) for row in result] == ["CGTT", "GAAA"]
    result[0, 0] = ord("A")
    assert batch[0].tolist() == encode("AACG").tolist()


def test_classes_of_bases() -> None:
    ids = encode("AcGtNnR-")
    assert is_unambiguous(ids).tolist() == [True] * 4 + [False] * 4
    assert is_soft_masked(ids).tolist() == [False, True, False, True, False, True, False, False]
    assert decode(to_upper(ids)) == "ACGTNNR-"
    assert not_nucleotides(b"ACGTNryk") == b""
    assert not_nucleotides(b"ACEFE*") == b"*EF"
