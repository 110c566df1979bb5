"""Predicted speeds: the published rows, what layouts cost by them, and one stack for each kind of GPU."""

from pathlib import Path

import pytest

from configs.compose import compose_config, group_options
from configs.llama import read_architecture
from launch.planning.costs import attention_share, context_cost, scale_cost, tensor_cost
from launch.planning.efficiency import REFERENCE, assumed_efficiency
from launch.planning.plan import make_plan
from launch.planning.published import BIONEMO_LLAMA3, BRIDGE, BRIDGE_TUTORIAL, LONG, PUBLISHED, Row, Stack
from launch.planning.text import plan_text
from launch.planning.throughput import Throughput, predict_throughput
from training.metrics.flops import flops_per_token

EIGHT_B = read_architecture("llama3_8b_genomic_config")
DOCUMENT = (Path(__file__).parents[3] / "docs" / "planning.md").read_text(encoding="utf-8")


def speed(*values: str) -> Throughput:
    throughput = predict_throughput(compose_config("train_8b_opengenome2", values), EIGHT_B, 8192)
    assert throughput is not None
    return throughput


def per_gpu(*values: str) -> float:
    return speed(*values).tokens_per_second_per_gpu


def row(stack: Stack, gpu: str, fp8: str) -> Row:
    (found,) = (one for one in PUBLISHED if (one.stack, one.gpu, one.fp8) == (stack, gpu, fp8))
    return found


@pytest.mark.parametrize("one", PUBLISHED, ids=lambda one: f"{one.stack.name} {one.gpus} {one.gpu} {one.fp8}")
def test_published_speeds_and_flops_agree(one: Row) -> None:
    flops = flops_per_token(EIGHT_B, one.sequence_length, vocab_size=one.vocab_size)
    assert round(one.tokens_per_second * flops / 1e12) == one.tflops


@pytest.mark.parametrize("one", PUBLISHED, ids=lambda one: f"{one.stack.name} {one.gpus} {one.gpu} {one.fp8}")
def test_the_document_has_every_row_with_its_source(one: Row) -> None:
    (line,) = (line for line in DOCUMENT.splitlines() if f" {one.tokens_per_second:,} |" in line)
    batch = "not given" if one.global_batch is None else f"{one.global_batch}"
    for told in (one.stack.name, one.stack.date, f"{one.gpus} {one.gpu}", f"| {batch}, {one.micro_batch} |"):
        assert told in line


def test_tensor_parallel_rows_are_not_on_8_gpus() -> None:
    """4,378 is of 64 GPUs, and 6,514 of 128 with another batch: no pair, from which a cost could be taken."""
    by_speed = {one.tokens_per_second: one for one in PUBLISHED}
    assert [(by_speed[one].gpus, by_speed[one].global_batch) for one in (4_378, 6_514)] == [(64, 96), (128, 256)]
    for page in ("gpus_8.yaml", "gpus_64.yaml"):
        assert "4,378" not in (Path(__file__).parents[3] / "configs" / "parallelism" / page).read_text()


def test_costs_of_layouts_are_within_what_rows_say() -> None:
    context, tensor, scale = context_cost(), tensor_cost(), scale_cost()
    # torchtitan's three doublings, 32k to 256k, with attention's own time taken out
    assert [round(one, 3) for one in (context.low, context.likely, context.high)] == [0.711, 0.928, 0.994]
    assert tensor.high == pytest.approx((4_378 / 4_809) ** (1 / 3))
    assert tensor.low == pytest.approx(0.898, abs=0.001)  # B200, 64k with TP 1 to 128k with TP 2, causal
    assert tensor.low < tensor.likely < tensor.high
    assert scale.low == pytest.approx(10_753 / 10_938)
    assert scale.high == pytest.approx((8_380 / 8_532) ** 0.25)
    assert [one.tensor for one in LONG] == [1, 1, 1, 2, 4]


def test_attention_is_slower_than_products() -> None:
    """By hand: a token of 32k has 12 * 32 * 4096 * (32768 - 8192) / 2 FLOPs more than one of 8k."""
    more = 12 * 32 * 4096 * (32_768 - 8_192) / 2
    seconds = 0.75 / 3_890 - 1 / 8_532
    share = attention_share()
    assert share.low == pytest.approx(more / seconds / 989.4e12)
    assert share.low < share.likely < share.high == pytest.approx(0.354, abs=0.001)


def test_a_long_sample_takes_longer_by_its_attention_alone() -> None:
    short, long = speed(), predicted(32_768)
    more = flops_per_token(EIGHT_B, 32_768) - flops_per_token(EIGHT_B, 8_192)
    seconds = 1 / long.tokens_per_second_per_gpu - 1 / short.tokens_per_second_per_gpu
    assert more / seconds == pytest.approx(attention_share().likely * 989.4e12)


def predicted(length: int, *values: str) -> Throughput:
    throughput = predict_throughput(compose_config("train_8b_opengenome2", values), EIGHT_B, length)
    assert throughput is not None
    return throughput


