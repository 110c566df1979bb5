"""A plan in words and numbers, for a terminal."""

from collections.abc import Iterator

from configs.schema import TrainConfig
from foundation.pages.quantities import duration, plural
from launch.planning.commands import overrides, plan_command, training_command
from launch.planning.costs import attention_share
from launch.planning.memory import GIB, Memory, micro_batches, replicas
from launch.planning.names import configuration
from launch.planning.plan import WORTH, Plan, precision_name, recommended, run_seconds
from launch.planning.schedule import schedule_text
from launch.planning.search import SEARCHED, SPARE, comfortable
from launch.planning.shortage import Shortage
from launch.planning.throughput import PUBLISHED_LENGTH, Throughput

LABELS = {
    "weights": "weights",
    "gradients": "gradients",
    "optimizer": "optimizer state",
    "activations": "activations",
    "logits": "logits",
    "workspace": "gradients of activations, or the optimizer's copies",
    "reserve": "reserve (assumed)",
}


def plan_text(plan: Plan) -> str:
    """The plan as text."""
    return "\n".join(_lines(plan))


def layout_text(config: TrainConfig) -> str:
    """The layout in a line."""
    layout = config.parallelism
    return (
        f"tensor {layout.tensor}, pipeline {layout.pipeline}, context {layout.context}, "
        f"data {replicas(config)}, micro-batch {config.dataset.micro_batch_size} x {micro_batches(config)}, "
        f"{plural(layout.recompute_layers, 'layer')} recomputed"
    )


def _lines(plan: Plan) -> Iterator[str]:
    machine = plan.config.hardware
    yield f"{plan.recipe} on {plan.gpus} x {machine.gpu}, {precision_name(plan.config)}: {_verdict(plan)}"
    yield ""
    yield _row("parameters", _parameters(plan))
    yield _row("FLOPs per token", _flops(plan))
    yield _row("global batch", _batch(plan))
    yield from _schedule(plan)
    if plan.memory is None:
        yield _row("problem", plan.problem)
    else:
        yield _row("layout", layout_text(plan.config))
        yield ""
        yield from _memory(plan.config, plan.memory)
    if plan.throughput is not None:
        yield ""
        yield from _speed(plan, plan.throughput)
    elif plan.fits:
        yield ""
        yield f"No speed is predicted: nothing was published for {precision_name(plan.config)} on {machine.gpu}."
    yield ""
    yield from _advice(plan)


def _verdict(plan: Plan) -> str:
    if plan.fits:
        return (
            "fits"
            if plan.memory and comfortable(plan.config, plan.memory)
            else f"fits, tightly: {SPARE:.0%} or less is left"
        )
    least = plan.shortage.least if plan.shortage else None
    needed = least.memory if least else plan.memory
    if needed is None:
        return (
            "cannot work as it is, but can be changed" if plan.candidates or plan.remedies else "cannot work as it is"
        )
    needs = "needs at least" if least else "needs"
    return f"does not fit: {needs} {needed.total / GIB:.1f} GiB of {plan.config.hardware.memory_gib:.1f}"


def _parameters(plan: Plan) -> str:
    every = f"{plan.architecture.parameters:,}"
    if not plan.config.lora.dim:
        return every
    trained = f"{plan.trained_parameters:,} in adapters of rank {plan.config.lora.dim}"
    return f"{trained}, beside {every} that are frozen"


def _schedule(plan: Plan) -> Iterator[str]:
    yield _row("run", f"{plan.steps:,} steps, {plan.tokens:,} tokens")
    yield _row("schedule", schedule_text(plan.config.optimizer))
    if plan.steps < plan.config.optimizer.schedule_steps:
        yield _row("", f"the run ends at step {plan.steps:,} of it")
    for warning in plan.warnings:
        yield _row("", f"warning: {warning}.")


def _memory(config: TrainConfig, memory: Memory) -> Iterator[str]:
    yield f"Memory of one GPU, GiB of {config.hardware.memory_gib:.1f}"
    for name, label in LABELS.items():
        yield _row(label, f"{getattr(memory, name) / GIB:8.2f}", width=_WIDTH)
    yield _row("together", f"{memory.total / GIB:8.2f}", width=_WIDTH)


