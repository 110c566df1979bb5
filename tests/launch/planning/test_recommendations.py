"""What a plan prints can be pasted: plan and training accept it, and it gives the same numbers."""

import shlex

import pytest

from configs.compose import compose_config
from launch.planning.memory import memory_per_gpu
from launch.planning.names import FACTORIES, FINETUNE_FACTORIES, LONG_FACTORIES
from launch.planning.plan import Plan, make_plan, recommended
from launch.planning.record import as_json
from launch.planning.search import comfortable, fits
from launch.planning.text import plan_text
from launch.preflight.check import check_config

RECIPES = sorted(name for name in (*FACTORIES, *LONG_FACTORIES, *FINETUNE_FACTORIES) if "tiny" not in name)
MACHINES = [("h100", 1), ("a100", 16), ("h200", 64), ("gb200", 4)]
NAMED = ("parallelism=gpus_64", "precision.grad_reduce_in_fp32=true")


def printed(plan: Plan) -> tuple[str, list[str]] | None:
    """Configuration and overrides of the training command that the text ends with."""
    lines = plan_text(plan).splitlines()
    if "To train so:" not in lines:
        return None
    words = shlex.split(lines[lines.index("To train so:") + 1])
    assert words[:4] == ["python", "-m", "recipes.train", "--config-name"]
    return words[4], words[5:]


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("given", [(), NAMED], ids=["plain", "named layout"])
def test_the_printed_command_is_the_plan(recipe: str, given: tuple[str, ...]) -> None:
    for gpu, gpus in MACHINES:
        plan = make_plan(recipe, given, gpu=gpu, gpus=gpus)
        command = printed(plan)
        assert (command is None) == (not plan.fits and recommended(plan) is None)
        if command is None:
            continue
        best = recommended(plan)
        config, memory, speed = (
            (best.config, best.memory, best.throughput) if best else (plan.config, plan.memory, plan.throughput)
        )
        resolved = compose_config(*command)
        assert resolved == config
        check_config(resolved)
        again = make_plan(command[0], tuple(command[1]))
        assert again.fits
        assert (again.memory, again.throughput) == (memory, speed)
        assert make_plan(command[0], tuple(command[1]), gpu=gpu, gpus=gpus).memory == memory  # with the options too


@pytest.mark.parametrize("recipe", RECIPES)
def test_each_remedy_can_be_pasted(recipe: str) -> None:
    """After the same words, a named layout among them."""
    for gpu, gpus in (("h100", 8), ("a100", 64), ("h200", 1)):
        plan = make_plan(recipe, NAMED, gpu=gpu, gpus=gpus)
        for remedy in plan.remedies:
            assert make_plan(recipe, (*NAMED, *remedy.split()), gpu=gpu, gpus=gpus).fits, remedy


def test_a_named_layout_is_left_where_it_is_not_the_machines() -> None:
    """And only there."""
    plan = make_plan("llama3_8b_genomic", ("parallelism=gpus_64",), gpus=8)
    assert "this layout is for 64 GPUs" in plan.problem
    assert "overrides                 parallelism.gpus=null\n" in plan_text(plan)
    assert "gpus=null" not in plan_text(make_plan("llama3_8b_genomic", ("parallelism=gpus_64",), gpus=64))


def test_tokens_become_steps() -> None:
    plan = make_plan("llama3_8b_genomic", tokens=1e12)
    command = printed(plan)
    assert command is not None
    assert "trainer.max_steps=317892" in command[1]
    assert plan.steps * 384 * 8192 >= 1e12 > (plan.steps - 1) * 384 * 8192
    assert "warning: the schedule ends at step 182,314 of 317,892" in plan_text(plan)
    assert as_json(plan)["warnings"] == list(plan.warnings)
    assert "the run ends at step 318 of it" in plan_text(make_plan("llama3_8b_genomic", tokens=1e9))


def test_a_schedule_in_a_line() -> None:
    assert "cosine: 2,500 steps of warm-up to 3e-05, down to 6e-07 at step 182,314" in plan_text(
        make_plan("llama3_8b_genomic")
    )
    wsd = make_plan("llama3_1b_genomic", ("optimizer=wsd",))
    assert "wsd: 2,500 steps of warm-up to 0.0003, constant, from step 90,000 down to 0 at step 100,000" in plan_text(
        wsd
    )
    assert wsd.warnings == ()