@pytest.mark.parametrize("one", [row for row in PUBLISHED if row.recomputed], ids=lambda one: str(one.sequence_length))
def test_published_long_sequences_are_in_the_predicted_range(one: Row) -> None:
    """For an untuned stack: near the slow end."""
    values = (f"parallelism.context={one.context}", "precision=fp8_current", "parallelism.recompute_layers=32")
    made = predicted(one.sequence_length, *values, "dataset.global_batch_size=8")
    assert 0.97 * made.spread.low * made.tflops < one.tflops < made.tflops


def test_a_layout_pays_for_what_its_row_has_not() -> None:
    plain = per_gpu()
    assert plain == pytest.approx(550e12 / flops_per_token(EIGHT_B, 8192))
    assert per_gpu("parallelism.recompute_layers=32") == pytest.approx(0.75 * plain, rel=0.001)
    assert per_gpu("parallelism.tensor=8") == pytest.approx(tensor_cost().likely ** 3 * plain)
    assert per_gpu("parallelism.context=2") == pytest.approx(plain)  # the row has 2
    assert per_gpu("parallelism.context=8") == pytest.approx(context_cost().likely ** 2 * plain)
    assert per_gpu("hardware.num_nodes=8") == pytest.approx(scale_cost().likely ** 3 * plain)
    assert per_gpu("parallelism.pipeline=8", "dataset.global_batch_size=8") == pytest.approx(8 / 15 * plain, rel=0.001)


@pytest.mark.parametrize("gpu", ["b200", "gb300"])
def test_two_precisions_differ_as_they_do_on_one_stack(gpu: str) -> None:
    machine = (f"hardware={gpu}", "hardware.devices=8")
    current, mx = per_gpu("precision=fp8_current", *machine), per_gpu("precision=mxfp8", *machine)
    published = row(BRIDGE, gpu, "mxfp8").tflops / row(BRIDGE, gpu, "tensorwise").tflops
    assert mx / current == pytest.approx(published)
    assert 0.95 < mx / current < 1
    brain = per_gpu("precision=bf16", *machine)
    ratio = row(BRIDGE_TUTORIAL, "gb200", "none").tflops / row(BRIDGE_TUTORIAL, "gb200", "tensorwise").tflops
    assert brain / current == pytest.approx(ratio)


def test_gb200_has_all_precisions_from_one_page() -> None:
    machine = ("hardware=gb200", "hardware.devices=4")
    for precision, fp8 in (("bf16", "none"), ("fp8_current", "tensorwise"), ("mxfp8", "mxfp8")):
        made = speed(f"precision={precision}", *machine)
        assert made.tflops == pytest.approx(row(BRIDGE_TUTORIAL, "gb200", fp8).tflops)
        assert "(tutorial)" in made.efficiency.source


@pytest.mark.parametrize("gpu", sorted(set(group_options("hardware")) - {"cpu"}))
@pytest.mark.parametrize("fp8", ["none", "delayed", "tensorwise", "mxfp8"])
def test_every_gpu_has_a_spread_and_never_mixes_stacks(gpu: str, fp8: str) -> None:
    values = compose_config("train_8b_opengenome2", [f"hardware={gpu}"]).hardware
    if values.compute_capability < {"none": 0, "mxfp8": 10}.get(fp8, 8.9):
        return
    made = assumed_efficiency(gpu, fp8)
    assert made is not None
    assert made.share.low < made.share.likely <= made.share.high < 0.7
    assert made.low_source
    assert made.high_source
    names = {stack.name for stack in REFERENCE.values()}
    assert {made.source.partition(", 20")[0]} <= names


def test_the_slow_end_is_an_untuned_stack() -> None:
    made = assumed_efficiency("b200", "mxfp8")
    assert made is not None
    assert made.share.low * 4_500 == pytest.approx(row(BIONEMO_LLAMA3, "b200", "mxfp8").tflops)


def test_a_plan_says_its_range_and_both_its_ends() -> None:
    plan = make_plan("llama3_8b_genomic", gpu="h100", gpus=48)
    assert plan.throughput is not None
    text = plan_text(plan)
    assert plan.throughput.efficiency.source in text
    assert "slow end" in text
    assert plan.throughput.efficiency.low_source in text
    spread = plan.throughput.spread
    assert spread.low < 1 == spread.likely <= spread.high
    low = spread.low * plan.throughput.tokens_per_second
    assert f"{low:,.0f} to " in text
    # BioNeMo's own run of this model on 48 H100 is inside the range.
    assert spread.low * plan.throughput.tokens_per_second_per_gpu < 9_927 < plan.throughput.tokens_per_second_per_gpu


def test_gb300_is_known() -> None:
    plan = make_plan("llama3_8b_genomic", ("precision=fp8_current",), gpu="gb300", gpus=8)
    assert plan.fits
    assert plan.throughput is not None
    assert plan.throughput.tflops == pytest.approx(1_933)
