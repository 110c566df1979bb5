"""The counted chains agree with a plain loop, and score the very bases that the model scores."""

import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from refusal import refused
from scored import score_records

from corpus.readers.fasta import read_fasta
from evaluation.baselines import kmers
from evaluation.baselines.baseline import by_record
from evaluation.baselines.kmers import MAX_ORDER, count_kmers, reach
from evaluation.baselines.markov import MarkovScore, best_markov, fit_chains, score_markov
from evaluation.likelihood.regions import read_regions
from tokenizer.sequence import encode

ORDER = 8


def chains_on(training: list[Any], held_out: list[Any], order: int = 6) -> tuple[MarkovScore, ...]:
    chains = fit_chains(count_kmers(training, order=order))
    return score_markov(map(chains.score, held_out))


def _known_before(text: str, position: int) -> int:
    run = 0
    while run < position and text[position - 1 - run] in "ACGT":
        run += 1
    return run


def _plain_nats(training: list[str], held_out: list[str], order: int) -> tuple[float, int]:
    """Nats and bases of the order-k chain, by the definition: a dictionary and a loop."""
    counts = [Counter[tuple[str, str]]() for _ in range(order + 1)]
    for text in training:
        for position in range(1, len(text)):
            for k in range(min(order, _known_before(text, position)) + 1):
                if text[position] in "ACGT":
                    counts[k][text[position - k : position], text[position]] += 1
    nats, bases = 0.0, 0
    for text in held_out:
        for position in range(1, len(text)):
            if text[position] in "ACGT":
                k = min(order, _known_before(text, position))
                row = [counts[k][text[position - k : position], base] + 0.5 for base in "ACGT"]
                nats, bases = nats - math.log(row["ACGT".index(text[position])] / sum(row)), bases + 1
    return nats, bases


def _texts(genome: dict[str, bytes]) -> list[str]:
    return [sequence.decode().upper() for sequence in genome.values()]


@pytest.mark.parametrize("chunk", [1, 5, 64, 1 << 20])
def test_the_chains_agree_with_a_plain_loop(
    genome: dict[str, bytes], chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kmers, "_CHUNK", chunk)
    texts, ids = _texts(genome), [encode(sequence) for sequence in genome.values()]
    scores = chains_on(ids[:20], ids[20:], ORDER)
    assert [score.order for score in scores] == list(range(ORDER + 1))
    for score in scores:
        nats, bases = _plain_nats(texts[:20], texts[20:], score.order)
        assert score.bases_scored == bases
        assert score.nats == pytest.approx(nats, rel=1e-12)


def test_all_orders_and_the_model_score_the_same_bases(corpus: Path, tiny_model: Any) -> None:
    model = score_records(tiny_model, read_regions(corpus, split="test"))
    training, held_out = ([r.ids for r in read_regions(corpus, split=s)] for s in ("train", "test"))
    assert {score.bases_scored for score in chains_on(training, held_out)} == {model.bases_scored}
    for record, region in zip(model.records, read_regions(corpus, split="test"), strict=True):
        assert count_kmers([region.ids]).targets == record.bases_scored


def test_probabilities_sum_to_one_and_none_is_zero(genome: dict[str, bytes]) -> None:
    chains = fit_chains(count_kmers((encode(sequence) for sequence in genome.values()), order=ORDER))
    for order in range(ORDER + 1):
        table = np.exp(chains.table(order))
        assert table.shape == (4**order, 4)
        assert table.min() > 0
        np.testing.assert_allclose(table.sum(axis=1), 1, atol=1e-12)


def test_a_chain_of_known_order_is_found_with_its_entropy() -> None:
    random = np.random.default_rng(2)
    table = random.dirichlet([0.5] * 4, size=16)
    states, uniform, cumulative = [0, 1], random.random(300_000), table.cumsum(axis=1)
    for draw in uniform:
        states.append(min(3, int((draw > cumulative[states[-2] * 4 + states[-1]]).sum())))
    sequence = np.array(states)
    ids = encode(np.frombuffer(b"ACGT", dtype=np.uint8)[sequence].tobytes())
    scores = chains_on([ids[:200_000]], [ids[200_000:]])
    contexts = sequence[200_000:-2] * 4 + sequence[200_001:-1]
    truth = -np.log2(table[contexts, sequence[200_002:]]).mean()
    assert best_markov(scores).order == 2
    assert scores[2].bits_per_base == pytest.approx(truth, abs=1e-3)
    assert scores[1].bits_per_base > truth + 0.01


