"""Gene essentiality: the change in likelihood from premature stops near the start of a gene.

After Evo (Nguyen et al. 2024): several stop codons, in all frames, 12 bases after the start of the coding sequence;
the score of a gene is minus the change of the log-likelihood of its window.
"""

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from evaluation.statistics.bootstrap import Estimate
from evaluation.variants.windows import plan_placement
from evaluation.zero_shot.context import Context
from evaluation.zero_shot.result import Found, Measure
from evaluation.zero_shot.sequence.edits import edit_effects, insert_bases
from evaluation.zero_shot.sequence.genes import read_genes
from evaluation.zero_shot.sequence.intervals import area_estimates
from evaluation.zero_shot.sequence.perturbation import check
from foundation.errors import InputError, shown

LAYOUTS = {"table": 3, "deg": 3}
STATISTICS = ("AUROC", "AUPRC")
STOP_CODONS = "TAATAATAATAGTGA"
_YES, _NO = ("1", "true", "yes", "essential", "e"), ("0", "false", "no", "non-essential", "nonessential", "ne")


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """`stops`: what is inserted before base `at` of the coding sequence. `organism`: of DEG, such as DEG1018.

    `window` in bases, `downstream` of them from the stops on; `strand`: gene, or both.
    """

    stops: str = STOP_CODONS
    at: int = 12
    organism: str | None = None
    window: int = 8192
    downstream: int = 4096
    strand: str = "gene"


def run(context: Context, protocol: Protocol) -> Found:
    """A FASTA file, its annotation, and the table of labels."""
    check(protocol.strand)
    fasta, annotation, table = context.data.own
    labels = read_labels(table, context.spec.layout, protocol.organism)
    genome = read_genes([fasta, annotation], "gff")
    known = [one for one in genome.genes if len(one.places) > protocol.at + 3]
    if context.spec.layout == "deg":  # lists essential genes alone
        labels = {one.name.lower(): labels.get(one.name.lower(), False) for one in known}
    genes = [one for one in known if one.name.lower() in labels]
    truth = np.array([labels[one.name.lower()] for one in genes], dtype=bool)
    if not 0 < truth.sum() < len(truth):
        problem = f"{int(truth.sum())} of the {len(truth)} genes of {annotation.name} that it names are essential"
        fix = "Both kinds are needed: give the table of this genome, with its names or locus tags."
        where = table if context.spec.layout == "deg" else f"{table}, column essential"
        raise InputError(problem, where=where, fix=fix, kind="labels-of-one-kind")
    edits = [insert_bases(one, "stops", protocol.at, protocol.stops, genome.contigs[one.contig]) for one in genes]
    window, notes = context.fit(protocol.window)
    placement = plan_placement(context.positions, window=window, downstream=min(protocol.downstream, window // 2))
    deltas = np.array(edit_effects(context, edits, genome.contigs, placement, protocol.strand))
    scored = np.isfinite(deltas)
    left_out = Counter(genome.left_out)
    left_out |= Counter({"without a label": len(known) - len(genes), "without context": int((~scored).sum())})
    items = {"gene": [one.name for one in genes], "essential": truth.tolist(), "delta": deltas.tolist()}
    found = area_estimates(-deltas[scored], truth[scored], np.flatnonzero(scored).tolist())
    measures = [_measure(one, found[one], truth[scored]) for one in context.spec.statistics]
    return Found(measures=measures, items=items, left_out={k: n for k, n in left_out.items() if n}, notes=notes)


def _measure(metric: str, found: Estimate, truth: npt.NDArray[np.bool_]) -> Measure:
    positives = int(truth.sum())
    return Measure(
        metric=metric, value=found.value, low=found.low, high=found.high, count=len(truth), positives=positives,
        clusters=len(truth), better="higher", chance=0.5 if metric == "AUROC" else positives / len(truth),
    )  # fmt: skip


def read_labels(table: Path, layout: str, organism: str | None = None) -> dict[str, bool]:
    """Whether a gene is essential, by its name in lower case.

    `table`: columns `gene` and `essential` (1 or 0), with commas or tabs. `deg`: DEG's degannotation-p.dat, with tabs:
    organism, DEG's id, the gene's name; every line is an essential gene, those of `organism` are taken.
    Errors: `InputError` with the line.
    """
    labels: dict[str, bool] = {}
    for number, name, essential in _rows(table, layout, organism):
        if labels.setdefault(name, essential) != essential:
            fix = "Keep one of the lines."
            raise InputError(
                f"{name!r} is both", where=f"{table}, line {number}", fix=fix, kind="essentiality-contradicts"
            )
    if not labels:
        what = f" of {organism}" if organism else ""
        raise InputError(f"has no gene{what}", where=table, fix="Check the table.", kind="essentiality-empty")
    return labels


def _rows(table: Path, layout: str, organism: str | None) -> Iterator[tuple[int, str, bool]]:
    from corpus.streams.compression import open_source

    with open_source(table) as stream:
        lines = [line.decode("utf-8", "backslashreplace").rstrip("\r\n") for line in stream]
    if layout == "deg":
        for number, line in enumerate(lines[1:], start=2):
            fields = line.split("\t")
            if len(fields) > 2 and (organism is None or fields[0] == organism) and fields[2] not in ("", "-"):
                yield number, fields[2].lower(), True
        return
    delimiter = "\t" if lines and "\t" in lines[0] else ","
    reader = csv.DictReader(lines, delimiter=delimiter)
    if not {"gene", "essential"} <= set(reader.fieldnames or ()):
        fix = "Give columns named gene and essential."
        raise InputError("has no columns gene and essential", where=table, fix=fix, kind="essentiality-columns")
    for row in reader:
        value = (row["essential"] or "").strip().lower()
        if value not in (*_YES, *_NO):
            problem, where = f"essential is {shown(row['essential'])}", f"{table}, line {reader.line_num}"
            raise InputError(problem, where=where, fix="Write 1 or 0.", kind="essentiality-value")
        yield reader.line_num, (row["gene"] or "").strip().lower(), value in _YES
