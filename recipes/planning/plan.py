"""A plan: does a recipe fit on a machine, how fast might it go, how long does it take, and what would be better."""

import dataclasses
import functools
import math
from dataclasses import dataclass
from typing import Any

from conduct.errors import InputError
from configs.llama import LlamaArchitecture, read_architecture
from configs.quick import group_values, quick_config
from configs.schema import TrainConfig
from recipes.names import configuration
from recipes.planning.flops import flops_per_token
from recipes.planning.memory import Memory, memory_per_gpu, micro_batches, replicas
from recipes.planning.remedies import remedies
from recipes.planning.search import Candidate, fits, search_layouts
from recipes.planning.throughput import Throughput, predict_throughput
from recipes.rules import check_run, check_values


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What `genomic-llama plan` tells."""

    recipe: str
    config: TrainConfig
    architecture: LlamaArchitecture
    sequence_length: int
    tokens: int  # of the whole run
    problem: str  # why the recipe's own layout cannot work at all; "" where it can
    memory: Memory | None
    throughput: Throughput | None

    @functools.cached_property
    def remedies(self) -> tuple[str, ...]:
        """Single changes that make the recipe fit, as overrides; none where it fits, or cannot work at all."""
        needed = self.memory is not None and not self.fits
        return remedies(self.config, self.architecture, self.sequence_length) if needed else ()

    @functools.cached_property
    def candidates(self) -> tuple[Candidate, ...]:
        """Layouts that fit, best first."""
        return tuple(search_layouts(self.config, self.architecture, self.sequence_length))

    @property
    def fits(self) -> bool:
        """True where the recipe can work as it is and its memory is enough."""
        return self.memory is not None and fits(self.config, self.memory)

    @property
    def gpus(self) -> int:
        """Number of GPUs."""
        return self.config.hardware.devices * self.config.hardware.num_nodes

    def flops(self, *, causal: bool) -> int:
        """FLOPs of one token."""
        return flops_per_token(self.architecture, self.sequence_length, causal=causal)


def make_plan(recipe: str, overrides: tuple[str, ...] = (), *, gpu: str = "", gpus: int = 0, tokens: float = 0) -> Plan:
    """The plan of a recipe (a factory's or a configuration's name) on `gpus` GPUs of the kind `gpu`.

    `gpu` "" and `gpus` 0 leave what the recipe says; `tokens` 0 takes the recipe's steps.
    Errors: `InputError` for what is unknown, and for a precision that the GPU does not have.
    """
    name, own = configuration(recipe)
    config = quick_config(name, (*own, *_machine(gpu, gpus), *overrides))
    if config.finetune and config.init_from is None:
        config = dataclasses.replace(config, init_from="CHECKPOINT")  # which one makes no difference
    check_values(config)
    if not math.isfinite(tokens) or 0 < tokens < 1:
        raise InputError(f"--tokens {tokens}", fix="Give a number of tokens, 1e12 for example.")
    config = _spread(config, gpus)
    if config.hardware.accelerator != "gpu":
        raise InputError("a plan is for GPUs", where=recipe, fix="Give one, for example --gpu h100.")
    if config.hardware.memory_gib <= 0:
        raise InputError(
            "hardware.memory_gib is not known", where=recipe, fix="Give --gpu, or hardware.memory_gib=GIB."
        )
    if config.lora.dim:
        raise InputError(
            f"no plan for adapters (lora.dim={config.lora.dim})",
            where=recipe,
            fix="Plan the training of all weights, llama3_8b_genomic_finetune for example: it takes more.",
        )
    architecture = read_architecture(config.model_tag)
    sequence_length = config.dataset.sequence_length or architecture.max_position_embeddings
    problem = _problem(config, architecture, sequence_length)
    memory = None if problem else memory_per_gpu(config, architecture, sequence_length)
    batch = config.dataset.global_batch_size * sequence_length
    return Plan(
        recipe=recipe,
        config=config,
        architecture=architecture,
        sequence_length=sequence_length,
        tokens=int(tokens) or config.trainer.max_steps * batch,
        problem=problem,
        memory=memory,
        throughput=predict_throughput(config, architecture, sequence_length)
        if memory and fits(config, memory)
        else None,
    )


def as_json(plan: Plan) -> dict[str, Any]:
    """The plan as plain values; bytes, seconds and FLOPs."""
    return {
        "recipe": plan.recipe,
        "gpu": plan.config.hardware.gpu,
        "gpus": plan.gpus,
        "precision": precision_name(plan.config),
        "parameters": plan.architecture.parameters,
        "sequence_length": plan.sequence_length,
        "global_batch_size": plan.config.dataset.global_batch_size,
        "flops_per_token": {"causal": plan.flops(causal=True), "full": plan.flops(causal=False)},
        "gpu_memory_bytes": int(plan.config.hardware.memory_gib * 2**30),
        "tokens": plan.tokens,
        "fits": plan.fits,
        "problem": plan.problem or None,
        "remedies": list(plan.remedies),
        "recipe_layout": None
        if plan.memory is None
        else _candidate_json(plan, plan.config, plan.memory, plan.throughput),
        "recommended": [_candidate_json(plan, one.config, one.memory, one.throughput) for one in plan.candidates[:3]],
    }


def precision_name(config: TrainConfig) -> str:
    """bf16, fp32, or FP8 with its scaling."""
    if config.precision.fp8 != "none":
        return f"FP8 {config.precision.fp8}"
    return "bf16" if config.precision.compute == "bf16-mixed" else "fp32"


WORTH = 1.05
"""How much faster a layout has to be to be recommended in place of one that fits; predictions are no finer."""


def recommended(plan: Plan) -> Candidate | None:
    """The best layout; None where none fits, or the recipe's own is about as fast."""
    best = plan.candidates[0] if plan.candidates else None
    if best is None or not plan.fits:
        return best
    own = plan.throughput.tokens_per_second if plan.throughput else 0.0
    return best if best.tokens_per_second > WORTH * own else None