def test_no_more_than_the_cap_is_counted() -> None:
    documents = [encode("ACGTACGTAC")] * 5
    for cap in (1, 10, 23, 30):
        whole, rest = divmod(cap, 10)
        capped = count_kmers(documents, max_bases=cap)
        expected = count_kmers([*documents[:whole], documents[0][:rest]])
        assert (capped.bases, capped.capped, capped.targets) == (cap, True, expected.targets)
    assert not count_kmers(documents, max_bases=50).capped


def test_nothing_to_learn_from_is_an_error() -> None:
    with refused("no-base-to-count"):
        fit_chains(count_kmers([encode("N")]))


def test_counting_helps_a_little_on_real_contigs(real_data: Path) -> None:
    ids = [encode(record.sequence) for record in read_fasta(real_data / "metagenome_60.fasta")]
    best = best_markov(chains_on(ids[:50], ids[50:]))
    assert best.order == 4
    assert 1.95 < best.bits_per_base < 1.98


def test_long_orders_find_relatives_and_nothing_in_strangers() -> None:
    """A copy with 2% of other bases: the chance that the eleven bases before are unchanged is 0.98**11."""
    random = np.random.default_rng(3)
    training, stranger = (random.choice(list(b"ACGT"), size=60_000).astype(np.uint8) for _ in range(2))
    relative = np.where(random.random(60_000) < 0.02, random.choice(list(b"ACGT"), size=60_000), training)
    chains = fit_chains(count_kmers([training], order=MAX_ORDER))
    near, far = (score_markov([chains.score(ids.astype(np.uint8))]) for ids in (relative, stranger))
    assert best_markov(near).order >= 9
    assert best_markov(near).bits_per_base < 1.4 < 1.8 < near[6].bits_per_base
    assert all(score.bits_per_base > 1.99 for score in far)


@pytest.mark.parametrize(
    ("bases", "memory", "order", "said"),
    [
        (10**9, 1 << 40, 11, ""),
        (2_000_000, 1 << 40, 11, ""),
        (60_000, 1 << 40, 10, "Order 11 is left out: more than 64 contexts"),
        (10_000, 1 << 40, 9, "Orders 10 to 11 are left out: more than 64 contexts"),
        (0, 1 << 40, 6, "Orders 7 to 11 are left out"),
        (10**9, 10**9, 10, "Order 11 is left out: order 11 needs 0.4 GB, and 1.0 GB are free."),
        (10**9, 1, 6, "Orders 7 to 11 are left out: order 7 needs"),
    ],
)
def test_orders_are_left_out_for_a_reason(bases: int, memory: int, order: int, said: str) -> None:
    found = reach(bases, memory)
    assert found.order == order
    assert found.left_out.startswith(said)
    assert bool(found.left_out) == (order < MAX_ORDER)


def test_documents_of_a_record_are_one_and_records_of_one_name_are_not(tiny_model: Any) -> None:
    """Segments of chr1 and chr2, and a second chr1, of another file, whose first segment begins at 0 again."""
    places = [("chr1", 0), ("chr1", 20), ("chr2", 0), ("chr1", 0), ("chr1", 40)]
    documents = [(f"{name}:{start}", encode("ACGTTGCA" * (2 + number))) for number, (name, start) in enumerate(places)]
    score = score_records(tiny_model, documents)
    chain = [float(number) for number in range(5)]
    found = by_record(score, places, chain)
    nats = [record.nats for record in score.records]
    assert [(one.name, one.bases_scored) for one in found] == [("chr1", 15 + 23), ("chr2", 31), ("chr1 (2)", 39 + 47)]
    assert found[2].bits_per_base == pytest.approx((nats[3] + nats[4]) / 86 / math.log(2))
    assert found[0].baseline == pytest.approx(1 / 38 / math.log(2))
    assert {one.baseline for one in by_record(score, places)} == {None}
