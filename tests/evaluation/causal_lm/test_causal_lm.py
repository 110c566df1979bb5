"""Log-likelihoods under models with other tokenizers, against sums by hand in fp64."""

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from refusal import refused

from evaluation.causal_lm.model import CausalLM, is_other, load_causal_lm
from evaluation.causal_lm.spans import Tokens, spread
from tokenizer.sequence import encode

VOCABULARIES = ("6-mers", "bpe", "bytes")
SHORT = "ACGTTGCAAGGCTGACG"


@pytest.fixture(scope="module")
def loaded(others: dict[str, Path]) -> dict[str, CausalLM]:
    return {name: load_causal_lm(path) for name, path in others.items()}


def by_hand(lm: CausalLM, ids: list[int]) -> list[float]:
    """ln P of each token but the first, given all before it, in fp64 and one at a time."""
    import torch

    double = copy.deepcopy(lm.model).double()
    found = []
    for end in range(1, len(ids)):
        with torch.inference_mode():
            logits = double(input_ids=torch.tensor([ids[:end]]), use_cache=False).logits[0, -1]
        found.append(float(torch.log_softmax(logits, dim=-1)[ids[end]]))
    return found


def pieces(lm: CausalLM, text: str) -> list[str]:
    """The tokens of a sequence by another door of transformers than the code under test takes."""
    return list(text) if lm.tokenizer is None else lm.tokenizer.tokenize(text)


@pytest.mark.parametrize("name", VOCABULARIES)
def test_a_sequence_has_the_sum_of_its_tokens(loaded: dict[str, CausalLM], name: str) -> None:
    lm = loaded[name]
    tokens = pieces(lm, SHORT)
    assert "".join(tokens) == SHORT
    ids = list(SHORT.encode()) if lm.tokenizer is None else lm.tokenizer.convert_tokens_to_ids(tokens)
    prefix = [2] if name == "6-mers" else []
    expected = by_hand(lm, prefix + ids)
    (found,) = lm.log_likelihoods([encode(SHORT)])
    assert float(np.nansum(found.logs, dtype=np.float64)) == pytest.approx(sum(expected), abs=1e-5)
    first = 0 if prefix else len(tokens[0])  # nothing stands before the first token where there is no BOS
    assert np.isnan(found.logs[:first]).all()
    assert np.isfinite(found.logs[first:]).all()
    place, own = 0, dict(enumerate(expected if prefix else [np.nan, *expected]))
    for number, token in enumerate(tokens):
        span = found.logs[place : place + len(token)].astype(np.float64)
        np.testing.assert_allclose(span, own[number] / len(token), atol=1e-6)
        place += len(token)


def test_tokens_are_what_their_vocabulary_says(loaded: dict[str, CausalLM]) -> None:
    """Seventeen letters: two 6-mers and five single ones; several letters in a piece of the BPE; single bytes."""
    starts = {name: one.tokens(encode(SHORT)).starts.tolist() for name, one in loaded.items()}
    assert starts["6-mers"] == [0, 6, 12, 13, 14, 15, 16, 17]
    assert starts["bytes"] == list(range(18))
    assert len(starts["bpe"]) < 18


@pytest.mark.parametrize("name", VOCABULARIES)
def test_batches_and_case_do_not_matter(loaded: dict[str, CausalLM], name: str) -> None:
    random = np.random.default_rng(1)
    texts = ["".join(random.choice(list("ACGT"), int(length))) for length in (1, 2, 13, 40, 90, 7)]
    alone = [next(iter(loaded[name].log_likelihoods([encode(text)]))).logs for text in texts]
    together = list(loaded[name].log_likelihoods(encode(text.lower()) for text in texts))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(one, other.logs, atol=2e-6)


def test_a_sequence_beyond_the_context_has_every_base_once(loaded: dict[str, CausalLM]) -> None:
    """Sixteen positions, ninety bytes: each base is predicted, from eight to sixteen before it."""
    lm = loaded["bytes"]
    text = "".join(np.random.default_rng(2).choice(list("ACGT"), 90))
    (found,) = lm.log_likelihoods([encode(text)])
    assert np.isfinite(found.logs[1:]).all()
    last = by_hand(lm, list(text.encode())[-17:])[-1]
    assert float(found.logs[-1]) == pytest.approx(last, abs=1e-5)


def test_other_letters_are_context_alone(loaded: dict[str, CausalLM]) -> None:
    (found,) = loaded["6-mers"].log_likelihoods([encode("ACGTACNACGTAC")])
    assert np.isnan(found.logs).tolist() == [False] * 6 + [True] + [False] * 6
    (found,) = loaded["6-mers"].log_likelihoods([encode("ACGTACRACGTAC")])  # not of the vocabulary
    assert np.isnan(found.logs).tolist() == [False] * 6 + [True] + [False] * 6


def test_a_token_with_another_letter_in_it_has_no_likelihood() -> None:
    tokens = Tokens(ids=np.arange(3), prefix=0, starts=np.array([0, 2, 5, 6]), known=np.array([True, True, False]))
    found = spread(np.array([-2.0, -3.0, -1.0], dtype=np.float32), tokens, encode("ACGNTA"))
    np.testing.assert_array_equal(found, np.array([-1, -1, np.nan, np.nan, np.nan, np.nan], dtype=np.float32))


def test_which_models_are_others(others: dict[str, Path], tmp_path: Path) -> None:
    assert all(is_other(path) for path in others.values())
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama", "vocab_size": 256}))
    assert not is_other(tmp_path)


def _changed(source: Path, folder: Path, **config: Any) -> Path:
    shutil.copytree(source, folder)
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | config))
    return folder


def test_what_cannot_be_compared_is_refused(others: dict[str, Path], tmp_path: Path) -> None:
    own = _changed(others["bytes"], tmp_path / "own", model_type="evo", auto_map={"AutoModelForCausalLM": "x.Y"})
    with refused("model-needs-code", where=own):
        load_causal_lm(own)
    masked = _changed(others["bytes"], tmp_path / "masked", model_type="esm", architectures=["EsmForMaskedLM"])
    with refused("not-a-causal-lm", where=masked):
        load_causal_lm(masked)
    empty = tmp_path / "empty"
    empty.mkdir()
    with refused("missing-file", where="config.json"):
        load_causal_lm(empty)
    bare = _changed(others["bytes"], tmp_path / "bare")
    (bare / "model.safetensors").unlink()
    with refused("causal-lm-not-loaded", where=bare):
        load_causal_lm(bare)
    small = _changed(others["bpe"], tmp_path / "small")
    for path in small.glob("*token*"):
        path.unlink()
    with refused("no-tokenizer", where=small):
        load_causal_lm(small)
    mixed = _changed(others["bytes"], tmp_path / "mixed")
    for path in others["6-mers"].glob("*token*"):
        shutil.copy(path, mixed)
    with refused("tokenizer-beyond-vocabulary", where=mixed):
        load_causal_lm(mixed).tokens(encode("TTTTTT"))
