"""A stretch of a real genome that comes again after a distance of the same genome: does the model copy it?

::

    needle (64) | the genome continues | needle again: 16 bases of it as a cue, 48 that count
    other (64)  | the genome continues | needle again                       the control

Real sequence can be guessed without the first copy, so what counts is the gain over the control.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evaluation.likelihood.regions import read_regions
from evaluation.suite.recall import CUE, NEEDLE, fitting
from evaluation.zero_shot.context import Context
from evaluation.zero_shot.result import Found, Measure
from evaluation.zero_shot.sequence.intervals import mean_estimate
from evaluation.zero_shot.sequence.likelihoods import base_logs
from foundation.errors import InputError
from tokenizer.sequence import Ids, is_unambiguous, to_upper

LAYOUTS = {"fasta": 1}
STATISTICS = ("gain", "bits per base")


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """`distances` in bases; those that fit are measured, up to the model's context. `samples`: places in the genome."""

    distances: tuple[int, ...] = (128, 256, 512, 1024, 2048, 4096, 8000, 16000, 32000, 65000, 131000)
    samples: int = 32
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The sequence with the needle, and the control, for one place."""

    distance: int
    with_needle: Ids
    without: Ids


def run(context: Context, protocol: Protocol) -> Found:
    """Each distance has its own places; the notes name distances that a genome is too short for."""
    fasta = context.data.own[0]
    distances = fitting(list(protocol.distances), context.positions, where=f"task {context.spec.name}")
    contigs = [to_upper(region.ids) for region in read_regions(fasta)]
    samples = [one for distance in distances for one in draw(contigs, distance, protocol)]
    there = [distance for distance in distances if any(one.distance == distance for one in samples)]
    if not there:
        problem = f"has no stretch of {min(distances) + NEEDLE:,} bases of A, C, G and T"
        raise InputError(problem, where=fasta, fix="Give a longer genome.", kind="genome-too-short")
    both = [sequence for one in samples for sequence in (one.with_needle, one.without)]
    bits = [_cost(logs) for logs in base_logs(context, both, window=context.positions)]
    costs, controls = np.array(bits[::2]), np.array(bits[1::2])
    of_sample = np.array([one.distance for one in samples])
    measures = [
        _measure(statistic, distance, costs[of_sample == distance], controls[of_sample == distance])
        for statistic in context.spec.statistics
        for distance in there
    ]
    missing = [str(one) for one in distances if one not in there]
    notes = [f"no contig is long enough for distances of {', '.join(missing)} bases"] if missing else []
    items = {"distance": of_sample.tolist(), "bits": costs.tolist(), "bits_of_control": controls.tolist()}
    return Found(measures=measures, items=items, notes=notes)


def draw(contigs: Sequence[Ids], distance: int, protocol: Protocol) -> Iterator[Sample]:
    """Places in contigs, by their lengths, whose bases are all A, C, G or T; the needle of the control is elsewhere."""
    random = np.random.default_rng([protocol.seed, distance])
    room = np.array([max(0, len(ids) - distance + 1) for ids in contigs], dtype=np.float64)
    if not room.sum():
        return
    found = 0
    for _ in range(100 * protocol.samples):
        if found == protocol.samples:
            return
        stretch, other = _stretch(contigs, room, distance, random), _stretch(contigs, room, distance, random)
        needle, decoy = stretch[:NEEDLE], other[:NEEDLE]
        if is_unambiguous(stretch).all() and is_unambiguous(decoy).all() and (needle != decoy).any():
            found += 1
            yield Sample(
                distance=distance,
                with_needle=np.concatenate([stretch, needle]),
                without=np.concatenate([decoy, stretch[NEEDLE:], needle]),
            )


def _stretch(contigs: Sequence[Ids], room: npt.NDArray[np.float64], length: int, random: np.random.Generator) -> Ids:
    ids = contigs[int(random.choice(len(contigs), p=room / room.sum()))]
    start = int(random.integers(len(ids) - length + 1))
    return ids[start : start + length]


def _cost(logs: npt.NDArray[np.float32]) -> float:
    """Bits per base of the second copy, after its cue."""
    return float(-np.nanmean(logs[-(NEEDLE - CUE) :], dtype=np.float64) / math.log(2))


def _measure(
    statistic: str, distance: int, costs: npt.NDArray[np.float64], controls: npt.NDArray[np.float64]
) -> Measure:
    values = controls - costs if statistic == "gain" else costs
    found = mean_estimate(values, np.ones(len(values)))
    return Measure(
        metric=statistic, part=f"{distance} bases apart", value=found.value, low=found.low, high=found.high,
        count=len(values),
        clusters=len(values), better="higher" if statistic == "gain" else "lower",
        chance=0.0 if statistic == "gain" else float(controls.mean()),
    )  # fmt: skip
