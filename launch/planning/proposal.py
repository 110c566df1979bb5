"""A compute proposal: what a run takes on several numbers of GPUs, as ranges, with jobs, disk and FLOPs."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

from configs.schema import TrainConfig
from foundation.errors import InputError
from launch.planning.corpora import CorpusAtHand, corpus_at_hand
from launch.planning.costs import Range
from launch.planning.overheads import Disk, Overheads, disk, overheads
from launch.planning.plan import Plan, make_plan, recommended
from launch.planning.throughput import Throughput


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A run on one number of GPUs; `config` has the layout."""

    config: TrainConfig
    throughput: Throughput
    steps: int
    likely: Overheads
    slow: Overheads
    fast: Overheads

    @property
    def gpus(self) -> int:
        """Number of GPUs."""
        return self.config.hardware.devices * self.config.hardware.num_nodes

    @property
    def seconds(self) -> Range:
        """Wall time without waiting in a queue: steps and overheads. The low end is the fastest."""
        step, spread = self.throughput.step_seconds * self.steps, self.throughput.spread
        return Range(
            low=step / spread.high + self.fast.total,
            likely=step + self.likely.total,
            high=step / spread.low + self.slow.total,
        )

    @property
    def gpu_hours(self) -> Range:
        """GPU-hours of the same."""
        return self.seconds * (self.gpus / 3600)


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """Several choices of GPUs for one run."""

    plan: Plan  # on the number that was asked for
    choices: tuple[Choice, ...]
    unsuitable: dict[int, str]  # numbers of GPUs on which no layout works or fits, and why
    job_seconds: float

    @functools.cached_property
    def corpus(self) -> CorpusAtHand | None:
        """The corpus, where it is on this machine."""
        return corpus_at_hand(self.plan.config)

    @property
    def disk(self) -> Disk:
        """What the run stores."""
        stored = self.corpus.bytes if self.corpus else None
        return disk(self.plan.config, self.plan.architecture, steps=self.plan.steps, corpus=stored)

    @property
    def total_flops(self) -> int:
        """Model FLOPs of the whole run, causal."""
        return self.plan.flops(causal=True) * self.plan.tokens

    @property
    def proposed(self) -> Choice | None:
        """The choice on the GPUs that were asked for; else the first that works."""
        return next((one for one in self.choices if one.gpus == self.plan.gpus), next(iter(self.choices), None))


def make_proposal(
    recipe: str,
    given: tuple[str, ...] = (),
    *,
    gpu: str = "",
    gpus: int = 0,
    tokens: float = 0,
    counts: Sequence[int] = (),
    job_seconds: float = 86_400,
) -> Proposal:
    """The proposal of a recipe; arguments as for `make_plan`, `counts` the numbers of GPUs to compare.

    Errors: `InputError` as a plan has them, and where no speed is predicted or a time limit is too short.
    """
    plan = make_plan(recipe, given, gpu=gpu, gpus=gpus, tokens=tokens)
    if job_seconds < 1800:
        raise InputError(
            "--time-limit is not a time, or is under half an hour",
            fix="Write HOURS:MINUTES:SECONDS, at least 00:30:00: a job needs minutes to start and to save.",
            kind="short-time-limit",
        )
    choices: list[Choice] = []
    unsuitable: dict[int, str] = {}
    for count in counts or _gpu_counts_around(plan):
        one = plan if count == plan.gpus else make_plan(recipe, given, gpu=gpu, gpus=count, tokens=tokens)
        choice = _choice(one, job_seconds)
        if choice is None:
            unsuitable[count] = _rejection(one)
        else:
            choices.append(choice)
    return Proposal(plan=plan, choices=tuple(choices), unsuitable=unsuitable, job_seconds=job_seconds)


def gpu_counts(text: str) -> tuple[int, ...]:
    """Numbers with commas between; none where there is no text. Errors: `InputError`."""
    words = [word.strip() for word in text.split(",")] if text.strip() else []
    if any(not word.isascii() or not word.isdecimal() or int(word) < 1 for word in words):
        raise InputError(f"--counts {text}", fix="Write numbers of GPUs with commas: 8,64,512.", kind="gpu-counts")
    return tuple(dict.fromkeys(map(int, words)))


def _gpu_counts_around(plan: Plan) -> list[int]:
    """The plan's number of GPUs, halves and doubles: whole nodes, or parts of one."""
    each = plan.config.hardware.devices if plan.config.hardware.num_nodes > 1 else plan.gpus
    wanted = [plan.gpus // 4, plan.gpus // 2, plan.gpus, plan.gpus * 2, plan.gpus * 4]
    return [count for count in wanted if count >= 1 and (count <= each or count % each == 0)]


def _rejection(plan: Plan) -> str:
    if plan.problem and plan.remedies:
        return f"not with this batch: give {plan.remedies[0]}"
    if plan.shortage is not None:
        return "no layout fits into the memory"
    if plan.problem:
        return "no layout works"
    return "no speed is published for this precision"


def _choice(plan: Plan, job_seconds: float) -> Choice | None:
    best = recommended(plan)
    config, speed = (best.config, best.throughput) if best else (plan.config, plan.throughput)
    if speed is None:
        return None

    def at_speed(share: float) -> Overheads:
        return overheads(config, speed.step_seconds / share, job_seconds=job_seconds)

    return Choice(
        config=config,
        throughput=speed,
        steps=plan.steps,
        likely=at_speed(1.0),
        slow=at_speed(speed.spread.low),
        fast=at_speed(speed.spread.high),
    )
