"""What is measured, in the order of its worth, each with its share of the time."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.gpu.settings import Settings, architecture_of, configuration, with_layers
from configs.llama import read_architecture
from training.metrics.flops import flops_per_token

Measure = Callable[[Settings, str, float], dict[str, Any]]
"""From the settings, the device and the seconds for it, to plain values."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One measurement, in a process of its own. `needs_te`: not in a dry run, which has no Transformer Engine."""

    name: str
    measure: Measure
    precision: str
    half: bool = False  # of the layers that fit: for the difference to all of them, and for the peers
    seconds: float  # until it is ended; imports and building the model count
    needs_te: bool = False


def measure_libraries(settings: Settings, device: str, seconds: float) -> dict[str, Any]:
    from benchmarks.gpu.libraries import libraries

    return libraries(settings, device, seconds)


def measure_kernels(settings: Settings, device: str, seconds: float) -> dict[str, Any]:
    from benchmarks.gpu.kernels import kernels

    return kernels(settings, device, seconds)


def measure_ceilings(settings: Settings, device: str, seconds: float) -> dict[str, Any]:
    from benchmarks.gpu.ceilings import ceilings

    return ceilings(settings, device, seconds / 2)


def measure_agreement(settings: Settings, device: str, seconds: float) -> dict[str, Any]:
    from benchmarks.gpu.agreement import agreement

    return agreement(settings, device, seconds)


def measure_ours(settings: Settings, device: str, seconds: float) -> dict[str, Any]:
    from benchmarks.gpu.training import Training, one_process

    with one_process(device):
        training = Training(settings, device)
        found = _timed(training.step, settings, device, seconds)
        losses = [float(loss) for loss in training.losses]
    return {**found, "first_loss": losses[0], "last_loss": losses[-1]}


def measure_transformers(settings: Settings, device: str, seconds: float) -> dict[str, Any]:
    from benchmarks.gpu.peers import transformers_step

    return _timed(transformers_step(settings, device), settings, device, seconds)


def measure_te_stack(settings: Settings, device: str, seconds: float) -> dict[str, Any]:
    from benchmarks.gpu.peers import te_stack_step

    return _timed(te_stack_step(settings, device), settings, device, seconds)


PARTS = (
    Part(name="libraries", measure=measure_libraries, precision="bf16", seconds=90, needs_te=True),
    Part(name="kernels", measure=measure_kernels, precision="bf16", seconds=60, needs_te=True),
    Part(name="ceilings", measure=measure_ceilings, precision="bf16", seconds=75),
    *(
        Part(name=f"agreement {precision}", measure=measure_agreement, precision=precision, seconds=75)
        for precision in ("bf16", "fp8_delayed", "fp8_current")
    ),
    *(
        Part(name=f"ours {precision}", measure=measure_ours, precision=precision, seconds=150)
        for precision in ("bf16", "fp8_current", "fp8_delayed")
    ),
    Part(name="ours bf16, half", measure=measure_ours, precision="bf16", half=True, seconds=90),
    Part(name="transformers bf16, half", measure=measure_transformers, precision="bf16", half=True, seconds=240),
    Part(
        name="TE stack bf16, half",
        measure=measure_te_stack,
        precision="bf16",
        half=True,
        seconds=90,
        needs_te=True,
    ),
    Part(name="ours fp8_current, half", measure=measure_ours, precision="fp8_current", half=True, seconds=90),
    Part(
        name="TE stack fp8_current, half",
        measure=measure_te_stack,
        precision="fp8_current",
        half=True,
        seconds=90,
        needs_te=True,
    ),
)


def _timed(step: Callable[[], Any], settings: Settings, device: str, seconds: float) -> dict[str, Any]:
    """Milliseconds of a step by phase, tokens/s, and model FLOPs by both conventions."""
    import torch

    from benchmarks.gpu.timing import LEAST, Clock, time_steps

    names = ("forward and backward", "optimizer")
    warmup, steps = (5, 24) if device == "cuda" else (1, LEAST)
    times = time_steps(step, Clock(device), names, warmup=warmup, steps=steps, seconds=seconds / 3)
    tokens = settings["model"]["seq_length"]
    rate = 1e3 * tokens / times["total"]["median"]
    architecture, machine = architecture_of(settings), configuration(settings).hardware
    eight_bit = bool(settings["transformer"]["fp8"])
    peak = machine.fp8_tflops if eight_bit else machine.bf16_tflops
    found: dict[str, Any] = {
        "milliseconds": times,
        "tokens_per_second": rate,
        "layers": architecture.num_hidden_layers,
        "all_layers": read_architecture(configuration(settings).model_tag).num_hidden_layers,
        "peak_memory_gib": torch.cuda.max_memory_allocated() / 2**30 if device == "cuda" else None,
    }
    for convention in ("causal", "full"):
        flops = flops_per_token(architecture, tokens, causal=convention == "causal")
        tflops = rate * flops / 1e12
        found[convention] = {"gflop_per_token": flops / 1e9, "tflops": tflops, "mfu": tflops / peak if peak else None}
    return found


def settings_of(part: Part, settings: Settings) -> Settings:
    """What a part is measured with, of the `settings` of its precision."""
    return with_layers(settings, settings["transformer"]["num_layers"] // 2) if part.half else settings
