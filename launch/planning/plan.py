"""A plan: does a recipe fit on a machine, how fast might it go, how long does it take, and what would be better."""

import dataclasses
import functools
import math
from dataclasses import dataclass

from configs.compose import compose_config, hardware_values
from configs.extension import run_architecture
from configs.llama import LlamaArchitecture
from configs.schema import TrainConfig
from foundation.errors import InputError
from foundation.spelling import option
from launch.planning.corpora import corpus_at_hand, epochs_warning
from launch.planning.memory import Memory, memory_per_gpu
from launch.planning.names import configuration
from launch.planning.remedies import other_batches, remedies
from launch.planning.rules import check_run, check_values
from launch.planning.search import Candidate, fits, on_gpus, search_layouts
from launch.planning.shortage import Shortage, shortage_of
from launch.planning.throughput import Throughput, predict_throughput
from launch.planning.warnings import warnings
from training.metrics.flops import flops_per_token, layer_adapters


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The output of `genomic-llama plan`."""

    recipe: str
    configuration: str  # name in configs/
    given: tuple[str, ...]  # the overrides of it that were asked for
    base: TrainConfig  # what both lead to
    config: TrainConfig  # that on the GPUs that were asked for
    architecture: LlamaArchitecture
    sequence_length: int
    asked_tokens: float  # as --tokens had them; 0: none
    tokens: int  # of the whole run
    problem: str  # why the recipe's own layout cannot work at all; "" where it can
    memory: Memory | None
    throughput: Throughput | None

    @functools.cached_property
    def remedies(self) -> tuple[str, ...]:
        """Single changes that make the recipe fit, as overrides; none where it fits, or its layout cannot work."""
        if self.fits:
            return ()
        find = remedies if self.memory is not None else other_batches
        return find(self.config, self.architecture, self.sequence_length)

    @functools.cached_property
    def candidates(self) -> tuple[Candidate, ...]:
        """Layouts that fit, best first."""
        return tuple(search_layouts(self.config, self.architecture, self.sequence_length))

    @functools.cached_property
    def shortage(self) -> Shortage | None:
        """The missing memory if no layout fits; None if one fits, or if none can work with any memory."""
        if self.fits or self.candidates or self.remedies:
            return None
        return shortage_of(self.config, self.architecture, self.sequence_length)

    @property
    def fits(self) -> bool:
        """True if the unchanged recipe can work and fits into memory."""
        return self.memory is not None and fits(self.config, self.memory)

    @property
    def gpus(self) -> int:
        """Number of GPUs."""
        return self.config.hardware.devices * self.config.hardware.num_nodes

    @property
    def steps(self) -> int:
        """Of the whole run."""
        return self.config.trainer.max_steps

    @property
    def trained_parameters(self) -> int:
        """All of them, or those of the adapters."""
        if not self.config.lora.dim:
            return self.architecture.parameters
        return self.architecture.num_hidden_layers * layer_adapters(self.architecture, self.config.lora.ranks)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What works, and may not be meant."""
        epochs = epochs_warning(self.tokens, corpus_at_hand(self.config))
        return (*warnings(self.config), *([epochs] if epochs else []))

    def flops(self, *, causal: bool) -> int:
        """FLOPs of one token."""
        ranks = self.config.lora.ranks
        return flops_per_token(self.architecture, self.sequence_length, causal=causal, lora_dim=ranks)


