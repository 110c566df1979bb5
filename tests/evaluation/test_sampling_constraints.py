"""Forbidden motifs, repeated words, the share of GC, EOS too early: in no sample, and refused where they contradict."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
from refusal import refused

from evaluation.generation.generated_files import check_output, read_prompts
from evaluation.generation.generation import check_prompts, generate
from evaluation.generation.motifs import Automaton, Motifs, find_motif, read_motifs
from evaluation.generation.sampling import Sampling, check_alphabet, gc_share, parse_gc
from evaluation.likelihood.regions import Region
from tokenizer.sequence import encode, reverse_complement


def _prompt(text: str) -> list[Region]:
    return [Region(name="p", ids=encode(text))]


def test_motifs_are_in_no_sample_nor_across_the_end_of_the_prompt(tiny_model: Any) -> None:
    forbidding: dict[str, Any] = {"forbid": ("acg", "GNT"), "forbid_both_strands": True}
    motifs = Sampling(**forbidding).motifs
    assert motifs.words == ("ACG", "GNT", "CGT", "ANC")
    for text in ("TTA", "aC", "ACGT", "GG", "C"):
        found = generate(tiny_model, _prompt(text), Sampling(length=15, min_length=15, samples=20, **forbidding))
        assert len({one.ids.tobytes() for one in found}) > 3
        for one in found:
            assert find_motif(one.ids, motifs) is None
            joined = np.concatenate([encode(text.upper())[-2:], one.ids[:2]])  # no motif is within two bases
            assert find_motif(joined, motifs) is None
    free = generate(tiny_model, _prompt("TTA"), Sampling(length=15, samples=20))
    assert any(find_motif(one.ids, motifs) for one in free)


def test_an_alphabet_is_read_in_either_case(tiny_model: Any) -> None:
    sampling = Sampling(length=15, samples=10, alphabet="acgtACGT", forbid=("CC", "GG", "AT"))
    found = generate(tiny_model, _prompt("A"), sampling)
    assert all(one.ids.tobytes() == one.ids.tobytes().upper() for one in found)
    assert not any(find_motif(one.ids, sampling.motifs) for one in found)


@pytest.mark.parametrize("words", [("AA", "AC", "CAG"), ("GNNC",), ("TATA", "ATAT", "RRR"), ("NN",), ("A", "C", "G")])
def test_the_automaton_allows_exactly_what_can_go_on(words: tuple[str, ...]) -> None:
    """Against all words of seven bases: what is allowed has no motif, and every allowed one can be made longer."""

    def has(text: str) -> bool:
        return find_motif(encode(text), Motifs(words=words)) is not None

    if words == ("NN",):
        with refused("motifs-everywhere", names="NN"):
            Automaton(Motifs(words=words), b"ACGT")
        return
    automaton = Automaton(Motifs(words=words), b"ACGT")
    whole = ["".join(letters) for letters in itertools.product("ACGT", repeat=7)]
    endless = {text[:4] for text in whole if not has(text)}  # three more bases are enough to see a dead end here
    for text in map("".join, itertools.product("ACGT", repeat=4)):
        allowed, state = True, 0
        for id in encode(text).tolist():
            allowed = allowed and bool(automaton.allowed[state, id])
            state = int(automaton.next[state, id])
        assert allowed == (text in endless), text


def test_both_strands_are_those_of_the_molecule() -> None:
    words = read_motifs(["GGTCTC,CGTCTC"], both_strands=True).words
    assert words == ("GGTCTC", "CGTCTC", "GAGACC", "GAGACG")
    assert read_motifs(["GAATTC"], both_strands=True).words == ("GAATTC",)
    assert [reverse_complement(encode(word)).tobytes().decode() for word in words[:2]] == list(words[2:])


def test_the_share_of_gc_is_reached_or_the_sample_left_out(tiny_model: Any) -> None:
    wanted = Sampling(length=12, min_length=12, samples=30, gc=(0.5, 0.6), tries=50)
    found = generate(tiny_model, _prompt("ACG"), wanted)
    assert [one.sample for one in found] == list(range(30))
    assert all(0.5 <= gc_share(one.ids) <= 0.6 for one in found)
    assert max(one.tries for one in found) > 1
    first = {one.sample: one.ids.tobytes() for one in generate(tiny_model, _prompt("ACG"), wanted, batch_size=1)}
    assert first == {one.sample: one.ids.tobytes() for one in found}
    plain = generate(tiny_model, _prompt("ACG"), Sampling(length=12, min_length=12, samples=30))
    kept = {one.sample: one.ids.tobytes() for one in plain if wanted.accepts(one.ids)}
    assert kept == {one.sample: first[one.sample] for one in found if one.tries == 1}  # what fits is not redrawn
    once = generate(tiny_model, _prompt("ACG"), Sampling(length=12, min_length=12, samples=30, gc=(0.5, 0.6), tries=1))
    assert {one.sample: one.ids.tobytes() for one in once} == kept
    with refused("none-accepted", fix="--gc"):
        generate(tiny_model, _prompt("ACG"), Sampling(length=12, min_length=12, gc=(1, 1), tries=2))


def test_a_repeated_word_becomes_less_likely(tiny_model: Any) -> None:
    def repeats(penalty: float) -> int:
        sampling = Sampling(
            length=18, min_length=18, samples=40, temperature=0.3, repetition_penalty=penalty, repetition_length=3
        )
        found = generate(tiny_model, _prompt("ACGAC"), sampling)
        texts = [b"ACGAC" + one.ids.tobytes() for one in found]
        return sum(text[i : i + 3] in text[: i + 2] for text in texts for i in range(3, len(text) - 2))

    assert repeats(1e9) < repeats(1.5) < repeats(1.0)


def test_eos_comes_not_before_it_may_and_ends_at_the_positions(tiny_model: Any) -> None:
    import copy

    import torch

    eager = copy.deepcopy(tiny_model)
    with torch.no_grad():
        eager.lm_head.weight[0] = eager.lm_head.weight[ord("A")]
    found = generate(eager, _prompt("ACG"), Sampling(length=None, min_length=16, samples=40))
    assert {len(one.ids) for one in found} >= {16, 21}
    assert min(len(one.ids) for one in found) == 16
    assert all((len(one.ids) == 21) != one.ended for one in found)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("min-length", {"min_length": 11}),
        ("greedy", {"temperature": 0, "samples": 2}),
        ("greedy", {"temperature": 0, "top_p": 0.5}),
        ("greedy", {"temperature": 0, "gc": (0.4, 0.6)}),
        ("gc-alphabet", {"alphabet": "AT", "gc": (0.4, 0.6)}),
        ("gc-alphabet", {"alphabet": "Gc", "gc": (0.0, 0.6)}),
        ("motifs-everywhere", {"forbid": ("AA", "AT", "TW"), "alphabet": "AT"}),
    ],
)
def test_options_that_contradict_one_another_are_refused(kind: str, options: dict[str, Any]) -> None:
    with refused(kind):
        Sampling(length=10, **options)


def test_values_that_are_not_such_are_refused() -> None:
    assert parse_gc("0.4-0.6") == (0.4, 0.6)
    for text in ("0.4", "a-b", "", "-", "0.4-"):
        with refused("gc"):
            parse_gc(text)
    assert check_alphabet("ACGTN") == check_alphabet("acgTn") == b"ACGTN"
    for letters in ("ACGU", "acgu", "AXZ", "é"):
        with refused("alphabet"):
            check_alphabet(letters)
    for word in ("", "GAATTC,", "EcoRI", "GA|TC"):
        with refused("motif"):
            read_motifs([word], both_strands=True)
    assert math.isnan(gc_share(encode("NN")))
    with refused("motif-after-prompt", where="prompt 'p'"):
        check_prompts(_prompt("CAA"), Sampling(length=2, forbid=("AAN",)), 100)
    with refused("motif-in-prompt", where="prompt 'prompt1'", names="GAATTC"):
        sampling = Sampling(length=2, forbid=("GAATTC",))
        check_output(read_prompts(["aagaattca"], None), sampling, with_prompt=True)
