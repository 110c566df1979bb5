"""Does the model mind what breaks a gene more than what does not? Changes at coding genes, by kind.

================  ==================================================================================
synonymous        one base of a codon, same amino acid
missense          one base of a codon, another amino acid
nonsense          one base of a codon, now a stop
start lost        one base of the start codon, no start codon any more
stop lost         one base of the stop codon, now a sense codon
site shuffled     the bases before the start codon (Shine-Dalgarno or Kozak) in another order
spacer shuffled   as many bases farther upstream in another order: what the site is compared with
================  ==================================================================================
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.variants.windows import plan_placement
from evaluation.zero_shot.context import Context
from evaluation.zero_shot.result import Found, Measure
from evaluation.zero_shot.sequence.edits import Edit, edit_effects, replace_bases, replace_places
from evaluation.zero_shot.sequence.genes import CODE, STARTS, Gene, read_genes
from evaluation.zero_shot.sequence.intervals import area_estimates, mean_estimate
from foundation.errors import InputError
from tokenizer.sequence import Ids, is_unambiguous, reverse_complement, to_upper

LAYOUTS = {"gff": 2, "orfs": 1}
STATISTICS = ("AUROC", "mean change")
SITES = {"shine-dalgarno": (5, 15), "kozak": (1, 10)}
"""Bases upstream of the start codon, [nearest, farthest): where the ribosome binds in bacteria, and in eukaryotes."""
SPACER = 60
"""Distance of the shuffled spacer upstream of the site, in bases."""

PAIRS = (
    ("missense", "synonymous"),
    ("nonsense", "synonymous"),
    ("start lost", "synonymous"),
    ("stop lost", "synonymous"),
    ("site shuffled", "spacer shuffled"),
)
"""The first should cost more than the second."""


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """`genes`: as many of them, evenly chosen; null: all. `each`: changes of a kind and gene. `strand`: gene, or both.

    `window` in bases, `downstream` of them from a change on; `site`: shine-dalgarno or kozak.
    """

    genes: int | None = 500
    each: int = 10
    site: str = "shine-dalgarno"
    window: int = 8192
    downstream: int = 4096
    strand: str = "gene"
    seed: int = 0


def run(context: Context, protocol: Protocol) -> Found:
    """Score the changes of every gene; each pair of kinds is compared over genes that have both."""
    check(protocol.strand, protocol.site)
    genome = read_genes(context.data.own, context.spec.layout, most=protocol.genes)
    edits = [edit for gene in genome.genes for edit in changes(gene, genome.contigs[gene.contig], protocol)]
    window, notes = context.fit(protocol.window)
    placement = plan_placement(context.positions, window=window, downstream=min(protocol.downstream, window // 2))
    deltas = edit_effects(context, edits, genome.contigs, placement, protocol.strand)
    measures = [one for statistic in context.spec.statistics for one in _measures(statistic, edits, deltas)]
    items: dict[str, list[object]] = {
        "gene": [one.gene for one in edits], "kind": [one.kind for one in edits],
        "contig": [one.contig for one in edits], "position": [one.position + 1 for one in edits],
        "ref": [one.ref for one in edits], "alt": [one.alt for one in edits], "delta": list(deltas),
    }  # fmt: skip
    return Found(measures=measures, items=items, left_out=genome.left_out, notes=notes)


def check(strand: str, site: str = "kozak") -> None:
    """Errors: `InputError` for a strand or site that is not known."""
    if strand not in ("gene", "both"):
        raise InputError(f"no strand {strand!r}", where="protocol", fix="Known: gene, both.", kind="unknown-strand")
    if site not in SITES:
        fix = f"Known: {', '.join(SITES)}."
        raise InputError(f"no site {site!r}", where="protocol", fix=fix, kind="unknown-site")


def changes(gene: Gene, contig: Ids, protocol: Protocol) -> Iterator[Edit]:
    """The changes of one gene: drawn from all there are of a kind, the same for every model."""
    random = np.random.default_rng([protocol.seed, int(gene.places[0])])
    kinds = dict[str, list[tuple[int, str]]]()
    for at, new, kind in single_changes(gene):
        kinds.setdefault(kind, []).append((at, new))
    for kind, found in sorted(kinds.items()):
        drawn = random.permutation(len(found))[: protocol.each]
        for at, new in (found[number] for number in sorted(drawn)):
            yield replace_bases(gene, kind, at, new, contig)
    nearest, farthest = SITES[protocol.site]
    for kind, offset in (("site shuffled", 0), ("spacer shuffled", SPACER)):
        yield from _shuffled(gene, kind, nearest + offset, farthest + offset, contig, random)


def single_changes(gene: Gene) -> Iterator[tuple[int, str, str]]:
    """Every possible single-base change of the coding sequence: position, new base, and kind."""
    codons = gene.codons
    for number, codon in enumerate(codons):
        for place in range(3):
            for letter in "ACGT":
                if letter == codon[place]:
                    continue
                changed = codon[:place] + letter + codon[place + 1 :]
                if kind := _kind(codon, changed, first=number == 0, last=number == len(codons) - 1):
                    yield 3 * number + place, letter, kind


def _kind(codon: str, changed: str, *, first: bool, last: bool) -> str:
    if first:
        return "" if changed in STARTS else "start lost"
    before, after = CODE[codon], CODE[changed]
    if last:
        return "" if after == "*" else "stop lost"
    return "synonymous" if before == after else "nonsense" if after == "*" else "missense"


def _shuffled(
    gene: Gene, kind: str, nearest: int, farthest: int, contig: Ids, random: np.random.Generator
) -> Iterator[Edit]:
    """The bases from `nearest` to `farthest` before the start codon in another order, once; nothing where there are
    none, as at a contig's end, or only one kind of base."""
    start = int(gene.places[0])
    low, high = (start + nearest, start + farthest) if gene.reverse else (start - farthest + 1, start - nearest + 1)
    if low < 0 or high > len(contig):
        return
    found = to_upper(contig[low:high])
    if len(set(found.tolist())) < 2 or not is_unambiguous(found).all():
        return
    oriented = reverse_complement(found) if gene.reverse else found
    mixed = oriented
    while (mixed == oriented).all():
        mixed = random.permutation(oriented)
    yield replace_places(gene, kind, low, high, mixed.tobytes().decode("latin-1"), contig)


