"""Bits per base by class of annotation: CDS, UTR, intron, repeat, intergenic; or the names of a BED file.

A base is of one class. CDS comes before the rest of exons (UTR), this before soft-masked bases (repeat), these before
introns, the rest of genes; what is left is intergenic.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evaluation.zero_shot.context import Context
from evaluation.zero_shot.result import Found, Measure
from evaluation.zero_shot.sequence.annotation import Feature, contigs_of, read_features
from evaluation.zero_shot.sequence.intervals import mean_estimate
from evaluation.zero_shot.sequence.likelihoods import base_logs
from foundation.errors import InputError
from tokenizer.sequence import Ids, is_soft_masked

LAYOUTS = {"gff": 2, "bed": 2}
STATISTICS = ("bits per base", "nats per base")
CLASSES = ("CDS", "UTR", "repeat", "intron", "intergenic")
Block = tuple[str, int, float, int]
"""Contig, start, nats and scored bases of one class in one block of a contig."""
BLOCK = 10_000  # bases: what the intervals draw again together

_GENES = ("gene", "transcript", "mRNA", "ncRNA_gene", "pseudogene", "tRNA", "rRNA", "lnc_RNA", "ncRNA")


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """`window` and `stride` in bases; a stride of null is half the window."""

    window: int = 8192
    stride: int | None = None


def run(context: Context, protocol: Protocol) -> Found:
    """A FASTA file and its annotation; each contig is read once, forward."""
    fasta, path = context.data.own
    features = read_features(path)
    contigs, foreign = contigs_of(fasta, features, path)
    names = CLASSES if context.spec.layout == "gff" else _names(features)
    window, notes = context.fit(protocol.window)
    found: dict[str, list[Block]] = {name: [] for name in names}
    logs = base_logs(context, contigs.values(), window=window, stride=protocol.stride)
    for (contig, ids), known in zip(contigs.items(), logs, strict=True):
        own = [one for one in features if one.contig == contig]
        of_base = classify(ids, own) if context.spec.layout == "gff" else by_name(ids, own, names)
        for number, name in enumerate(names):
            found[name] += _blocks(contig, known, of_base == number)
    measures = [_measure(name, rows, one) for one in context.spec.statistics for name, rows in found.items() if rows]
    if not measures:
        raise InputError("has no base to score", where=fasta, fix="Give longer contigs.", kind="no-base-to-score")
    left_out = {"features on contigs that the FASTA file lacks": foreign} if foreign else {}
    return Found(measures=measures, items=_items(found), left_out=left_out, notes=notes)


def _names(features: Sequence[Feature]) -> tuple[str, ...]:
    return (*sorted({one.kind for one in features} - {CLASSES[-1]}), CLASSES[-1])


def classify(ids: Ids, features: Sequence[Feature]) -> npt.NDArray[np.int8]:
    """The place in `CLASSES` of each base, [bases]."""
    coding, exon, gene = (np.zeros(len(ids), dtype=bool) for _ in range(3))
    for one in features:
        if one.kind == "CDS":
            coding[one.start : one.end] = True
        if one.kind in ("CDS", "exon", "five_prime_UTR", "three_prime_UTR", "UTR", "five_prime_utr", "three_prime_utr"):
            exon[one.start : one.end] = True
        if one.kind in _GENES:
            gene[one.start : one.end] = True
    gene |= _spans(features, len(ids))
    found = np.full(len(ids), CLASSES.index("intergenic"), dtype=np.int8)
    for name, where in (("intron", gene), ("repeat", is_soft_masked(ids)), ("UTR", exon), ("CDS", coding)):
        found[where] = CLASSES.index(name)
    return found


def _spans(features: Sequence[Feature], length: int) -> npt.NDArray[np.bool_]:
    """From the first to the last exon of each transcript: annotations may have no feature for the whole of it."""
    spans: dict[str, tuple[int, int]] = {}
    for one in features:
        if one.kind in ("exon", "CDS") and one.parent:
            start, end = spans.get(one.parent, (one.start, one.end))
            spans[one.parent] = min(start, one.start), max(end, one.end)
    inside = np.zeros(length, dtype=bool)
    for start, end in spans.values():
        inside[start:end] = True
    return inside


def by_name(ids: Ids, features: Sequence[Feature], names: Sequence[str]) -> npt.NDArray[np.int8]:
    """By the names of a BED file; where two regions overlap, the later line counts."""
    found = np.full(len(ids), len(names) - 1, dtype=np.int8)
    for one in features:
        found[one.start : one.end] = names.index(one.kind)
    return found


def _blocks(contig: str, logs: npt.NDArray[np.float32], where: npt.NDArray[np.bool_]) -> list[Block]:
    """Contig, start, nats and bases of the class in each block that has some."""
    scored = where & np.isfinite(logs)
    rows = []
    for start in range(0, len(logs), BLOCK):
        inside = scored[start : start + BLOCK]
        if inside.any():
            nats = -float(logs[start : start + BLOCK][inside].sum(dtype=np.float64))
            rows.append((contig, start, nats, int(inside.sum())))
    return rows


def _measure(name: str, rows: Sequence[Block], statistic: str) -> Measure:
    unit = math.log(2) if statistic == "bits per base" else 1.0
    nats, bases = np.array([row[2] for row in rows]) / unit, np.array([row[3] for row in rows], dtype=np.float64)
    found = mean_estimate(nats, bases)
    return Measure(
        metric=statistic, part=name, value=found.value, low=found.low, high=found.high,
        count=int(bases.sum()), clusters=len(rows),
        better="lower", chance=math.log(4) / unit,
    )  # fmt: skip


def _items(found: Mapping[str, Sequence[Block]]) -> dict[str, list[object]]:
    rows = [(name, *row) for name, some in found.items() for row in some]
    names = ("class", "contig", "start", "nats", "bases")
    return {name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}