def _speed(plan: Plan, speed: Throughput) -> Iterator[str]:
    seconds, spread = run_seconds(plan, speed), speed.spread
    yield "Predicted, not measured"
    yield _row("speed", f"{speed.tokens_per_second:,.0f} tokens/s, {speed.tokens_per_second_per_gpu:,.0f} on each GPU")
    low, high = (share * speed.tokens_per_second for share in (spread.low, spread.high))
    yield _row("range", f"{low:,.0f} to {high:,.0f} tokens/s")
    yield _row("step", f"{speed.step_seconds:.2f} s")
    times = f"{duration(seconds / spread.high)} to {duration(seconds / spread.low)}"
    yield _row("time", f"{duration(seconds)} ({times}), {seconds / 3_600 * plan.gpus:,.0f} GPU-hours")
    yield _row("assumed", f"{speed.tflops:,.0f} TFLOP/s on each GPU (causal), from")
    yield _row("", speed.efficiency.source)
    yield _row("slow end", speed.efficiency.low_source)
    yield _row("fast end", speed.efficiency.high_source)
    if plan.sequence_length > PUBLISHED_LENGTH:
        share = attention_share()
        more = f"attention beyond, at {share.likely:.0%} of the bf16 peak ({share.low:.0%} to {share.high:.0%})"
        yield _row("", f"at {PUBLISHED_LENGTH:,} tokens; {more}")
    if plan.config.lora.dim:
        yield _row("", "of all weights; the adapters' small products use a GPU less well")
    if plan.architecture.parameters < 2_500_000_000:
        yield _row("", "of an 8B; smaller matrices use a GPU less well")


def _advice(plan: Plan) -> Iterator[str]:
    if plan.shortage is not None:
        yield from _shortage(plan, plan.shortage)
        return
    if plan.remedies:
        yield "Each of these makes it fit:"
        yield from (f"  {remedy}" for remedy in plan.remedies)
        yield ""
    best = recommended(plan)
    if plan.problem and best is None and not plan.remedies:
        yield "Another layout does not fix that."
    if best is not None:
        yield "Recommended layout"
        yield _row("layout", layout_text(best.config))
        yield _row("memory", f"{best.memory.total / GIB:.1f} GiB")
        if best.throughput is not None:
            time = duration(run_seconds(plan, best.throughput))
            yield _row("predicted", f"{best.throughput.tokens_per_second:,.0f} tokens/s, {time}")
        yield _row("overrides", " ".join(overrides(plan.config, best.config)))
    elif plan.throughput is not None:
        yield f"No other layout is predicted to be more than {WORTH - 1:.0%} faster."
    if best is not None or plan.fits:
        more = overrides(plan.base, best.config if best else plan.config)
        yield ""
        yield "To train so:"
        yield f"  {training_command(plan.configuration, plan.given, more)}"


def _shortage(plan: Plan, shortage: Shortage) -> Iterator[str]:
    yield f"No layout fits. The smallest one needs, on {plan.gpus} x {plan.config.hardware.gpu}:"
    yield _row("layout", layout_text(shortage.least.config))
    yield ""
    yield from _memory(shortage.least.config, shortage.least.memory)
    yield ""
    yield "What would fit:"
    if shortage.fewest_gpus is None:
        yield "  GPUs of more memory, or a smaller model"
    else:
        yield f"  {plan_command(plan.recipe, _without_layout(plan), shortage.fewest_gpus, plan.asked_tokens)}"
        yield "    the fewest GPUs of this kind on which a layout fits"
    if shortage.adapters:
        yield f"  {plan_command(shortage.adapters, _asked(plan), plan.gpus, plan.asked_tokens)}"
        yield "    low-rank adapters beside frozen weights, from a checkpoint"


def _asked(plan: Plan) -> tuple[str, ...]:
    """The overrides beside those that are the recipe."""
    return plan.given[len(configuration(plan.recipe)[1]) :]


def _without_layout(plan: Plan) -> tuple[str, ...]:
    """The same without the layout, where that is what cannot work."""
    if not plan.problem:
        return _asked(plan)
    layout = tuple(f"parallelism.{field}=" for field in SEARCHED)
    return tuple(word for word in _asked(plan) if not word.startswith((*layout, "parallelism=gpus_")))


def _flops(plan: Plan) -> str:
    causal, full = plan.flops(causal=True) / 1e9, plan.flops(causal=False) / 1e9
    return f"{causal:.3f} GF with causal attention, {full:.3f} GF with attention counted in full"


def _batch(plan: Plan) -> str:
    samples = plan.config.dataset.global_batch_size
    return f"{samples} x {plan.sequence_length} = {samples * plan.sequence_length:,} tokens"


def _row(label: str, value: str, width: int = 26) -> str:
    return f"  {label:<{width}}{value}"


_WIDTH = 2 + max(map(len, LABELS.values()))
