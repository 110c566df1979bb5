"""How near generated sequence is to real: Jensen-Shannon divergence of k-mers, and of codons after a start codon.

What two samples of the real genome of the same size differ by is given as the floor.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from evaluation.generation.generation import generate
from evaluation.generation.sampling import Sampling
from evaluation.likelihood.regions import Region, read_regions
from evaluation.zero_shot.context import Context
from evaluation.zero_shot.result import Found, Measure
from evaluation.zero_shot.sequence.genes import STOPS, read_genes, upstream
from foundation.errors import InputError
from tokenizer.sequence import Ids, encode, is_unambiguous, to_upper

LAYOUTS = {"fasta": 1, "gff": 2, "orfs": 1}
STATISTICS = ("Jensen-Shannon divergence",)
RESAMPLES = 200

Counts = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """`prompts` of `prompt` bases, at random places, each continued by `length` bases; k-mers of every length in `k`.

    With genes (layouts gff and orfs) a prompt is as many bases up to a start codon and with it, and codons are counted
    up to the first stop.
    """

    prompts: int = 64
    prompt: int = 200
    length: int = 300
    k: tuple[int, ...] = (1, 2, 3, 4, 6)
    temperature: float = 1.0
    seed: int = 0


def run(context: Context, protocol: Protocol) -> Found:
    """Generate after every prompt, and compare with what follows it in the genome."""
    if protocol.prompt + protocol.length > context.positions:
        size = protocol.prompt + protocol.length
        problem = f"{size:,} bases are more than the model's {context.positions:,} positions"
        fix = "Leave the task out for this model, or copy its file with a shorter prompt and length."
        raise InputError(problem, where=context.directory, fix=fix, kind="prompt-too-long")
    coding = context.spec.layout != "fasta"
    pairs = _from_genes(context, protocol) if coding else _from_contigs(context, protocol)
    if len(pairs) < 2:
        problem = f"has fewer than 2 places with {protocol.prompt} + {protocol.length} bases of A, C, G and T"
        raise InputError(problem, where=context.data.own[0], fix="Give a longer genome.", kind="genome-too-short")
    prompts = [Region(name=f"place {number}", ids=prompt) for number, (prompt, _) in enumerate(pairs)]
    sampling = Sampling(
        length=protocol.length, min_length=protocol.length, temperature=protocol.temperature, seed=protocol.seed
    )
    written = generate(context.own_model, prompts, sampling, batch_size=context.batch_size)
    real, made = [truth for _, truth in pairs], [one.ids for one in written]
    kinds: list[tuple[str, Callable[[Ids], Counts]]] = [(f"{k}-mers", partial(kmers, k=k)) for k in protocol.k]
    kinds += [("codons", codons)] if coding else []
    measures = [_measure(name, count, real, made) for name, count in kinds]
    texts = [[ids.tobytes().decode("latin-1") for ids in some] for some in (real, made)]
    return Found(measures=measures, items={"real": texts[0], "generated": texts[1]})


def _from_contigs(context: Context, protocol: Protocol) -> list[tuple[Ids, Ids]]:
    """Places by the lengths of contigs, drawn alike for every model."""
    random, size = np.random.default_rng(protocol.seed), protocol.prompt + protocol.length
    contigs = [to_upper(one.ids) for one in read_regions(context.data.own[0])]
    room = np.array([max(0, len(ids) - size + 1) for ids in contigs], dtype=np.float64)
    pairs: list[tuple[Ids, Ids]] = []
    for _ in range(20 * protocol.prompts if room.sum() else 0):
        ids = contigs[int(random.choice(len(contigs), p=room / room.sum()))]
        start = int(random.integers(len(ids) - size + 1))
        found = ids[start : start + size]
        if len(pairs) < protocol.prompts and is_unambiguous(found).all():
            pairs.append((found[: protocol.prompt], found[protocol.prompt :]))
    return pairs


def _from_genes(context: Context, protocol: Protocol) -> list[tuple[Ids, Ids]]:
    """The coding sequence after the start codon, of genes that are long enough and have so much before them."""
    genome = read_genes(context.data.own, context.spec.layout)
    pairs = []
    for gene in genome.genes:
        before = upstream(gene, genome.contigs[gene.contig], protocol.prompt - 3)
        after = gene.sequence[3 : 3 + protocol.length]
        if len(before) == protocol.prompt - 3 and len(after) == protocol.length and is_unambiguous(before).all():
            pairs.append((np.concatenate([before, encode(gene.sequence[:3])]), encode(after)))
    chosen = np.linspace(0, len(pairs) - 1, min(len(pairs), protocol.prompts)).astype(int)
    return [pairs[number] for number in chosen]


def kmers(ids: Ids, k: int) -> Counts:
    """How often each word of `k` bases comes in A, C, G and T, [4 ** k]."""
    digits = np.searchsorted(np.frombuffer(b"ACGT", dtype=np.uint8), ids)
    if len(ids) < k:
        return np.zeros(4**k)
    windows = np.lib.stride_tricks.sliding_window_view(digits, k)
    return np.bincount(windows @ (4 ** np.arange(k)[::-1]), minlength=4**k).astype(np.float64)


def codons(ids: Ids) -> Counts:
    """How often each codon comes in frame 0, up to the first stop and with it, [64]."""
    text = ids.tobytes().decode("latin-1")
    found = np.zeros(64)
    for at in range(0, len(text) - 2, 3):
        found += kmers(ids[at : at + 3], 3)
        if text[at : at + 3] in STOPS:
            break
    return found


def divergence(one: Counts, other: Counts) -> float:
    """Jensen-Shannon divergence of two tables of counts in bits: 0 for the same shares, 1 for none in common."""
    first, second = one / one.sum(), other / other.sum()
    middle = (first + second) / 2
    return _entropy(middle) - (_entropy(first) + _entropy(second)) / 2


def _entropy(shares: Counts) -> float:
    some = shares[shares > 0]
    return float(-(some * np.log2(some)).sum())


def _measure(name: str, count: Callable[[Ids], Counts], real: Sequence[Ids], made: Sequence[Ids]) -> Measure:
    """`chance`: half the divergence of two halves of the real places: what sampling alone makes at this size.

    Resampling adds to a divergence, so that the interval has the spread of the resamples, around the value itself.
    """
    of_real, of_made = (np.array([count(ids) for ids in some]) for some in (real, made))
    random, drawn, floor = np.random.default_rng(0), list[float](), list[float]()
    for _ in range(RESAMPLES):
        first, second = (random.integers(len(of_real), size=len(of_real)) for _ in range(2))
        drawn.append(divergence(of_real[first].sum(0), of_made[second].sum(0)))
        order = random.permutation(len(of_real))
        half = len(order) // 2
        floor.append(divergence(of_real[order[:half]].sum(0), of_real[order[half:]].sum(0)))
    value = divergence(of_real.sum(0), of_made.sum(0))
    low, high = np.maximum(0.0, value + np.percentile(drawn, [2.5, 97.5]) - np.mean(drawn))
    return Measure(
        metric=STATISTICS[0], part=name, value=value, low=float(low), high=float(high), count=int(of_made.sum()),
        clusters=len(real), better="lower", chance=float(np.mean(floor)) / 2,
    )  # fmt: skip
