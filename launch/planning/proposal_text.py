"""A compute proposal in Markdown: tables, what they rest on, and a paragraph in plain words to paste."""

from collections.abc import Iterator
from typing import Any

from foundation.pages.quantities import duration, plural, short
from launch.planning.costs import Range
from launch.planning.memory import replicas
from launch.planning.overheads import GPU_HOURS_BETWEEN_FAILURES, SAVE_SECONDS, START_SECONDS, Overheads
from launch.planning.plan import precision_name
from launch.planning.proposal import Choice, Proposal

_OVERHEADS = {
    "validation": "validation",
    "checkpoints": "checkpoints",
    "starts": "starts of jobs",
    "failures": "failures",
}


def proposal_text(proposal: Proposal) -> str:
    """The proposal as Markdown."""
    return "\n".join(_lines(proposal))


def proposal_json(proposal: Proposal) -> dict[str, Any]:
    """The proposal as plain values: bytes, seconds, FLOPs. A range is its low end, likely value and high end."""
    disk, corpus = proposal.disk, proposal.corpus
    return {
        "recipe": proposal.plan.recipe,
        "gpu": proposal.plan.config.hardware.gpu,
        "precision": precision_name(proposal.plan.config),
        "tokens": proposal.plan.tokens,
        "steps": proposal.plan.steps,
        "flops": proposal.total_flops,
        "corpus_tokens": corpus.tokens if corpus else None,
        "epochs": proposal.plan.tokens / corpus.tokens if corpus and corpus.tokens else None,
        "disk_bytes": {"checkpoint": disk.checkpoint, "checkpoints": disk.checkpoints, "corpus": disk.corpus},
        "job_seconds": proposal.job_seconds,
        "choices": [_choice_json(one) for one in proposal.choices],
        "unsuitable": {str(count): reason for count, reason in proposal.unsuitable.items()},
        "warnings": list(proposal.plan.warnings),
    }


def _choice_json(one: Choice) -> dict[str, Any]:
    return {
        "gpus": one.gpus,
        "seconds": _three(one.seconds),
        "gpu_hours": _three(one.gpu_hours),
        "tokens_per_second": _three(one.throughput.spread * one.throughput.tokens_per_second),
        "jobs": [one.fast.jobs, one.likely.jobs, one.slow.jobs],
        "overhead_seconds": {name: getattr(one.likely, name) for name in _OVERHEADS},
    }


def _lines(proposal: Proposal) -> Iterator[str]:
    plan, machine = proposal.plan, proposal.plan.config.hardware
    yield f"# Compute for {plan.recipe} on {machine.gpu}, {precision_name(plan.config)}"
    yield ""
    yield f"{plan.tokens:,} tokens, {plan.steps:,} steps, {proposal.total_flops:.3g} FLOPs (causal attention)."
    yield from _corpus(proposal)
    yield from (f"Warning: {warning}." for warning in plan.warnings)
    yield ""
    yield from _table(proposal)
    proposed = proposal.proposed
    if proposed is None:
        yield ""
        yield "No speed is predicted on any of these. `genomic-llama plan` without `--proposal` says why."
        return
    yield ""
    yield from _reasons(proposed)
    yield ""
    yield from _overheads(proposal, proposed)
    yield ""
    yield from _disk(proposal)
    yield ""
    yield "## In words"
    yield ""
    yield _paragraph(proposal, proposed)


def _corpus(proposal: Proposal) -> Iterator[str]:
    corpus = proposal.corpus
    if corpus is None:
        yield "The corpus is not on this machine, so its epochs and its size on disk are not known."
    elif corpus.tokens:
        yield f"{proposal.plan.tokens / corpus.tokens:,.2f} epochs of {corpus.tokens:,} training tokens."


def _table(proposal: Proposal) -> Iterator[str]:
    hours = proposal.job_seconds / 3600
    yield f"| GPUs | layout | tokens/s | wall time | GPU-hours | jobs of {hours:g} h |"
    yield "| ---: | --- | ---: | ---: | ---: | ---: |"
    for one in proposal.choices:
        speed = one.throughput.spread * one.throughput.tokens_per_second
        yield (
            f"| {one.gpus:,} | {_layout(one)} | {short(speed.likely)} ({short(speed.low)} to {short(speed.high)}) "
            f"| {duration(one.seconds.likely)} ({duration(one.seconds.low)} to {duration(one.seconds.high)}) "
            f"| {one.gpu_hours.likely:,.0f} ({one.gpu_hours.low:,.0f} to {one.gpu_hours.high:,.0f}) "
            f"| {one.likely.jobs} ({one.fast.jobs} to {one.slow.jobs}) |"
        )
    yield from (f"| {count:,} | {reason} | | | | |" for count, reason in proposal.unsuitable.items())


def _layout(one: Choice) -> str:
    layout = one.config.parallelism
    split = [
        f"{name} {size}"
        for name, size in (("tensor", layout.tensor), ("pipeline", layout.pipeline), ("context", layout.context))
        if size > 1
    ]
    return ", ".join([*split, f"data {replicas(one.config)}"])


