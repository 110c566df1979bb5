"""A plan as plain values, for `--json`."""

import dataclasses
from typing import Any

from configs.schema import TrainConfig
from launch.planning.commands import overrides, training_command
from launch.planning.memory import Memory, micro_batches, replicas
from launch.planning.plan import Plan, precision_name, run_seconds
from launch.planning.throughput import Throughput


def as_json(plan: Plan) -> dict[str, Any]:
    """The plan as plain values; bytes, seconds and FLOPs."""
    shortage = plan.shortage
    return {
        "recipe": plan.recipe,
        "gpu": plan.config.hardware.gpu,
        "gpus": plan.gpus,
        "precision": precision_name(plan.config),
        "parameters": plan.architecture.parameters,
        "trained_parameters": plan.trained_parameters,
        "sequence_length": plan.sequence_length,
        "global_batch_size": plan.config.dataset.global_batch_size,
        "flops_per_token": {"causal": plan.flops(causal=True), "full": plan.flops(causal=False)},
        "gpu_memory_bytes": int(plan.config.hardware.memory_gib * 2**30),
        "steps": plan.steps,
        "tokens": plan.tokens,
        "warnings": list(plan.warnings),
        "fits": plan.fits,
        "problem": plan.problem or None,
        "remedies": list(plan.remedies),
        "least_memory_bytes": _memory(shortage.least.memory) if shortage else None,
        "fewest_gpus": shortage.fewest_gpus if shortage else None,
        "recipe_layout": None if plan.memory is None else _candidate(plan, plan.config, plan.memory, plan.throughput),
        "recommended": [_candidate(plan, one.config, one.memory, one.throughput) for one in plan.candidates[:3]],
    }


def _candidate(plan: Plan, config: TrainConfig, memory: Memory, speed: Throughput | None) -> dict[str, Any]:
    more = overrides(plan.base, config)
    values: dict[str, Any] = {
        "overrides": list(more),
        "command": training_command(plan.configuration, plan.given, more),
        "layout": dataclasses.asdict(config.parallelism),
        "micro_batch_size": config.dataset.micro_batch_size,
        "data_parallel": replicas(config),
        "micro_batches": micro_batches(config),
        "memory_bytes": _memory(memory),
        "predicted": None,
    }
    if speed is not None:
        seconds = run_seconds(plan, speed)
        values["predicted"] = {
            "tokens_per_second": speed.tokens_per_second,
            "tokens_per_second_per_gpu": speed.tokens_per_second_per_gpu,
            "tflops_per_gpu_causal": speed.tflops,
            "step_seconds": speed.step_seconds,
            "days": seconds / 86_400,
            "gpu_hours": seconds / 3_600 * plan.gpus,
            "tokens_per_second_range": [
                share * speed.tokens_per_second for share in (speed.spread.low, speed.spread.high)
            ],
            "assumption": speed.efficiency.source,
            "slowest": speed.efficiency.low_source,
            "fastest": speed.efficiency.high_source,
        }
    return values


def _memory(memory: Memory) -> dict[str, int]:
    return {**dataclasses.asdict(memory), "total": memory.total}
