"""The hash of a sequence: from its bases and the seed alone, here and anywhere."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.splits import strand_hash
from corpus.splits.strand_hash import strand_hashes
from tokenizer.sequence import reverse_complement

dna = st.binary(min_size=1, max_size=700).map(lambda x: x.translate(b"ACGTacgtNRYKMSWBDHVU" * 12 + b"A" * 16))


def other(sequence: bytes) -> bytes:
    return reverse_complement(np.frombuffer(sequence, dtype=np.uint8)).tobytes()


def hashes(*sequences: bytes, seed: int = 0) -> list[int]:
    tokens = np.frombuffer(b"".join(sequence + b"\0" for sequence in sequences), dtype=np.uint8)
    bounds = np.cumsum([0, *(len(sequence) + 1 for sequence in sequences)])
    result: list[int] = strand_hashes(tokens, bounds, seed=seed).tolist()
    return result


@given(sequence=dna, seed=st.integers(0, 2**64 - 1))
def test_strand_and_case_play_no_part(sequence: bytes, seed: int) -> None:
    variants = (sequence, other(sequence), sequence.swapcase(), sequence.upper().replace(b"U", b"T"))
    assert len(set(hashes(*variants, seed=seed))) == 1


@given(sequences=st.lists(dna, min_size=1, max_size=5), block=st.integers(1, 900))
def test_block_size_and_company_play_no_part(sequences: list[bytes], block: int) -> None:
    expected = [hashes(sequence)[0] for sequence in sequences]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strand_hash, "BLOCK", block)
        assert hashes(*sequences) == expected
        assert hashes(*(other(sequence) for sequence in sequences)) == expected


def test_one_base_makes_another_hash() -> None:
    sequence = b"ACGTTGCA" * 40
    changed = [sequence[:place] + b"C" * (sequence[place] != 67) + sequence[place + 1 :] for place in range(320)]
    assert len(set(hashes(*changed))) > 240


def test_is_the_same_in_another_process() -> None:
    code = (
        "import numpy as np; from corpus.splits.strand_hash import strand_hashes as h;"
        "print(h(np.frombuffer(b'ACGTTGCA\\0', np.uint8), np.array([0, 9]), seed=5)[0])"
    )
    output = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True, text=True
        ).stdout
        for seed in ("1", "2")
    }
    assert output == {f"{hashes(b'ACGTTGCA', seed=5)[0]}\n"}


def test_golden_hash() -> None:
    """A corpus prepared later must split as one prepared today."""
    assert hashes(b"GATTACA") == [GOLDEN]


GOLDEN = 14672329535851825853