def _reasons(proposed: Choice) -> Iterator[str]:
    efficiency = proposed.throughput.efficiency
    yield "## Why a range"
    yield ""
    yield "Nothing here was measured by this project. The speeds are shares of the GPU's peak that others published."
    yield ""
    yield f"- likely: {efficiency.source}"
    yield f"- slow end: {efficiency.low_source}"
    yield f"- fast end: {efficiency.high_source}"
    yield "- the likely value needs a machine and settings as well tuned as those; the slow end is the safer request"
    yield f"- more GPUs than the {efficiency.gpus} of that measurement, and other layouts, cost more: docs/planning.md"
    yield "- not in it: a slow network or file system, and time in the queue"


def _overheads(proposal: Proposal, proposed: Choice) -> Iterator[str]:
    yield f"## Beside the optimizer steps, on {plural(proposed.gpus, 'GPU')}"
    yield ""
    yield "| | likely | what it rests on |"
    yield "| --- | ---: | --- |"
    for name, reason in _overhead_reasons(proposal, proposed.likely).items():
        yield f"| {_OVERHEADS[name]} | {duration(getattr(proposed.likely, name))} | {reason} |"
    share = proposed.likely.total / proposed.seconds.likely
    yield f"| together | {duration(proposed.likely.total)} | {share:.1%} of the wall time |"


def _overhead_reasons(proposal: Proposal, likely: Overheads) -> dict[str, str]:
    trainer = proposal.plan.config.trainer
    return {
        "validation": f"{trainer.validation_batches} x a global batch, forward only, "
        f"every {trainer.validate_every:,} steps",
        "checkpoints": f"{SAVE_SECONDS:.0f} s (assumed) every {trainer.checkpoint_every:,} steps",
        "starts": f"{START_SECONDS:.0f} s (assumed) for each of {plural(likely.jobs, 'job')}",
        "failures": f"one in {GPU_HOURS_BETWEEN_FAILURES:,} GPU-hours (Llama 3, 2024), and half a checkpoint interval "
        "repeated",
    }


def _disk(proposal: Proposal) -> Iterator[str]:
    disk, kept = proposal.disk, proposal.plan.config.trainer.keep_checkpoints
    yield "## Disk"
    yield ""
    number = "all are kept" if kept == -1 else f"{kept} are kept, and one is being written"
    yield f"- checkpoints: {_bytes(disk.checkpoints)}; {_bytes(disk.checkpoint)} each, {number}"
    stored = _bytes(disk.corpus) if disk.corpus is not None else "one byte per base and document; not on this machine"
    yield f"- prepared corpus: {stored}"


def _paragraph(proposal: Proposal, one: Choice) -> str:
    plan = proposal.plan
    days, hours = one.seconds * (1 / 86_400), one.gpu_hours
    work = "train low-rank adapters for" if plan.config.lora.dim else "fine-tune" if plan.config.finetune else "train"
    return (
        f"We will {work} a genomic language model of {short(plan.architecture.parameters)} parameters on "
        f"{short(plan.tokens)} tokens{_epochs(proposal)}, where a token is one base, "
        f"with sequences of {plan.sequence_length:,}. This is "
        f"{proposal.total_flops:.2g} floating-point operations. On {_gpus(one)} in {precision_name(plan.config)} "
        f"we expect {days.likely:.1f} days of computation, between {days.low:.1f} and "
        f"{days.high:.1f}, which is {_rounded(hours.likely)} GPU-hours, between {_rounded(hours.low)} and "
        f"{_rounded(hours.high)}. The estimate takes its speed from published measurements of models of this "
        f"architecture, and includes validation, checkpoints, restarts and hardware failures. {_jobs(proposal, one)} "
        f"We need {_bytes(proposal.disk.total)} of disk"
        + ("." if proposal.disk.corpus is not None else " for checkpoints, and one byte per base for the corpus.")
    )


def _epochs(proposal: Proposal) -> str:
    corpus = proposal.corpus
    return f" ({proposal.plan.tokens / corpus.tokens:,.1f} epochs of the corpus)" if corpus and corpus.tokens else ""


def _gpus(one: Choice) -> str:
    return plural(one.gpus, f"NVIDIA {one.config.hardware.gpu.upper()} GPU")


def _jobs(proposal: Proposal, one: Choice) -> str:
    limit = f"{proposal.job_seconds / 3600:g} hours"
    if one.likely.jobs == 1:
        return f"It fits into one job of {limit}."
    return (
        f"The work is cut into about {one.likely.jobs} jobs of up to {limit}, each of which continues from the "
        "checkpoint of the last."
    )


def _three(one: Range) -> list[float]:
    return [one.low, one.likely, one.high]


def _rounded(value: float) -> str:
    """Two or three digits: no prediction has more."""
    return f"{float(f'{value:.3g}'):,.0f}"


def _bytes(size: int) -> str:
    for factor, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB")):
        if size >= factor:
            return f"{size / factor:.3g} {unit}"
    return f"{size:,} bytes"
