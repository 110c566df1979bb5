"""Plans against what was published, and against what Megatron-Core itself builds and holds."""

import dataclasses
import json
import math
import resource
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from nemo_process import run_in_process
from refusal import refused
from scale_cases import count_on_meta, count_optimizer_bytes
from typer.testing import CliRunner

from configs.compose import compose_config
from configs.llama import read_architecture
from configs.schema import TrainConfig
from genomic_llama.cli.main import app
from launch.planning.memory import GIB, memory_per_gpu, optimizer_copies, stage_parameters, state_bytes
from launch.planning.names import FACTORIES, LONG_FACTORIES
from launch.planning.picture import write_picture
from launch.planning.plan import make_plan, recommended
from launch.planning.record import as_json
from launch.planning.search import change_layout, comfortable, fits
from launch.planning.text import plan_text
from training.metrics.flops import flops_per_token, matmul_weights

EIGHT_B = read_architecture("llama3_8b_genomic_config")


def test_flops_of_the_8b() -> None:
    assert matmul_weights(EIGHT_B) == 6_980_370_432
    assert round(flops_per_token(EIGHT_B, 8192) / 1e9, 3) == 48.325
    assert round(flops_per_token(EIGHT_B, 8192, causal=False) / 1e9, 3) == 54.767
    assert round(flops_per_token(EIGHT_B, 8192, vocab_size=128_256) / 1e9, 3) == 51.470
    assert round(flops_per_token(EIGHT_B, 8192, causal=False, vocab_size=128_256) / 1e9, 3) == 57.913


# What H100 recipes of the 8B with 128,256 tokens had to do to fit into 80 GB, and what does not fit without it.
# NVIDIA DGX Cloud: bf16 with context 2; FP8 with 5 layers recomputed. BioNeMo: tensor 4 on 48 GPUs.
NVIDIA = ("parallelism.precision_aware_optimizer=false",)
LIMITS = [
    (("parallelism.context=2", *NVIDIA), 128_256, True),
    (NVIDIA, 128_256, False),
    (
        ("precision=fp8_current", "precision.fp8_bf16_layers=0", "parallelism.recompute_layers=5", *NVIDIA),
        128_256,
        True,
    ),
    (("precision=fp8_current", "precision.fp8_bf16_layers=0", *NVIDIA), 128_256, False),
    (("hardware.num_nodes=6", "parallelism.tensor=4", "precision=fp8_delayed", *NVIDIA), 256, True),
    (NVIDIA, 256, True),
    (("precision.grad_reduce_in_fp32=true", *NVIDIA), 256, False),
]


@pytest.mark.parametrize(("values", "vocab_size", "enough"), LIMITS)
def test_h100_recipes_are_on_the_right_side_of_80_gb(values: tuple[str, ...], vocab_size: int, enough: bool) -> None:
    config = compose_config("train_8b_opengenome2", values)
    assert fits(config, memory_per_gpu(config, EIGHT_B, 8192, vocab_size=vocab_size)) is enough


@pytest.mark.parametrize(
    ("values", "gib"),
    [
        (("precision.grad_reduce_in_fp32=true", *NVIDIA), 117.0),
        (NVIDIA, 104.0),
        (("precision.moments=bfloat16",), 65.0),
    ],
)
def test_state_of_the_8b_on_one_gpu(values: tuple[str, ...], gib: float) -> None:
    config = compose_config("train_8b_opengenome2", (*values, "hardware.devices=1"))
    assert memory_per_gpu(config, EIGHT_B, 8192).state / GIB == pytest.approx(gib, abs=0.05)


@pytest.mark.parametrize(("values", "gib"), [((), 34.0), (("precision=fp8_delayed",), 29.5)])
def test_activations_of_the_8b(values: tuple[str, ...], gib: float) -> None:
    memory = memory_per_gpu(compose_config("train_8b_opengenome2", values), EIGHT_B, 8192)
    assert memory.activations / GIB == pytest.approx(gib, rel=0.01)


def test_parameters_of_a_stage_are_those_that_megatron_builds(tmp_path: Path) -> None:
    for name, layouts in (("train_8b_opengenome2", [(1, 1), (4, 2)]), ("train_35b", [(2, 1), (1, 2)])):
        out = tmp_path / f"{name}.json"
        assert run_in_process(count_on_meta, name, layouts, 0, out, log=tmp_path / "log") == 0, (
            tmp_path / "log"
        ).read_text()[-2000:]
        config = compose_config(name)
        architecture = read_architecture(config.model_tag)
        for (tensor, pipeline), built in zip(layouts, json.loads(out.read_text()), strict=True):
            layout = change_layout(config, tensor=tensor, pipeline=pipeline)
            stages = [[stage_parameters(layout, architecture, one, vocab_size=256), 0] for one in (0, pipeline - 1)]
            assert stages == built, (name, tensor, pipeline)


