"""Sequence recovery: the model continues a gene, and its output is aligned with the real sequence."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.generation.generation import generate
from evaluation.generation.sampling import Sampling
from evaluation.likelihood.regions import Region
from evaluation.zero_shot.context import Context
from evaluation.zero_shot.result import Found, Measure
from evaluation.zero_shot.sequence.genes import Gene, read_genes, translate, upstream
from evaluation.zero_shot.sequence.intervals import mean_estimate
from foundation.errors import InputError
from tokenizer.sequence import Ids, encode

LAYOUTS = {"gff": 2, "orfs": 1}
STATISTICS = ("DNA identity", "protein identity")


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """The prompt is `upstream` bases and `share` of the coding sequence; then `length` bases, or the rest, if shorter.

    `genes`: as many, evenly chosen; null: all. `temperature`: 0 takes the most likely base.
    """

    genes: int | None = 200
    upstream: int = 1000
    share: float = 0.5
    length: int = 600
    temperature: float = 0.0
    seed: int = 0


def run(context: Context, protocol: Protocol) -> Found:
    """Genes without introns, since the sequence after an exon is not coding."""
    genome = read_genes(context.data.own, context.spec.layout)
    whole = [one for one in genome.genes if np.ptp(one.places) + 1 == len(one.places)]
    left_out = dict(genome.left_out)
    if spliced := len(genome.genes) - len(whole):
        left_out["with introns"] = spliced
    if not whole:
        problem, where = "has no gene without introns", context.data.own[-1]
        raise InputError(problem, where=where, fix="Give another genome.", kind="no-whole-gene")
    if protocol.genes is not None and len(whole) > protocol.genes:
        whole = [whole[number] for number in np.linspace(0, len(whole) - 1, protocol.genes).astype(int)]
    asked = [_question(gene, genome.contigs[gene.contig], protocol, context.positions) for gene in whole]
    pairs = [(gene, *one) for gene, one in zip(whole, asked, strict=True) if one is not None]
    if not pairs:
        problem, fix = "no gene fits into the model's positions", "Give a model of more positions, or a smaller share."
        raise InputError(problem, where=context.directory, fix=fix, kind="no-gene-fits")
    if short := len(whole) - len(pairs):
        left_out["longer than the model's positions"] = short
    length = max(len(truth) for _, _, truth in pairs)
    sampling = Sampling(length=length, temperature=protocol.temperature, seed=protocol.seed)
    prompts = [Region(name=gene.name, ids=prompt) for gene, prompt, _ in pairs]
    written = generate(context.own_model, prompts, sampling, batch_size=context.batch_size)
    rows = [
        compare(one.ids.tobytes().decode("latin-1"), truth) for one, (_, _, truth) in zip(written, pairs, strict=True)
    ]
    items: dict[str, list[object]] = {
        "gene": [gene.name for gene, *_ in pairs], "bases": [len(truth) for *_, truth in pairs],
        "dna_identity": [one[0] for one in rows], "protein_identity": [one[1] for one in rows],
    }  # fmt: skip
    truths = [truth for *_, truth in pairs]
    chance = [compare(other, truth) for other, truth in zip([*truths[1:], truths[0]], truths, strict=True)]
    places = {"DNA identity": 0, "protein identity": 1}
    measures = [
        _measure(name, [row[at] for row in rows], [row[at] for row in chance] if len(truths) > 1 else [])
        for name, at in ((name, places[name]) for name in context.spec.statistics)
    ]
    return Found(measures=measures, items=items, left_out=left_out)


def _question(gene: Gene, contig: Ids, protocol: Protocol, positions: int) -> tuple[Ids, str] | None:
    """The prompt, and the whole codons that follow it; None where both do not fit together."""
    given = 3 * max(1, int(len(gene.sequence) * protocol.share / 3))
    truth = gene.sequence[given : given + protocol.length // 3 * 3]
    before = upstream(gene, contig, protocol.upstream)
    prompt = np.concatenate([before, encode(gene.sequence[:given])])
    room = positions - len(truth)
    if room < given:
        return None
    return prompt[-room:], truth


def compare(written: str, truth: str) -> tuple[float, float]:
    """Identity of DNA, and of the protein up to the first stop that was written, in codons of the gene's frame."""
    written = written[: len(truth)]
    protein = translate(written)
    end = protein.find("*") + 1
    return identity(written, truth), identity(protein[:end] if end else protein, translate(truth))


def identity(one: str, other: str) -> float:
    """The share of `other` that the best global alignment with `one` pairs with the same letter.

    Best by score (match 1, mismatch -1, gap -1), then by the number of matches (Needleman and Wunsch 1970).
    """
    if not other:
        return 0.0
    first, second = (np.frombuffer(text.encode("latin-1"), dtype=np.uint8) for text in (one, other))
    scale = len(first) + len(second) + 1  # score x scale + matches
    steps = np.arange(len(second) + 1, dtype=np.int64) * scale
    row = -steps
    for letter in first:
        same = second == letter
        diagonal = row[:-1] + np.where(same, scale + 1, -scale)
        best = np.concatenate([[row[0] - scale], np.maximum(diagonal, row[1:] - scale)])
        row = np.maximum.accumulate(best + steps) - steps
    return float(row[-1] % scale) / len(second)


def _measure(metric: str, values: Sequence[float], others: Sequence[float]) -> Measure:
    """`others`: identity with the same part of another gene, as the chance level."""
    found = mean_estimate(np.array(values), np.ones(len(values)))
    chance = float(np.mean(others)) if others else None
    return Measure(
        metric=metric, value=found.value, low=found.low, high=found.high, count=len(values), clusters=len(values),
        better="higher", chance=chance,
    )  # fmt: skip
