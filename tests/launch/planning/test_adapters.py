"""Plans of adapters against what NeMo builds, Megatron-Core holds, PyTorch counts, and NVIDIA published."""

import dataclasses
import json
from pathlib import Path

import pytest
from adapter_cases import count_flops
from nemo_process import run_in_process
from scale_cases import count_on_meta, count_optimizer_bytes

from configs.compose import compose_config
from configs.llama import LlamaArchitecture, read_architecture
from launch.planning.adapters import adapter_activation_bytes, stage_adapters
from launch.planning.memory import GIB, memory_per_gpu, stage_parameters, state_bytes
from launch.planning.names import FINETUNE_FACTORIES
from launch.planning.plan import make_plan
from launch.planning.published import ADAPTED, AdaptedRow
from launch.planning.search import change_layout
from launch.planning.text import plan_text
from launch.planning.throughput import predict_throughput
from training.metrics.flops import flops_per_token, layer_adapters, layer_matrices, matmul_weights

EIGHT_B = read_architecture("llama3_8b_genomic_config")


@pytest.mark.parametrize(
    ("name", "dim", "layouts"),
    [("train_8b_opengenome2", 32, [(1, 1), (4, 2)]), ("train_35b", 8, [(2, 1), (1, 2)])],
)
def test_adapters_of_a_stage_are_those_that_nemo_adds(
    name: str, dim: int, layouts: list[tuple[int, int]], tmp_path: Path
) -> None:
    out, log = tmp_path / "out.json", tmp_path / "log"
    assert run_in_process(count_on_meta, name, layouts, dim, out, log=log) == 0, log.read_text()[-2000:]
    config = compose_config(name, (f"lora.dim={dim}",))
    architecture = read_architecture(config.model_tag)
    for (tensor, pipeline), built in zip(layouts, json.loads(out.read_text()), strict=True):
        layout = change_layout(config, tensor=tensor, pipeline=pipeline)
        adapters = stage_adapters(layout, architecture)
        stages = [[adapters, stage_parameters(layout, architecture, one, vocab_size=256)] for one in (0, pipeline - 1)]
        assert stages == built, (tensor, pipeline)


def test_frozen_weights_have_no_gradients_and_no_state(tmp_path: Path) -> None:
    """What Megatron-Core holds for the tiny model with adapters, in each format."""
    formats = ((False, True), (True, True), (True, False))
    cases = [
        {"bf16": bf16, "fp32_gradients": wide, "distributed": distributed, "lora_dim": 8}
        for bf16, wide in formats
        for distributed in (False, True)
    ]
    out, log = tmp_path / "bytes.json", tmp_path / "log"
    assert run_in_process(count_optimizer_bytes, cases, out, log=log) == 0, log.read_text()[-2000:]
    config = compose_config("finetune_tiny_lora")
    architecture = read_architecture(config.model_tag)
    trained = stage_adapters(config, architecture)
    assert trained == architecture.num_hidden_layers * layer_adapters(architecture, 8)
    for case, held in zip(cases, json.loads(out.read_text()), strict=True):
        compute = "bf16-mixed" if case["bf16"] else "32"
        precision = dataclasses.replace(config.precision, compute=compute, grad_reduce_in_fp32=case["fp32_gradients"])
        weight, gradient, state = state_bytes(dataclasses.replace(config, precision=precision))
        planned = [weight * (architecture.parameters + trained), gradient * trained, state * trained]
        # Megatron pads the buffers of the distributed optimizer, here to more than a thousandth.
        assert [held["weights"], held["gradients"], held["optimizer"]] == pytest.approx(planned, rel=0.01), case
        memory = memory_per_gpu(dataclasses.replace(config, precision=precision), architecture, 512)
        assert [memory.weights, memory.gradients, memory.optimizer] == planned


@pytest.mark.parametrize("dim", [0, 8])
def test_flops_are_those_that_pytorch_counts(dim: int, tmp_path: Path) -> None:
    """6 N, or 4 N + 6 A, less one gradient that is not needed: query-key-value's, of what the frozen embedding gives.

    And the norms' weights, whose gradients a CPU sums by a product; the first norm's backward is not called either.
    """
    out, log = tmp_path / "flops.json", tmp_path / "log"
    assert run_in_process(count_flops, dim, out, log=log) == 0, log.read_text()[-2000:]
    tiny = read_architecture("llama3_tiny_genomic_config")
    attention = flops_per_token(tiny, 64, causal=False) - 6 * matmul_weights(tiny)
    products = flops_per_token(tiny, 64, causal=False, lora_dim=dim) - attention
    qkv = tiny.hidden_size * (tiny.num_attention_heads + 2 * tiny.num_key_value_heads) * tiny.head_dim
    unasked = 2 * qkv if dim else 0
    norms = 2 * (2 * tiny.num_hidden_layers + (0 if dim else 1)) * tiny.hidden_size
    assert json.loads(out.read_text()) == products - unasked + norms


