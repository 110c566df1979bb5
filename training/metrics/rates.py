"""The speed of a run: what it did in which time."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Work:
    """What a token costs, and what there is to do it.

    `flops_per_token`: model FLOPs, causal (`training.metrics.flops`).
    `peak_tflops`: of one device, in the precision of the run; None where it is not known.
    """

    devices: int
    flops_per_token: int
    peak_tflops: float | None

    def rates(self, *, tokens: int, bases: int, seconds: float) -> dict[str, float | None]:
        """Tokens and bases per second on all devices, model TFLOP/s of one, and their share of its peak (MFU)."""
        per_second = tokens / seconds
        tflops = per_second * self.flops_per_token / self.devices / 1e12
        return {
            "tokens_per_second": per_second,
            "bases_per_second": bases / seconds,
            "tflops_per_device": tflops,
            "mfu": tflops / self.peak_tflops if self.peak_tflops else None,
        }
