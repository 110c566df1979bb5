"""Changes of a genome at genes, and what each changes in the log-likelihood, read on the gene's strand or on both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from evaluation.causal_lm.model import CausalLM
from evaluation.variants.alleles import SCORED, Allele
from evaluation.variants.effects import variant_effects
from evaluation.variants.vcf import VcfRecord
from evaluation.variants.whole_windows import whole_window_effects
from evaluation.variants.windows import Placement
from evaluation.zero_shot.context import Context
from evaluation.zero_shot.sequence.genes import Gene
from foundation.progress import Advance, progress_bar
from tokenizer.sequence import Ids, encode, reverse_complement, to_upper


@dataclass(frozen=True, kw_only=True)
class Edit:
    """The bases `ref` from `position` on of a contig become `alt`; `reverse`: the strand of the gene."""

    gene: str
    kind: str
    contig: str
    reverse: bool
    position: int
    ref: str
    alt: str


def replace_bases(gene: Gene, kind: str, at: int, new: str, contig: Ids) -> Edit:
    """The bases of the coding sequence from `at` on, which lie side by side in the contig, become `new`."""
    places = gene.places[at : at + len(new)]
    return replace_places(gene, kind, int(places.min()), int(places.max()) + 1, new, contig)


def replace_places(gene: Gene, kind: str, start: int, end: int, new: str, contig: Ids) -> Edit:
    """The bases [start, end) of the contig become `new`, which is as the gene's strand reads it."""
    alt = reverse_complement(encode(new)) if gene.reverse else encode(new)
    ref = to_upper(contig[start:end]).tobytes().decode("latin-1")
    return Edit(
        gene=gene.name, kind=kind, contig=gene.contig, reverse=gene.reverse, position=start, ref=ref,
        alt=alt.tobytes().decode("latin-1"),
    )  # fmt: skip


def insert_bases(gene: Gene, kind: str, at: int, new: str, contig: Ids) -> Edit:
    """`new` comes before the base `at` of the coding sequence, beside the one before it in the contig."""
    left = int(gene.places[at] if gene.reverse else gene.places[at - 1])
    base = to_upper(contig[left : left + 1]).tobytes().decode("latin-1")
    inserted = (reverse_complement(encode(new)) if gene.reverse else encode(new)).tobytes().decode("latin-1")
    return Edit(
        gene=gene.name, kind=kind, contig=gene.contig, reverse=gene.reverse, position=left, ref=base,
        alt=base + inserted,
    )  # fmt: skip


def edit_effects(
    context: Context, edits: Sequence[Edit], contigs: Mapping[str, Ids], placement: Placement, strand: str
) -> list[float]:
    """ln P(changed) - ln P(as it is) over the window of each edit; NaN where nothing is compared.

    `strand`: gene, which reads each edit on its gene's strand, or both, which averages.
    """
    found = np.full(len(edits), np.nan)
    total = len(edits) * (2 if strand == "both" else 1)
    with progress_bar(f"Scoring {context.spec.name}", total=total, unit=" changes") as advance:
        for reverse in (False, True):
            which = [number for number, one in enumerate(edits) if strand == "both" or one.reverse == reverse]
            if not which:
                continue
            alleles = [_allele(edits[number]) for number in which]
            deltas = np.array(_deltas(context, alleles, contigs, placement, reverse, advance))
            found[which] = (found[which] + deltas) / 2 if strand == "both" and reverse else deltas
    return [float(value) for value in found]


def _deltas(
    context: Context,
    alleles: Sequence[Allele],
    contigs: Mapping[str, Ids],
    placement: Placement,
    reverse: bool,
    advance: Advance,
) -> list[float]:
    model = context.model
    if isinstance(model, CausalLM):
        effects = whole_window_effects(model, alleles, contigs, placement, readings=(reverse,), advance=advance)
    else:
        some = variant_effects(
            model, alleles, contigs, placement, readings=(reverse,), batch_size=context.batch_size, advance=advance
        )  # fmt: skip
        effects = list(chain.from_iterable(some))
    return [np.nan if effect is None else effect.delta for effect in effects]


def _allele(edit: Edit) -> Allele:
    record = VcfRecord(
        line=0, contig=edit.contig, position=edit.position, id=edit.gene, ref=edit.ref, alts=(edit.alt,), fields=()
    )
    return Allele(
        record=record, alt_text=edit.alt, position=edit.position, ref=encode(edit.ref), alt=encode(edit.alt),
        status=SCORED,
    )  # fmt: skip