def _measures(statistic: str, edits: Sequence[Edit], deltas: Sequence[float]) -> Iterator[Measure]:
    by_kind: dict[str, list[tuple[str, float]]] = {}
    for edit, delta in zip(edits, deltas, strict=True):
        if np.isfinite(delta):
            by_kind.setdefault(edit.kind, []).append((edit.gene, delta))
    if statistic == "mean change":
        yield from (_mean(kind, rows) for kind, rows in by_kind.items())
        return
    for worse, milder in PAIRS:
        if worse in by_kind and milder in by_kind:
            yield _auroc(worse, milder, by_kind)


def _auroc(worse: str, milder: str, by_kind: Mapping[str, Sequence[tuple[str, float]]]) -> Measure:
    rows = [(*row, label) for kind, label in ((worse, True), (milder, False)) for row in by_kind[kind]]
    labels = np.array([label for *_, label in rows])
    scores, genes = -np.array([delta for _, delta, _ in rows]), [gene for gene, *_ in rows]
    found = area_estimates(scores, labels, genes)["AUROC"]
    return Measure(
        metric="AUROC", part=f"{worse} against {milder}", value=found.value, low=found.low, high=found.high,
        count=len(rows),
        positives=int(labels.sum()), clusters=len(set(genes)), better="higher", chance=0.5,
    )  # fmt: skip


def _mean(kind: str, rows: Sequence[tuple[str, float]]) -> Measure:
    genes: dict[str, list[float]] = {}
    for gene, delta in rows:
        genes.setdefault(gene, []).append(delta)
    sums, counts = (np.array([f(some) for some in genes.values()], dtype=np.float64) for f in (sum, len))
    found = mean_estimate(sums, counts)
    return Measure(
        metric="mean change", part=kind, value=found.value, low=found.low, high=found.high,
        count=len(rows), clusters=len(genes),
        better="higher" if kind in ("synonymous", "spacer shuffled") else "lower",
    )  # fmt: skip
