"""A plan in words and numbers, for a terminal."""

from collections.abc import Iterator

from configs.schema import TrainConfig
from recipes.planning.memory import GIB, Memory, micro_batches, replicas
from recipes.planning.plan import WORTH, Plan, duration, precision_name, recommended
from recipes.planning.throughput import Throughput

LABELS = {
    "weights": "weights",
    "gradients": "gradients",
    "optimizer": "optimizer state",
    "activations": "activations",
    "logits": "logits",
    "workspace": "gradients of activations",
    "reserve": "reserve (assumed)",
}


def plan_text(plan: Plan) -> str:
    """The plan as text."""
    return "\n".join(_lines(plan))


def overrides(config: TrainConfig) -> str:
    """The layout as overrides of a training command."""
    layout = config.parallelism
    values = {
        "parallelism.tensor": layout.tensor,
        "parallelism.sequence_parallel": str(layout.sequence_parallel).lower(),
        "parallelism.pipeline": layout.pipeline,
        "parallelism.context": layout.context,
        "parallelism.recompute_layers": layout.recompute_layers,
        "dataset.micro_batch_size": config.dataset.micro_batch_size,
    }
    return " ".join(f"{key}={value}" for key, value in values.items())


def layout_text(config: TrainConfig) -> str:
    """The layout in a line."""
    layout = config.parallelism
    return (
        f"tensor {layout.tensor}, pipeline {layout.pipeline}, context {layout.context}, "
        f"data {replicas(config)}, micro-batch {config.dataset.micro_batch_size} x {micro_batches(config)}, "
        f"{layout.recompute_layers} layers recomputed"
    )


def _lines(plan: Plan) -> Iterator[str]:
    machine = plan.config.hardware
    yield f"{plan.recipe} on {plan.gpus} x {machine.gpu}, {precision_name(plan.config)}: " + (
        "fits" if plan.fits else "does not fit" if plan.memory else "cannot work as it is"
    )
    yield ""
    yield _row("parameters", f"{plan.architecture.parameters:,}")
    yield _row("FLOPs per token", _flops(plan))
    yield _row("global batch", _batch(plan))
    if plan.memory is None:
        yield _row("problem", plan.problem)
    else:
        yield _row("layout", layout_text(plan.config))
        yield ""
        yield from _memory(plan, plan.memory)
    if plan.throughput is not None:
        yield ""
        yield from _speed(plan, plan.throughput)
    elif plan.fits:
        yield ""
        yield f"No speed is predicted: nothing was published for {precision_name(plan.config)} on {machine.gpu}."
    yield ""
    yield from _advice(plan)


def _memory(plan: Plan, memory: Memory) -> Iterator[str]:
    yield f"Memory of one GPU, GiB of {plan.config.hardware.memory_gib:.1f}"
    for name, label in LABELS.items():
        yield _row(label, f"{getattr(memory, name) / GIB:8.2f}")
    yield _row("together", f"{memory.total / GIB:8.2f}")


def _speed(plan: Plan, speed: Throughput) -> Iterator[str]:
    days, hours = duration(plan, speed)
    yield "Predicted, not measured"
    yield _row("speed", f"{speed.tokens_per_second:,.0f} tokens/s, {speed.tokens_per_second_per_gpu:,.0f} on each GPU")
    yield _row("step", f"{speed.step_seconds:.2f} s")
    yield _row("run", f"{plan.tokens:,} tokens in {days:,.1f} days, {hours:,.0f} GPU-hours")
    yield _row("assumed", f"{speed.tflops:,.0f} TFLOP/s on each GPU (causal), from")
    yield _row("", speed.efficiency.source)
    if plan.architecture.parameters < 2_500_000_000:
        yield _row("", "of an 8B; smaller matrices use a GPU less well")


def _advice(plan: Plan) -> Iterator[str]:
    if plan.remedies:
        yield "Each of these makes it fit:"
        yield from (f"  {remedy}" for remedy in plan.remedies)
    if not plan.candidates:
        if plan.problem:
            yield "No layout on this machine makes it work either."
        if not plan.remedies:
            yield "No layout fits on this machine. Take more GPUs, GPUs of more memory, or a smaller model."
        return
    best = recommended(plan)
    if best is None:
        yield f"No other layout is predicted to be more than {WORTH - 1:.0%} faster."
        return
    yield "Recommended layout"
    yield _row("layout", layout_text(best.config))
    yield _row("memory", f"{best.memory.total / GIB:.1f} GiB")
    if best.throughput is not None:
        days, _ = duration(plan, best.throughput)
        yield _row("predicted", f"{best.throughput.tokens_per_second:,.0f} tokens/s, {days:,.1f} days")
    yield _row("overrides", overrides(best.config))


def _flops(plan: Plan) -> str:
    causal, full = plan.flops(causal=True) / 1e9, plan.flops(causal=False) / 1e9
    return f"{causal:.3f} GF with causal attention, {full:.3f} GF with attention counted in full"


def _batch(plan: Plan) -> str:
    samples = plan.config.dataset.global_batch_size
    return f"{samples} x {plan.sequence_length} = {samples * plan.sequence_length:,} tokens"


def _row(label: str, value: str) -> str:
    return f"  {label:<26}{value}"
