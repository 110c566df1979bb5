"""Sampling: the distribution asked for, the same for a seed, what transformers would take greedily, and an end."""

import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scored import base_nats

from corpus.readers.fasta import read_fasta
from evaluation.generation.generated_files import read_prompts, write_generated
from evaluation.generation.generation import generate
from evaluation.generation.sampling import Sampling, choose
from evaluation.likelihood.regions import Region
from foundation.errors import InputError
from tokenizer.sequence import encode
from tokenizer.vocabulary import EOS

PROMPTS = [
    Region(name="a", ids=encode("ACGTT")),
    Region(name="b", ids=encode("acg")),
    Region(name="c", ids=encode("TTTTT")),
]


def _texts(model: Any, sampling: Sampling, **options: Any) -> list[bytes]:
    return [one.ids.tobytes() for one in generate(model, PROMPTS, sampling, **options)]


def test_a_sample_is_the_same_to_the_bit_whatever_else_is_generated(tiny_model: Any) -> None:
    def drawn(prompts: list[Region], seed: int = 7, samples: int = 4, **options: Any) -> dict[Any, tuple[bytes, bytes]]:
        found = generate(tiny_model, prompts, Sampling(length=15, samples=samples, seed=seed), **options)
        return {(one.prompt.name, one.sample): (one.ids.tobytes(), one.logs.tobytes()) for one in found}

    whole = drawn(PROMPTS)
    for size in (1, 3, 64):
        assert drawn(PROMPTS, batch_size=size) == whole
    assert list(drawn(PROMPTS[::-1])) == list(whole)[8:] + list(whole)[4:8] + list(whole)[:4]
    assert drawn(PROMPTS[::-1]) == whole
    assert drawn(PROMPTS[1:], samples=2).items() <= whole.items()
    assert drawn(PROMPTS, seed=8) != whole
    assert len({ids for ids, _ in whole.values()}) > 6
    assert set(b"".join(ids for ids, _ in whole.values())) <= set(b"ACGT")


def test_the_likeliest_are_those_of_transformers(tiny_model: Any) -> None:
    import copy

    import torch

    peer = copy.deepcopy(tiny_model)
    peer.set_attn_implementation("sdpa")
    letters = "ACGTRYSWKMBDHVN"
    found = _texts(tiny_model, Sampling(length=12, temperature=0, alphabet=letters))
    for prompt, text in zip(PROMPTS, found, strict=True):
        tokens = torch.tensor([list(prompt.ids.tobytes().upper())])
        banned = [[token] for token in range(256) if token != EOS.id and chr(token) not in letters]
        expected = peer.generate(
            tokens, attention_mask=torch.ones_like(tokens), max_new_tokens=12, do_sample=False, bad_words_ids=banned
        )
        assert text == bytes(id for id in expected[0, tokens.shape[1] :].tolist() if id != EOS.id)


def test_log_probabilities_are_those_of_scoring(tiny_model: Any) -> None:
    for one in generate(tiny_model, PROMPTS, Sampling(length=15, temperature=0.7, top_k=3)):
        whole = np.concatenate([one.prompt.ids, one.ids])
        np.testing.assert_allclose(-base_nats(tiny_model, whole)[len(one.prompt.ids) :], one.logs, atol=1e-5)


def test_draws_follow_the_distribution() -> None:
    chances = np.array([0.5, 0.05, 0.3, 0.15])
    logs = np.tile(np.log(chances * 0.2), (20_000, 1))  # the rest is outside the alphabet
    draws = np.random.default_rng(0).random(20_000)

    def shares(**options: Any) -> list[float]:
        counts = Counter(choose(logs, Sampling(length=1, **options), draws).tolist())
        return [counts[i] / 20_000 for i in range(4)]

    np.testing.assert_allclose(shares(), chances, atol=0.012)
    np.testing.assert_allclose(shares(top_k=2), [0.625, 0, 0.375, 0], atol=0.012)
    np.testing.assert_allclose(shares(top_p=0.8), [0.625, 0, 0.375, 0], atol=0.012)
    np.testing.assert_allclose(shares(top_p=0.81), chances * [1, 0, 1, 1] / 0.95, atol=0.012)
    np.testing.assert_allclose(shares(min_p=0.31), [0.625, 0, 0.375, 0], atol=0.012)
    np.testing.assert_allclose(shares(min_p=0.29), chances * [1, 0, 1, 1] / 0.95, atol=0.012)
    np.testing.assert_allclose(shares(temperature=0.5), chances**2 / (chances**2).sum(), atol=0.012)
    assert shares(temperature=0) == [1, 0, 0, 0]
    assert shares(top_p=1e-9) == [1, 0, 0, 0]