def test_state_is_what_megatron_holds(tmp_path: Path) -> None:
    cases = [
        {"bf16": bf16, "fp32_gradients": wide, "distributed": distributed, "lora_dim": 0}
        for bf16, wide in ((False, True), (True, True), (True, False))
        for distributed in (False, True)
    ]
    out = tmp_path / "bytes.json"
    log = tmp_path / "log"
    assert run_in_process(count_optimizer_bytes, cases, out, log=log) == 0, log.read_text()[-2000:]
    config = compose_config("train_tiny")
    parameters = read_architecture(config.model_tag).parameters
    for case, held in zip(cases, json.loads(out.read_text()), strict=True):
        compute = "bf16-mixed" if case["bf16"] else "32"
        precision = dataclasses.replace(config.precision, compute=compute, grad_reduce_in_fp32=case["fp32_gradients"])
        planned = [parameters * size for size in state_bytes(dataclasses.replace(config, precision=precision))]
        # Megatron pads the buffers of the distributed optimizer a little.
        assert [held["weights"], held["gradients"], held["optimizer"]] == pytest.approx(planned, rel=0.001), case


@pytest.mark.parametrize("name", sorted(set(FACTORIES.values()) - {"train_tiny"}))
def test_every_recipe_fits_where_it_says_it_runs(name: str) -> None:
    plan = make_plan(name)
    assert plan.fits, plan_text(plan)


@pytest.mark.parametrize("name", LONG_FACTORIES)
def test_every_long_recipe_fits_and_no_layout_is_predicted_to_be_faster(name: str) -> None:
    plan = make_plan(name)
    assert plan.memory is not None
    assert comfortable(plan.config, plan.memory), plan_text(plan)
    assert recommended(plan) is None, plan_text(plan)
    assert f"_{plan.sequence_length // 1024}k" in name
    assert "of the bf16 peak" in plan_text(plan)


@pytest.mark.parametrize(
    ("context", "gpu", "layout"),
    [
        ("32k", "h200", (1, 2, 0)),
        ("64k", "h200", (1, 4, 0)),
        ("128k", "h200", (1, 8, 0)),
        ("32k", "b200", (1, 1, 2)),
        ("64k", "b200", (2, 1, 0)),
        ("128k", "b200", (2, 2, 0)),
    ],
)
def test_long_recipes_fit_on_larger_gpus_with_less_splitting(
    context: str, gpu: str, layout: tuple[int, int, int]
) -> None:
    """As docs/context.md has it."""
    plan = make_plan(f"llama3_8b_genomic_{context}", gpu=gpu, gpus=8)
    assert plan.fits
    best = recommended(plan)
    assert best is not None
    found = best.config.parallelism
    assert (found.tensor, found.context, found.recompute_layers) == layout


def test_samples_beyond_the_context_are_a_problem_with_a_fix() -> None:
    plan = make_plan("llama3_8b_genomic", ("dataset.sequence_length=16384",))
    assert "exceeds the model's 8192" in plan.problem
    assert "rope.factor=2 " in plan.problem
    longer = ("dataset.sequence_length=16384", "rope.factor=2", "parallelism.context=2")
    assert make_plan("llama3_8b_genomic", longer).fits


@pytest.mark.parametrize("gpu", ["b200", "gb200", "b300", "gb300"])
@pytest.mark.parametrize("precision", ["bf16", "fp8_current", "mxfp8"])
def test_two_samples_at_a_time_fit_on_blackwell(gpu: str, precision: str) -> None:
    """As in the published rows; and four on the larger ones, as in Megatron-Bridge's newest recipes."""
    plan = make_plan("llama3_8b_genomic", (f"precision={precision}",), gpu=gpu, gpus=8)
    assert (plan.config.dataset.micro_batch_size, plan.fits) == (2, True)
    if gpu.endswith("300"):
        four = (f"precision={precision}", "dataset.micro_batch_size=4")
        assert make_plan("llama3_8b_genomic", four, gpu=gpu, gpus=8).fits


