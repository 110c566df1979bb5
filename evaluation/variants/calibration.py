"""Indels beside random ones of their length: a long indel changes many bases, so that its delta alone says little.

For each class of lengths, deletions and insertions apart (1; 2 to 3; 4 to 7; 8 to 15; ...), random indels are made in
the same contigs, with lengths drawn from those of the class; what an insertion inserts is copied from another place of
its contig. They are scored as the others are. The same variants and genome give the same random indels.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from evaluation.limits import MOST
from evaluation.variants.alleles import SCORED, Allele
from evaluation.variants.effects import Effect
from evaluation.variants.normal_form import normal_form
from evaluation.variants.vcf import VcfRecord
from foundation.errors import InputError
from foundation.spelling import option
from tokenizer.sequence import Ids, is_unambiguous, to_upper

SizeClass: TypeAlias = tuple[int, int]
"""-1 for deletions or 1 for insertions, and the whole part of the binary logarithm of the length."""

SEED = 17
_TRIES = 100  # places for one random indel, before a contig of N is given up


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """An indel among `count` random ones of its class.

    `z`: (delta - their mean) / their standard deviation, None where that is 0; `p`: the share of them with a delta as
    low or lower, the indel itself counted.
    """

    mean: float
    deviation: float
    z: float | None
    p: float
    count: int


FIELDS = ("z", "p", "mean", "deviation")


def size_class(allele: Allele) -> SizeClass | None:
    """The class of an indel that is scored; None for others."""
    change = len(allele.alt) - len(allele.ref)
    if allele.status != SCORED or not change:
        return None
    return (1 if change > 0 else -1), abs(change).bit_length() - 1


def check_null(count: int) -> None:
    """Errors: `InputError` for fewer random indels than none, or more than `MOST`."""
    if not 0 <= count <= MOST:
        fix = "200 are enough for a z-score; 0 makes none."
        raise InputError(f"{option('null', count)} is outside [0, {MOST:,}]", fix=fix, kind="null")


def random_indels(alleles: Sequence[Allele], contigs: Mapping[str, Ids], count: int) -> list[Allele]:
    """`count` random indels for each class that `alleles` has, fewer if the contigs are too short."""
    classes: dict[SizeClass, list[Allele]] = defaultdict(list)
    for allele in alleles:
        if (found := size_class(allele)) is not None:
            classes[found].append(allele)
    made: list[Allele] = []
    for kind, like in sorted(classes.items(), key=lambda item: item[0]):
        random = np.random.default_rng([SEED, kind[0] + 1, kind[1]])
        drawn = (_random(like[random.integers(len(like))], contigs, random) for _ in range(count))
        made += [one for one in drawn if one is not None]
    return made


def calibrate(
    alleles: Sequence[Allele], effects: Sequence[Effect | None], null: Sequence[Allele], found: Sequence[Effect | None]
) -> list[Calibration | None]:
    """Each allele among the random ones of its class, whose effects are `found`; None for what is not an indel."""
    by_class: dict[SizeClass, list[float]] = defaultdict(list)
    for allele, effect in zip(null, found, strict=True):
        if (kind := size_class(allele)) is not None and effect is not None:
            by_class[kind].append(effect.delta)
    return [
        None if effect is None or kind is None or kind not in by_class else _among(effect.delta, by_class[kind])
        for allele, effect in zip(alleles, effects, strict=True)
        for kind in [size_class(allele)]
    ]


def _among(delta: float, others: Sequence[float]) -> Calibration:
    mean, deviation = float(np.mean(others)), float(np.std(others))
    lower = sum(other <= delta for other in others)
    return Calibration(
        mean=mean, deviation=deviation, z=(delta - mean) / deviation if deviation else None,
        p=(lower + 1) / (len(others) + 1), count=len(others),
    )  # fmt: skip


def _random(like: Allele, contigs: Mapping[str, Ids], random: np.random.Generator) -> Allele | None:
    """An indel of the length of `like` somewhere in its contig; None where no place was found."""
    contig = contigs[like.record.contig]
    change = len(like.alt) - len(like.ref)
    for _ in range(_TRIES):
        if len(contig) < abs(change) + 1:
            return None
        position, other = (int(random.integers(len(contig) - abs(change))) for _ in range(2))
        ref = to_upper(contig[position : position + 1 + max(0, -change)])
        alt = np.concatenate([ref[:1], to_upper(contig[other : other + max(0, change)])])
        if is_unambiguous(ref).all() and is_unambiguous(alt).all():
            return _allele(like.record.contig, position, ref, alt, contig)
    return None


def _allele(name: str, position: int, ref: Ids, alt: Ids, contig: Ids) -> Allele:
    texts = [ids.tobytes().decode("latin-1") for ids in (ref, alt)]
    record = VcfRecord(line=0, contig=name, position=position, id=".", ref=texts[0], alts=(texts[1],), fields=())
    position, ref, alt = normal_form(position, ref, alt, contig)
    return Allele(record=record, alt_text=texts[1], position=position, ref=ref, alt=alt, status=SCORED)