def make_plan(recipe: str, overrides: tuple[str, ...] = (), *, gpu: str = "", gpus: int = 0, tokens: float = 0) -> Plan:
    """The plan of a recipe (a factory's or a configuration's name) on `gpus` GPUs of the kind `gpu`.

    `gpu` "" and `gpus` 0 leave what the recipe says; `tokens` 0 takes the recipe's steps.
    Errors: `InputError` for what is unknown, and for a precision that the GPU does not have.
    """
    name, own = configuration(recipe)
    _check_options(overrides, gpu=gpu, tokens=tokens)
    given = (*own, *_machine(gpu, gpus), *overrides)
    base = compose_config(name, given)
    config = base
    if config.finetune and config.init_from is None:
        config = dataclasses.replace(config, init_from="CHECKPOINT")  # which one makes no difference
    if config.head.kind != "none" and config.head.train is None:
        config = dataclasses.replace(config, head=dataclasses.replace(config.head, train="TABLE"))  # likewise
    check_values(config)
    if config.hardware.accelerator != "gpu":
        raise InputError(
            "a plan is for GPUs",
            where=recipe,
            fix=f"Give one, for example {option('gpu', 'h100')}.",
            kind="plan-for-cpu",
        )
    if config.hardware.memory_gib <= 0:
        raise InputError(
            "hardware.memory_gib is not known",
            where=recipe,
            fix=f"Give {option('gpu')}, or hardware.memory_gib=GIB.",
            kind="unknown-memory",
        )
    config = on_gpus(config, gpus) if gpus else config
    architecture = run_architecture(config)
    sequence_length = config.dataset.sequence_length or architecture.max_position_embeddings
    batch = config.dataset.global_batch_size * sequence_length
    if tokens:
        config = dataclasses.replace(
            config, trainer=dataclasses.replace(config.trainer, max_steps=math.ceil(tokens / batch))
        )
    problem = _problem(config, architecture, sequence_length)
    memory = None if problem else memory_per_gpu(config, architecture, sequence_length)
    return Plan(
        recipe=recipe,
        configuration=name,
        given=given,
        base=base,
        config=config,
        architecture=architecture,
        sequence_length=sequence_length,
        asked_tokens=tokens,
        tokens=int(tokens) or config.trainer.max_steps * batch,
        problem=problem,
        memory=memory,
        throughput=predict_throughput(config, architecture, sequence_length)
        if memory and fits(config, memory)
        else None,
    )


def precision_name(config: TrainConfig) -> str:
    """bf16, fp32, or FP8 with its scaling."""
    if config.precision.fp8 != "none":
        return f"FP8 {config.precision.fp8}"
    return "bf16" if config.precision.compute == "bf16-mixed" else "fp32"


WORTH = 1.05
"""How much faster a layout must be to be recommended over one that fits. Predictions are not more precise."""


def recommended(plan: Plan) -> Candidate | None:
    """The best layout; None where none fits, or the recipe's own is about as fast."""
    best = plan.candidates[0] if plan.candidates else None
    if best is None or not plan.fits:
        return best
    own = plan.throughput.tokens_per_second if plan.throughput else 0.0
    return best if best.tokens_per_second > WORTH * own else None


def run_seconds(plan: Plan, throughput: Throughput) -> float:
    """Wall time for the plan's tokens."""
    return plan.tokens / throughput.tokens_per_second


def _check_options(overrides: tuple[str, ...], *, gpu: str, tokens: float) -> None:
    """Refuse options that are not numbers of tokens, or that contradict an override."""
    if not math.isfinite(tokens) or tokens < 0 or 0 < tokens < 1:
        raise InputError(
            f"{option('tokens', tokens)} is not a number of tokens", fix="Give one, 1e12 for example.", kind="tokens"
        )
    for override in overrides:
        key, _, value = override.partition("=")
        if gpu and key in ("hardware", "hardware.gpu") and value != gpu:
            raise InputError(f"{option('gpu', gpu)} with {override}", fix="Give one of them.", kind="gpu-twice")
        if tokens and key == "trainer.max_steps":
            raise InputError(
                f"{option('tokens', tokens)} with {override}",
                fix="Give one of them: both say how long the run is.",
                kind="tokens-twice",
            )


def _machine(gpu: str, gpus: int) -> tuple[str, ...]:
    if gpus < 0:
        raise InputError(f"{option('gpus', gpus)} is below 0", fix="Give a number above 0.", kind="gpus")
    if not gpu:
        return ()
    hardware_values(gpu)  # a misspelt one ends here
    return (f"hardware={gpu}",)


def _problem(config: TrainConfig, architecture: LlamaArchitecture, sequence_length: int) -> str:
    try:
        check_run(config, architecture, sequence_length)
    except InputError as error:
        return f"{error.problem}. {error.fix}"
    return ""