def duration(plan: Plan, throughput: Throughput) -> tuple[float, float]:
    """Days, and GPU-hours, for the plan's tokens."""
    seconds = plan.tokens / throughput.tokens_per_second
    return seconds / 86_400, seconds / 3_600 * plan.gpus


def _candidate_json(plan: Plan, config: TrainConfig, memory: Memory, speed: Throughput | None) -> dict[str, Any]:
    values: dict[str, Any] = {
        "layout": dataclasses.asdict(config.parallelism),
        "micro_batch_size": config.dataset.micro_batch_size,
        "data_parallel": replicas(config),
        "micro_batches": micro_batches(config),
        "memory_bytes": {**dataclasses.asdict(memory), "total": memory.total},
    }
    if speed is not None:
        days, hours = duration(plan, speed)
        values["predicted"] = {
            "tokens_per_second": speed.tokens_per_second,
            "tokens_per_second_per_gpu": speed.tokens_per_second_per_gpu,
            "tflops_per_gpu_causal": speed.tflops,
            "step_seconds": speed.step_seconds,
            "days": days,
            "gpu_hours": hours,
            "assumption": speed.efficiency.source,
        }
    return values


def _machine(gpu: str, gpus: int) -> tuple[str, ...]:
    if gpus < 0:
        raise InputError(f"--gpus {gpus}", fix="Give a number above 0.")
    if not gpu:
        return ()
    group_values("hardware", gpu)  # a misspelt one ends here
    return (f"hardware={gpu}",)


def _spread(config: TrainConfig, gpus: int) -> TrainConfig:
    """`gpus` on as few nodes as hold them."""
    if not gpus:
        return config
    each = config.hardware.devices
    if gpus > each and gpus % each:
        raise InputError(f"--gpus {gpus} is no multiple of {each}", fix=f"A node has {each}; use whole nodes.")
    hardware = dataclasses.replace(config.hardware, devices=min(gpus, each), num_nodes=max(1, gpus // each))
    return dataclasses.replace(config, hardware=hardware)


def _problem(config: TrainConfig, architecture: LlamaArchitecture, sequence_length: int) -> str:
    try:
        check_run(config, architecture, sequence_length)
    except InputError as error:
        return f"{error.problem}. {error.fix}"
    return ""