@pytest.mark.parametrize("gpus", [1, 8, 64, 512])
def test_named_layouts_work_for_the_8b(gpus: int) -> None:
    gpu = "h200" if gpus == 1 else "h100"
    plan = make_plan("llama3_8b_genomic", (f"parallelism=gpus_{gpus}",), gpu=gpu, gpus=gpus)
    assert plan.fits, plan_text(plan)


def test_each_remedy_is_one() -> None:
    wide = ("precision.grad_reduce_in_fp32=true",)
    plan = make_plan("llama3_8b_genomic", wide, gpu="h100", gpus=8)
    assert not plan.fits
    assert plan.throughput is None
    assert "parallelism.context=2" in plan.remedies
    for remedy in plan.remedies:
        assert make_plan("llama3_8b_genomic", (*wide, *remedy.split()), gpu="h100", gpus=8).fits, remedy


def test_one_gpu_of_80_gb_does_not_train_the_8b() -> None:
    """16-bit moments take 26 GiB less, and are copied to fp32, 52 GiB, in the optimizer's step."""
    assert make_plan("llama3_8b_genomic", ("parallelism=gpus_1",), gpu="h100", gpus=1).remedies == ()


@pytest.mark.parametrize(
    ("values", "bytes_"),
    [
        ((), 0),
        (("precision.moments=bfloat16",), 8),
        (("precision=fp8_delayed",), 0),
        (("precision=fp8_current",), 6),
        (("precision=fp8_current", "precision.moments=bfloat16"), 12),
        (("precision=fp8_current", "precision.grad_reduce_in_fp32=true"), 2),
        (NVIDIA, 4),
    ],
)
def test_what_the_optimizer_copies_in_its_step(values: tuple[str, ...], bytes_: int) -> None:
    one = ("hardware.devices=1", "parallelism.recompute_layers=32")
    config = compose_config("train_8b_opengenome2", (*values, *one))
    assert optimizer_copies(config) == bytes_
    memory = memory_per_gpu(config, EIGHT_B, 8192)
    in_the_step = memory.state + memory.reserve + bytes_ * EIGHT_B.parameters
    assert memory.total >= in_the_step
    if bytes_:
        assert memory.total == in_the_step


def test_a_fine_tuning_is_planned_without_its_weights() -> None:
    assert make_plan("llama3_8b_genomic_finetune", gpu="h100", gpus=8).fits


def test_recomputation_is_the_least_that_is_enough() -> None:
    wide = ("precision.grad_reduce_in_fp32=true", "parallelism.recompute_layers=")
    layers = next(
        int(text.split("=")[1])
        for text in make_plan("llama3_8b_genomic", wide[:1], gpus=8).remedies
        if "recompute" in text
    )
    fewer = make_plan("llama3_8b_genomic", (wide[0], f"{wide[1]}{layers - 1}"), gpus=8)
    assert fewer.memory is not None
    assert not comfortable(fewer.config, fewer.memory)


@pytest.mark.parametrize(
    ("arguments", "kind", "names", "fix"),
    [
        ({"recipe": "llama3_8b_genomics"}, "unknown-recipe", "'llama3_8b_genomics'", "'llama3_8b_genomic'"),
        ({"gpu": "h1000"}, "unknown-option", "'h1000'", "h100"),
        ({"gpus": 12}, "partial-node", "--gpus 12", ""),
        ({"gpus": -1}, "gpus", "--gpus -1", ""),
        ({"tokens": math.nan}, "tokens", "--tokens nan", ""),
        ({"tokens": 1e12, "overrides": ("trainer.max_steps=10",)}, "tokens-twice", "trainer.max_steps=10", ""),
        ({"gpu": "h100", "overrides": ("hardware=h200",)}, "gpu-twice", "hardware=h200", ""),
        ({"overrides": ("hardware.devices=0",)}, "settings-rule", "hardware.devices=0", ""),
        ({"overrides": ("dataset.sequence_length=-8",)}, "settings-rule", "dataset.sequence_length=-8", ""),
        ({"overrides": ("optimizer.beta1=1.5",)}, "settings-rule", "optimizer.beta1=1.5", ""),
        ({"overrides": ("trainer.keep_checkpoints=0",)}, "settings-rule", "trainer.keep_checkpoints=0", "-1"),
        ({"overrides": ("hardware.memory_gib=0",)}, "unknown-memory", "hardware.memory_gib", "--gpu"),
        ({"overrides": ("hardware=cpu", "parallelism=plain")}, "plan-for-cpu", "", "--gpu"),
        (
            {"gpu": "a100", "overrides": ("precision=fp8_delayed",)},
            "settings-rule",
            "precision.fp8=delayed on a100",
            "precision=bf16",
        ),
        ({"gpu": "h200", "overrides": ("precision=mxfp8",)}, "settings-rule", "precision.fp8=mxfp8", "b200"),
        ({"overrides": ("trainer.max_step=1",)}, "unknown-key", "'max_step'", "'max_steps'"),
    ],
)
def test_refused(arguments: dict[str, Any], kind: str, names: str, fix: str) -> None:
    with refused(kind, names=names, fix=fix):
        make_plan(**{"recipe": "llama3_8b_genomic", **arguments})


