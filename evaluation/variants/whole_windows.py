"""Effects under a model with another tokenizer: both sequences are read from their start.

A change moves the tokens after it, so that nothing of the reference's pass can be shared.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from evaluation.causal_lm.model import CausalLM
from evaluation.variants.alleles import Allele
from evaluation.variants.effects import Effect, StrandEffect
from evaluation.variants.windows import Alternative, Placement, Strand, place
from foundation.progress import Advance, no_progress
from tokenizer.sequence import Ids


def whole_window_effects(
    model: CausalLM,
    alleles: Sequence[Allele],
    contigs: Mapping[str, Ids],
    placement: Placement,
    *,
    readings: tuple[bool, ...],
    advance: Advance = no_progress,
) -> list[Effect | None]:
    """The effect of each allele on each strand; None where nothing is compared. `advance` gets the alleles done."""
    of_strands = [_effects(model, alleles, contigs, placement, reverse) for reverse in readings]
    found = []
    for strands in zip(*of_strands, strict=True):
        advance(1)
        known = dict(zip(readings, strands, strict=True))
        forward, reverse = known.get(False), known.get(True)
        found.append(Effect(forward=forward, reverse=reverse) if forward or reverse else None)
    return found


def _effects(
    model: CausalLM, alleles: Sequence[Allele], contigs: Mapping[str, Ids], placement: Placement, reverse: bool
) -> Iterator[StrandEffect | None]:
    strands = [Strand(contig=contigs[allele.record.contig], reverse=reverse) for allele in alleles]
    placed = [
        place(one, number, strand, placement) for number, (one, strand) in enumerate(zip(alleles, strands, strict=True))
    ]
    windows = (ids for one, strand in zip(placed, strands, strict=True) for ids in _both(one, strand))
    logs = (found.logs for found in model.log_likelihoods(windows))
    for reference, alternative in zip(logs, logs, strict=True):
        targets = min(int(np.isfinite(one).sum()) for one in (reference, alternative))
        before, after = (float(np.nansum(one, dtype=np.float64)) for one in (reference, alternative))
        yield StrandEffect(delta=after - before, targets=targets) if targets else None


def _both(one: Alternative, strand: Strand) -> tuple[Ids, Ids]:
    return strand.slice(one.key.start, one.key.end)[: len(one.ids)], one.ids