@pytest.mark.parametrize("size", ["18b", "28b", "35b"])
def test_why_nothing_fits_and_what_would(size: str) -> None:
    """The memory that is wanted, the fewest GPUs, and adapters; each of them holds."""
    plan = make_plan(f"llama3_{size}_genomic", gpu="h100", gpus=1)
    assert plan.shortage is not None
    least, fewest = plan.shortage.least, plan.shortage.fewest_gpus
    assert least is not None
    assert fewest is not None
    text = plan_text(plan)
    assert f"does not fit: needs at least {least.memory.total / 2**30:.1f} GiB of 79.6" in text
    assert least.memory.total == memory_per_gpu(least.config, plan.architecture, 8192).total
    assert not fits(least.config, least.memory)
    assert make_plan(plan.recipe, gpu="h100", gpus=fewest).candidates
    fewer = [gpus for gpus in (2, 4, 8) if gpus < fewest]
    assert not any(make_plan(plan.recipe, gpu="h100", gpus=gpus).candidates for gpus in fewer)
    for line in [line for line in text.splitlines() if line.startswith("  genomic-llama plan ")]:
        _, _, recipe, *given, option, gpus = shlex.split(line)
        assert option == "--gpus"
        assert make_plan(recipe, tuple(given), gpus=int(gpus)).candidates
    assert as_json(plan)["fewest_gpus"] == fewest


@pytest.mark.parametrize(
    ("recipe", "gpus", "sizes"), [("llama3_1b_genomic", 3, [252, 264]), ("llama3_8b_genomic", 512, [512])]
)
def test_a_global_batch_that_divides_is_named(recipe: str, gpus: int, sizes: list[int]) -> None:
    plan = make_plan(recipe, gpu="h100", gpus=gpus)
    assert "is not a multiple of" in plan.problem
    assert list(plan.remedies) == [f"dataset.global_batch_size={size}" for size in sizes]
    for remedy in plan.remedies:
        assert make_plan(recipe, (remedy,), gpu="h100", gpus=gpus).fits


def test_where_no_machine_is_enough() -> None:
    plan = make_plan("llama3_35b_genomic", ("dataset.global_batch_size=1",), gpu="h100", gpus=1)
    assert plan.shortage is not None
    assert plan.shortage.fewest_gpus == 8
    own = make_plan("llama3_35b_genomic", ("hardware.gpu=l40s", "hardware.memory_gib=45"), gpus=4)
    assert "plan llama3_35b_genomic hardware.gpu=l40s hardware.memory_gib=45 --gpus 16" in plan_text(own)
    short = make_plan("llama3_35b_genomic", gpu="h100", gpus=1, tokens=123456789012)
    assert "--tokens 123456789012\n" in plan_text(short)
    tiny = make_plan("llama3_8b_genomic", ("hardware.memory_gib=1",), gpus=1)
    assert tiny.shortage is not None
    assert tiny.shortage.fewest_gpus is None
    assert "GPUs of more memory, or a smaller model" in plan_text(tiny)


@pytest.mark.parametrize(
    ("value", "verdict"),
    [
        ("parallelism.recompute_layers=33", "but can be changed"),
        ("parallelism.recompute_layers=-1", "but can be changed"),
        ("parallelism.pipeline=5", "but can be changed"),
        ("dataset.sequence_length=16384", "Another layout does not fix that."),
        ("parallelism.distributed_optimizer=false", "Another layout does not fix that."),
    ],
)
def test_what_is_no_want_of_memory_gets_no_remedy_of_memory(value: str, verdict: str) -> None:
    plan = make_plan("llama3_8b_genomic", (value,))
    text = plan_text(plan)
    assert plan.shortage is None
    assert verdict in text
    assert plan.problem in text
    assert "does not fit" not in text
    assert "--gpus" not in text
    assert "GPUs of more memory" not in text


def test_the_fewest_gpus_are_not_told_with_a_layout_that_cannot_work() -> None:
    text = plan_text(make_plan("llama3_35b_genomic", ("parallelism.pipeline=5", "optimizer.lr=1e-4"), gpus=1))
    (line,) = [line for line in text.splitlines() if line.startswith("  genomic-llama plan llama3_35b_genomic ")]
    assert line == "  genomic-llama plan llama3_35b_genomic optimizer.lr=1e-4 --gpus 8"


def test_what_is_recommended_leaves_some_memory() -> None:
    for recipe in RECIPES:
        for gpu in ("h100", "h200"):
            plan = make_plan(recipe, gpu=gpu, gpus=8)
            best = recommended(plan)
            assert best is None or comfortable(best.config, best.memory), recipe
    tight = make_plan("llama3_8b_genomic", ("hardware.memory_gib=74",), gpus=8)
    assert plan_text(tight).splitlines()[0].endswith(": fits, tightly: 3% or less is left")
    assert plan_text(make_plan("llama3_8b_genomic", gpus=8)).splitlines()[0].endswith(": fits")
