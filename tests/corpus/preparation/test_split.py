"""The split of a sequence: from its bases and the seed alone."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conduct.errors import InputError
from corpus.preparation import split
from corpus.preparation.split import SplitRule, strand_hash
from tokenizer.sequence import reverse_complement

dna = st.binary(min_size=1, max_size=700).map(lambda x: x.translate(b"ACGTacgtNRYKMSWBDHVU" * 12 + b"A" * 16))


def other(sequence: bytes) -> bytes:
    return reverse_complement(np.frombuffer(sequence, dtype=np.uint8)).tobytes()


@given(sequence=dna, seed=st.integers(-(2**40), 2**40))
def test_strand_and_case_play_no_part(sequence: bytes, seed: int) -> None:
    expected = strand_hash(sequence, seed)
    assert strand_hash(other(sequence), seed) == expected
    assert strand_hash(sequence.swapcase(), seed) == expected
    assert strand_hash(sequence.upper().replace(b"U", b"T"), seed) == expected


@given(sequence=dna, block=st.integers(1, 50))
def test_block_size_plays_no_part(sequence: bytes, block: int) -> None:
    expected = strand_hash(sequence, 3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(split, "BLOCK", block)
        assert strand_hash(sequence, 3) == strand_hash(other(sequence), 3) == expected


def test_palindrome_longer_than_a_block() -> None:
    half = b"ACGGT" * 60_000
    assert strand_hash(half + other(half), 0) == strand_hash(memoryview(half + other(half)), 0)


def test_is_the_same_in_another_process() -> None:
    code = "from corpus.preparation.split import strand_hash; print(strand_hash(b'ACGTTGCA' * 9, 5))"
    output = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True, text=True
        ).stdout
        for seed in ("1", "2")
    }
    assert output == {f"{strand_hash(b'ACGTTGCA' * 9, 5)}\n"}


def test_golden_hash() -> None:
    """A corpus prepared later must split as one prepared today."""
    assert strand_hash(b"GATTACA", 0) == GOLDEN


GOLDEN = 4271100401081095327


def test_shares_are_kept_and_nest() -> None:
    random = np.random.default_rng(0)
    sequences = [random.choice(list(b"ACGT"), size=30).astype(np.uint8).tobytes() for _ in range(4000)]
    narrow = SplitRule(validation_fraction=0.1, test_fraction=0.1, seed=1)
    wide = SplitRule(validation_fraction=0.2, test_fraction=0.1, seed=1)
    first, second = [[rule.assign(sequence) for sequence in sequences] for rule in (narrow, wide)]
    for name, share in (("train", 0.8), ("validation", 0.1), ("test", 0.1)):
        assert abs(sum(split == name for split in first) / 4000 - share) < 0.025
    assert all(b == "validation" for a, b in zip(first, second, strict=True) if a == "validation")
    assert [a == "test" for a in first] == [b == "test" for b in second]
    assert [SplitRule(validation_fraction=0.1, test_fraction=0.1, seed=2).assign(s) for s in sequences] != first


@pytest.mark.parametrize(("validation", "test"), [(-0.1, 0.0), (1.0, 0.0), (0.0, 1.5), (0.5, 0.5)])
def test_impossible_fractions(validation: float, test: float) -> None:
    with pytest.raises(InputError, match="fraction"):
        SplitRule(validation_fraction=validation, test_fraction=test, seed=0)