LLAMA_2 = {"7B": (32, 4096, 32, 32, 11_008), "13B": (40, 5120, 40, 40, 13_824), "70B": (80, 8192, 64, 8, 28_672)}


@pytest.mark.parametrize("row", ADAPTED, ids=lambda row: row.model)
def test_published_speeds_and_flops_agree(row: AdaptedRow) -> None:
    """NVIDIA's FLOPs per token are 4 N, and attention within SQuAD's answers, which are far shorter than 4096."""
    layers, hidden, heads, groups, ffn = LLAMA_2[row.model]
    llama = dataclasses.replace(
        EIGHT_B,
        num_hidden_layers=layers,
        hidden_size=hidden,
        num_attention_heads=heads,
        num_key_value_heads=groups,
        intermediate_size=ffn,
    )
    frozen, whole = 4 * matmul_weights(llama, 32_000), adapted(llama)
    published = row.tflops * 1e12 / row.tokens_per_second
    assert frozen < published < 1.015 * frozen < whole


def adapted(llama: LlamaArchitecture) -> int:
    return flops_per_token(llama, 4096, vocab_size=32_000, lora_dim=8)


@pytest.mark.parametrize(
    "recipe", [name for name in FINETUNE_FACTORIES if name.endswith("_lora") and "tiny" not in name]
)
def test_every_size_fits_where_it_says_it_runs_and_takes_less(recipe: str) -> None:
    plan, whole = make_plan(recipe), make_plan(recipe.replace("_lora", "_finetune"))
    assert plan.fits, plan_text(plan)
    assert plan.memory is not None
    assert whole.memory is not None
    assert plan.memory.total < whole.memory.total
    assert plan.throughput is not None
    assert whole.throughput is not None
    assert plan.throughput.tokens_per_second > whole.throughput.tokens_per_second
    assert f"{plan.trained_parameters:,} in adapters of rank 32" in plan_text(plan)


def test_the_8b_with_adapters_by_hand() -> None:
    """Of 8 H100 each: bf16 weights, the activations of all weights, and what is between the adapters' matrices."""
    plan, whole = make_plan("llama3_8b_genomic_lora"), make_plan("llama3_8b_genomic")
    assert plan.memory is not None
    assert whole.memory is not None
    assert plan.trained_parameters == 32 * 32 * (4 * 4096 + 2 * 4096 + 2 * 1024 + 3 * 14_336) == 71_303_168
    assert plan.memory.weights == 2 * (6_981_685_248 + 71_303_168)
    assert plan.memory.gradients == 2 * 71_303_168
    assert plan.memory.optimizer == 10 * 71_303_168 // 8
    assert plan.memory.activations - whole.memory.activations == 8192 * 32 * 4 * 32 * 2
    assert plan.flops(causal=True) == 4 * 6_980_370_432 + 6 * 71_303_168 + 12 * 32 * 4096 * 8192 // 2


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        ((), 4 * 32 * 2),
        (("parallelism.tensor=2", "parallelism.sequence_parallel=true"), 4 * 32 * 2 + 2 * 2 * 4096),
        (("lora.dropout=0.1",), 4 * 32 * 2 + 3 * (2 * 4096 + 4096 + 14_336)),
    ],
)
def test_what_adapters_keep_of_a_token(values: tuple[str, ...], kept: int) -> None:
    config = compose_config("finetune_lora", ("init_from=x", *values))
    assert adapter_activation_bytes(config, EIGHT_B, eight_bit=False) == kept


def test_recomputation_costs_a_forward_pass_of_two() -> None:
    def speed(layers: int) -> float:
        config = compose_config("finetune_lora", ("init_from=x", f"parallelism.recompute_layers={layers}"))
        throughput = predict_throughput(config, EIGHT_B, 8192)
        assert throughput is not None
        return throughput.tokens_per_second

    share = 32 * layer_matrices(EIGHT_B) / matmul_weights(EIGHT_B)
    assert speed(32) == pytest.approx(speed(0) / (1 + share / 2))


def test_one_gpu_is_enough_for_the_8b() -> None:
    plan = make_plan("llama3_8b_genomic_lora", gpu="h100", gpus=1)
    assert plan.fits
    assert plan.memory is not None
    assert plan.memory.total / GIB < 60
