"""The share of a GPU's peak that a prediction takes from the published rows, and how far other rows are from it.

One stack serves each kind of GPU, in every precision, so that two precisions differ by what one party measured on one
stack. The rows of other stacks make the range, never the likely value.
"""

import functools
from collections.abc import Iterable
from dataclasses import dataclass

from configs.compose import hardware_values
from launch.planning.costs import Range
from launch.planning.published import ADAPTED, BRIDGE, BRIDGE_TUTORIAL, DGX_CLOUD, PUBLISHED, Row, Stack

REFERENCE: dict[str, Stack] = {"h100": DGX_CLOUD, "b200": BRIDGE, "gb200": BRIDGE_TUTORIAL, "gb300": BRIDGE}
"""The stack of each GPU's likely values: Megatron-Core with Transformer Engine, as the recipes here."""
LIKE = {"a100": "h100", "h200": "h100", "b300": "gb300"}
"""GPUs without rows of such a stack, and the one whose share of the peak is taken."""
EIGHT_BIT = ("delayed", "tensorwise")
"""Scalings of FP8 by one factor a tensor; rows of one stand for the other."""


@dataclass(frozen=True, kw_only=True)
class Efficiency:
    """Shares of the peak, and where they are from."""

    share: Range
    gpus: int  # of the row; more of them cost more
    tensor: int  # parallelism that the row already pays for
    context: int
    source: str  # of the likely share
    low_source: str
    high_source: str


def adapted_share() -> float:
    """Share of the TFLOP/s that is left with adapters: the pair with one layout, of the model nearest to the 8B."""
    return ADAPTED[0].tflops / ADAPTED[0].tflops_of_all_weights


@functools.cache
def assumed_efficiency(gpu: str, fp8: str) -> Efficiency | None:
    """The efficiency for a GPU and a precision; None where nothing was published that comes near."""
    like = LIKE.get(gpu, gpu)
    base = _reference(like, fp8)
    if base is None:
        return None
    row, factor, derived = base
    share = row.tflops * factor / _peak(like, fp8)
    low, low_source = _lowest(gpu, fp8, share)
    high, high_source = _highest(gpu, fp8, share)
    source = f"{_named(row)}, {share:.1%} of the peak{derived}"
    if like != gpu:
        source += f"; the share of {like}, since no such stack published {gpu}"
    return Efficiency(
        share=Range(low=low, likely=share, high=high),
        gpus=row.gpus,
        tensor=row.tensor,
        context=row.context,
        source=source,
        low_source=low_source,
        high_source=high_source,
    )


def _reference(gpu: str, fp8: str) -> tuple[Row, float, str] | None:
    """The row of the GPU's own stack, a factor to its TFLOP/s, and words for where that factor is from."""
    stack = REFERENCE.get(gpu)
    own = {row.fp8: row for row in _comparable_rows() if row.gpu == gpu and row.stack == stack}
    if row := _nearest_format(own, fp8):
        return row, 1.0, "" if row.fp8 == fp8 else f" (that of {_format(row.fp8)}, in place of {_format(fp8)})"
    all_formats = {row.fp8: row for row in _comparable_rows() if row.stack == BRIDGE_TUTORIAL}
    wanted, base = _nearest_format(all_formats, fp8), own.get("tensorwise")
    if wanted is None or base is None:
        return None
    factor = wanted.tflops / all_formats["tensorwise"].tflops
    return base, factor, f" after {factor:.3f}, what {_format(fp8)} has of FP8 tensorwise in {BRIDGE_TUTORIAL.name}"


def _nearest_format(rows: dict[str, Row], fp8: str) -> Row | None:
    """The row in a format, or in the other scaling by tensor."""
    return rows.get(fp8) or (next((rows[one] for one in EIGHT_BIT if one in rows), None) if fp8 in EIGHT_BIT else None)


def _lowest(gpu: str, fp8: str, share: float) -> tuple[float, str]:
    """The lowest published share of stacks that were not tuned for the page; that of other GPUs, in proportion."""
    untuned = [row for row in _of_format(fp8) if not row.stack.tuned]
    own = [row for row in untuned if row.gpu == gpu]
    if own:
        row = min(own, key=_share)
        return min(share, _share(row)), f"{_named(row)}, {_share(row):.1%}"
    behind = {row: _relative_efficiency(row) for row in untuned}
    if not behind:
        return share, "the same"
    row = min(behind, key=lambda one: behind[one])
    return share * behind[row], f"as far below as {_named(row)} is; such rows are not published for {gpu}"


def _highest(gpu: str, fp8: str, share: float) -> tuple[float, str]:
    row = max((row for row in _of_format(fp8) if row.gpu == gpu), key=_share, default=None)
    if row is None or _share(row) <= share:
        return share, "nothing faster is published"
    return _share(row), f"{_named(row)}, {_share(row):.1%}"


def _relative_efficiency(row: Row) -> float:
    """A row's share of the peak, as a share of the likely one for its GPU."""
    like = LIKE.get(row.gpu, row.gpu)
    base = _reference(like, row.fp8)
    return _share(row) * _peak(like, row.fp8) / (base[0].tflops * base[1]) if base else 1.0


def _of_format(fp8: str) -> Iterable[Row]:
    formats = EIGHT_BIT if fp8 in EIGHT_BIT else (fp8,)
    return [row for row in _comparable_rows() if row.fp8 in formats]


def _comparable_rows() -> Iterable[Row]:
    """Rows whose speed says nothing of tensor parallelism or long sequences."""
    return [row for row in PUBLISHED if row.tensor == 1 and row.sequence_length == 8192]


def _share(row: Row) -> float:
    return row.tflops / _peak(row.gpu, row.fp8)


def _peak(gpu: str, fp8: str) -> float:
    peak: float = hardware_values(gpu)["bf16_tflops" if fp8 == "none" else "fp8_tflops"]
    return peak


def _named(row: Row) -> str:
    return f"{row.stack.name}, {row.stack.date}: {row.gpus} x {row.gpu}, {_format(row.fp8)}, {row.tflops:,} TFLOP/s"


def _format(fp8: str) -> str:
    return {"none": "bf16", "mxfp8": "MXFP8", "nvfp4": "NVFP4"}.get(fp8, f"FP8 {fp8}")
