"""What a layout costs, as the share of the speed that is left: from published rows that differ in little else."""

import functools
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from configs.compose import hardware_values
from configs.llama import LlamaArchitecture, read_architecture
from launch.planning.published import LONG, PUBLISHED, TORCHTITAN_2024, TORCHTITAN_H200, TORCHTITAN_TP, LongRow, Row
from training.metrics.flops import flops_per_token


@dataclass(frozen=True, kw_only=True)
class Range:
    """A share, with the lowest and the highest that published rows support."""

    low: float
    likely: float
    high: float

    def __mul__(self, other: "Range | float") -> "Range":
        one = other if isinstance(other, Range) else Range(low=other, likely=other, high=other)
        return Range(low=self.low * one.low, likely=self.likely * one.likely, high=self.high * one.high)

    def __pow__(self, power: float) -> "Range":
        return Range(low=self.low**power, likely=self.likely**power, high=self.high**power)


@functools.cache
def attention_share() -> Range:
    """Share of the bf16 peak that attention has, by causal FLOPs, from what longer sequences take longer.

    At worst: torchtitan's 8k and 32k on 8 H100, in FP8, of which attention has none. At best: NeMo's rows on B200,
    whatever their parallelism costs. Between: the geometric mean.
    """
    short = next(row for row in _rows(TORCHTITAN_2024) if row.fp8 == "tensorwise" and row.gpus == 8)
    long = _recomputed()[0]
    low = _attention(long.sequence_length, short.sequence_length) / (_seconds(long) - _seconds(short))
    times = [(row.sequence_length, _flops(row.sequence_length, causal=False) / row.full_tflops / 1e12) for row in LONG]
    high = max(_attention(after, before) / (late - soon) for (before, soon), (after, late) in pairwise(times))
    shares = low / _bf16_peak("h100"), high / _bf16_peak("b200")
    return Range(low=shares[0], likely=(shares[0] * shares[1]) ** 0.5, high=shares[1])


@functools.cache
def context_cost() -> Range:
    """Speed left at each doubling of context parallelism: torchtitan's three on 8 H100, 32k to 256k.

    The sequence doubles with the ranks; what attention takes longer by its FLOPs is not in the figure.
    """
    rows = _recomputed()
    rate = attention_share().low * _bf16_peak("h100")
    expected = [_seconds(rows[0]) + _attention(row.sequence_length, rows[0].sequence_length) / rate for row in rows]
    left = [time / _seconds(row) for time, row in zip(expected, rows, strict=True)]
    ratios = [after / before for before, after in pairwise(left)]
    return Range(low=min(ratios), likely=statistics.median(ratios), high=max(ratios))


@functools.cache
def tensor_cost() -> Range:
    """Speed left at each doubling of tensor parallelism; the middle of two bounds, since no published pair isolates it.

    At best: what torchtitan's asynchronous tensor parallelism wins back on the same 64 H100 at 8 ways, over three
    doublings. At worst: NeMo's doublings on B200, where the sequence doubles too and all of the loss is counted here.
    """
    waiting, hidden = sorted(row.tokens_per_second for row in _rows(TORCHTITAN_TP))
    high = (waiting / hidden) ** (1 / 3)
    low = min(_causal(after) / _causal(before) for before, after in pairwise(LONG) if after.tensor > before.tensor)
    return Range(low=low, likely=(low * high) ** 0.5, high=high)


@functools.cache
def scale_cost() -> Range:
    """Speed left at each doubling of the GPUs: torchtitan's 8 to 128 H100, and 32 to 64 H200, with growing batches."""
    h100 = [row for row in _rows(TORCHTITAN_2024) if not row.recomputed]
    ratios = [_doubled(before, after, 4) for before in h100 for after in h100 if _grows(before, after)]
    small, large = _rows(TORCHTITAN_H200)
    ratios.append(_doubled(small, large, 1))
    return Range(low=min(ratios), likely=statistics.median(ratios), high=max(ratios))


def _rows(stack: object) -> Sequence[Row]:
    return [row for row in PUBLISHED if row.stack == stack]


def _recomputed() -> Sequence[Row]:
    return sorted((row for row in _rows(TORCHTITAN_2024) if row.recomputed), key=lambda row: row.context)


def _seconds(row: Row) -> float:
    """Of one token, without what is computed again: one of four passes."""
    return (0.75 if row.recomputed else 1) / row.tokens_per_second


def _attention(after: int, before: int) -> int:
    """Causal FLOPs that one token of a longer sequence has more."""
    return _flops(after) - _flops(before)


def _flops(sequence_length: int, *, causal: bool = True) -> int:
    return flops_per_token(_eight_b(), sequence_length, causal=causal, vocab_size=128_256)


def _bf16_peak(gpu: str) -> float:
    """FLOP/s."""
    peak: float = hardware_values(gpu)["bf16_tflops"]
    return peak * 1e12


def _grows(before: Row, after: Row) -> bool:
    return before.fp8 == after.fp8 and before.gpus < after.gpus


def _doubled(before: Row, after: Row, doublings: int) -> float:
    return float((after.tokens_per_second / before.tokens_per_second) ** (1 / doublings))


def _causal(row: LongRow) -> float:
    """TFLOP/s of a row with attention counted by the causal convention."""
    return row.full_tflops * _flops(row.sequence_length) / _flops(row.sequence_length, causal=False)


@functools.cache
def _eight_b() -> LlamaArchitecture:
    return read_architecture("llama3_8b_genomic_config")