@pytest.mark.parametrize("option", ["--gpus", "--tokens"])
def test_a_plan_is_for_something(option: str) -> None:
    command = [Path(sys.executable).with_name("genomic-llama"), "plan", "llama3_8b_genomic", option, "0"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, "is not in the range x>=1" in result.stderr) == (2, True)


def test_json_and_picture_hold_what_the_text_says(tmp_path: Path) -> None:
    command = [Path(sys.executable).with_name("genomic-llama"), "plan", "llama3_8b_genomic", "--gpus", "64"]
    picture = tmp_path / "plan.svg"
    result = subprocess.run([*command, "--json", "--picture", picture], capture_output=True, text=True, check=True)
    values = json.loads(result.stdout)
    plan = make_plan("llama3_8b_genomic", gpus=64)
    assert values == json.loads(json.dumps(as_json(plan)))
    assert values["recipe_layout"]["predicted"]["tokens_per_second"] > 0
    assert as_json(make_plan("llama3_8b_genomic", ("hardware.memory_gib=70",)))["recipe_layout"]["predicted"] is None
    memory = values["recipe_layout"]["memory_bytes"]
    assert memory["total"] == sum(value for name, value in memory.items() if name != "total")
    write_picture(plan, tmp_path / "again.svg")
    assert picture.read_text() == (tmp_path / "again.svg").read_text()
    assert f"> {memory['total'] / GIB:.1f}</text>" in picture.read_text()
    assert f"{memory['total'] / GIB:.2f}" in plan_text(plan)


@pytest.mark.parametrize(
    ("name", "begins"), [("p.svg", b"<?xml"), ("p.PNG", b"\x89PNG\r\n\x1a\n"), ("p.pdf", b"%PDF-")]
)
def test_a_picture_is_what_its_name_says(name: str, begins: bytes, tmp_path: Path) -> None:
    for recipe, gpus in (("llama3_8b_genomic", 8), ("llama3_35b_genomic", 1)):
        write_picture(make_plan(recipe, gpus=gpus), tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(begins)


@pytest.mark.parametrize("name", ["plan", "plan.jpg", "plan.svg.txt"])
def test_other_pictures_are_refused(name: str, tmp_path: Path) -> None:
    command = ["plan", "llama3_8b_genomic", "--picture", str(tmp_path / name)]
    with refused("picture-format", where=tmp_path / name, fix=".svg, .png, .pdf"):
        CliRunner().invoke(app, command, catch_exceptions=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("recipe", "gpus"), [("llama3_8b_genomic", "64"), ("llama3_35b_genomic", "1"), ("llama3_8b_genomic_lora", "1")]
)
def test_an_answer_takes_less_than_half_a_second(recipe: str, gpus: str) -> None:
    """Processor time, which other work on the machine does not change: the median of five."""
    command = [Path(sys.executable).with_name("genomic-llama"), "plan", recipe, "--gpus", gpus]
    seconds = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, capture_output=True, check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert statistics.median(seconds) < 0.5


def test_it_imports_nothing_heavy() -> None:
    heavy = {"torch", "numpy", "nemo_run", "hydra", "omegaconf", "matplotlib", "pydantic"}
    code = (
        "import sys; sys.argv[1:] = ['plan', 'llama3_8b_genomic']\nfrom genomic_llama.cli.main import app\n"
        f"app(standalone_mode=False); print({heavy!r} & sys.modules.keys())"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.endswith("set()\n")


def test_configurations_stay_plain() -> None:
    assert isinstance(make_plan("train_tiny", ("parallelism=data_parallel",), gpu="h100", gpus=1).config, TrainConfig)