def test_eos_ends_a_sequence(tiny_model: Any) -> None:
    import copy

    import torch

    eager = copy.deepcopy(tiny_model)
    with torch.no_grad():
        eager.lm_head.weight[EOS.id] = eager.lm_head.weight[ord("A")]  # as likely as an A
    found = generate(eager, PROMPTS, Sampling(length=18, samples=10))
    ended = [one for one in found if one.ended]
    assert ended
    assert len(ended) < len(found)
    assert all(len(one.ids) < 18 and EOS.id not in one.ids for one in ended)
    assert [(one.prompt.name, one.sample) for one in found] == [(p.name, s) for p in PROMPTS for s in range(10)]


def test_files(tiny_model: Any, tmp_path: Path) -> None:
    found = generate(tiny_model, PROMPTS, Sampling(length=10, min_length=10, samples=2))
    write_generated(found, tmp_path / "g.fa", with_prompt=True, per_base=tmp_path / "g.bedgraph")
    records = list(read_fasta(tmp_path / "g.fa"))
    assert [record.name for record in records] == ["a_1", "a_2", "b_1", "b_2", "c_1", "c_2"]
    assert records[2].sequence == b"ACG" + found[2].ids.tobytes()
    lines = [line.split("\t") for line in (tmp_path / "g.bedgraph").read_text().splitlines()]
    assert lines[0][:3] == ["a_1", "5", "6"]
    assert float(lines[0][3]) == pytest.approx(float(found[0].logs[0]), rel=1e-4)


def test_what_cannot_begin_is_refused(tiny_model: Any) -> None:
    for refused, kind in (
        (lambda: generate(tiny_model, read_prompts([""], None), Sampling(length=3)), "prompt-empty"),
        (lambda: read_prompts([], None), "no-prompt"),
        (lambda: read_prompts(["<EOS>"], None), "not-nucleotides"),
        (lambda: generate(tiny_model, PROMPTS, Sampling(length=20)), "prompt-too-long"),
    ):
        with pytest.raises(InputError) as refusal:
            refused()
        assert refusal.value.kind == kind


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("temperature", [-1.0, math.nan, math.inf, -math.inf, 1e-320, 1e-9, 1e300, -1e-320]),
        ("top_p", [0.0, 1.5, -1.0, math.nan, math.inf]),
        ("alphabet", [""]),
        ("min_p", [-0.1, 1.1, math.nan]),
        ("repetition_penalty", [0.5, math.nan, math.inf]),
        ("repetition_length", [0]),
        ("top_k", [-1]),
        ("length", [0]),
        ("min_length", [-1, 2]),
        ("samples", [0]),
        ("seed", [-1]),
        ("tries", [0]),
        ("gc", [(0.6, 0.4), (-0.1, 0.5), (0.5, 1.1), (math.nan, 0.5), (0.5, math.nan)]),
    ],
)
def test_a_value_that_draws_nothing_is_refused(key: str, values: list[Any]) -> None:
    for value in values:
        with pytest.raises(InputError) as refusal:
            Sampling(**{"length": 1, key: value})
        assert refusal.value.kind == key.replace("_", "-")


def test_the_lowest_and_the_highest_temperature_are_computed_without_a_warning() -> None:
    logs = np.log(np.array([[0.5, 1e-30, 0.3, 0.2]]))
    with np.errstate(all="raise", under="ignore"):
        assert choose(logs, Sampling(length=1, temperature=0.001), np.array([0.99])).tolist() == [0]
        assert choose(logs, Sampling(length=1, temperature=1000.0), np.array([0.4])).tolist() == [1]


def test_two_prompts_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "p.fa").write_text(">p\nACGT\n>q\nAC\n>p\nGG\n")
    with pytest.raises(InputError) as refusal:
        read_prompts([], tmp_path / "p.fa")
    assert (refusal.value.kind, refusal.value.where) == ("duplicate-name", tmp_path / "p.fa")
    (tmp_path / "p.fa").write_text(">prompt1\nACGT\n")
    with pytest.raises(InputError) as refusal:
        read_prompts(["ACG"], tmp_path / "p.fa")
    assert refusal.value.kind == "duplicate-name"


def test_a_prompt_of_rna_is_read_and_written_as_dna(
    tiny_model: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "p.fa").write_text(">r\nACGuAU\n")
    sampling = Sampling(length=5)
    for name, (texts, fasta) in {"u": (["ACGUAC"], tmp_path / "p.fa"), "t": (["ACGTAC"], None)}.items():
        found = generate(tiny_model, read_prompts(texts, fasta), sampling)
        write_generated(found, tmp_path / f"{name}.fa", with_prompt=True, per_base=None)
    sequences = [[record.sequence for record in read_fasta(tmp_path / f"{name}.fa")] for name in ("u", "t")]
    assert sequences[0][0] == sequences[1][0]
    assert sequences[0][1].startswith(b"ACGTAT")
    assert not set(b"".join(sequences[0])) - set(b"ACGT")
    assert capsys.readouterr().err.count("RNA") == 2
