"""Every size, precision and layout: what cannot work is refused by name, what can reaches NeMo and Megatron-Core."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from nemo_process import run_in_process
from refusal import refused
from scale_cases import build_every_recipe

from configs.compose import compose_config, group_options
from configs.llama import read_architecture
from configs.schema import TrainConfig
from launch.planning.names import FACTORIES, FINETUNE_FACTORIES, configuration
from launch.planning.plan import make_plan
from launch.preflight.check import check_config
from scripts.support_page import (
    EVERY_PRECISION,
    FINETUNED,
    GPUS,
    PRECISIONS,
    RUN,
    SIZES,
    support_page,
    supported,
    verified,
)

LAYOUTS = {"gpus_1": 1, "gpus_8": 8, "gpus_64": 64, "gpus_512": 512}
CAPABLE = {"bf16": set(GPUS), "fp8_blockwise": {"h100", "h200"}, "mxfp8": {"b200", "gb200", "b300", "gb300"}}


def machine(gpu: str, gpus: int) -> list[str]:
    each = min(gpus, compose_config("train_1b", [f"hardware={gpu}"]).hardware.devices)
    return [f"hardware={gpu}", f"hardware.devices={each}", f"hardware.num_nodes={gpus // each}"]


def test_the_groups_are_those_that_are_documented() -> None:
    assert set(group_options("hardware")) == {"cpu", *GPUS}
    assert set(group_options("precision")) == {"fp32", *PRECISIONS}
    assert set(group_options("parallelism")) >= {"plain", "data_parallel", *LAYOUTS}


@pytest.mark.parametrize("gpu", GPUS)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_precision_works_where_the_gpu_has_it(precision: str, gpu: str) -> None:
    config = compose_config("train_8b_opengenome2", [f"precision={precision}", f"hardware={gpu}", *machine(gpu, 8)])
    if gpu in CAPABLE.get(precision, set(GPUS) - {"a100"}):
        check_config(config)
    else:
        with refused("settings-rule", names=f" on {gpu} ", fix="precision="):
            check_config(config)


REFUSED = {
    "parallelism=gpus_64": ("64 GPUs", "hardware.num_nodes=8"),
    "parallelism=gpus_1": ("1 GPU,", "hardware.devices=1"),
    "parallelism.tensor=3": ("parallelism.tensor=3", ""),
    "parallelism.recompute_layers=33": ("parallelism.recompute_layers=33", ""),
    "parallelism.pipeline=2 parallelism.recompute_layers=17": ("parallelism.recompute_layers=17", ""),
    "parallelism.context=2 dataset.sequence_length=1022": (
        "dataset.sequence_length=1022",
        "parallelism.context",
    ),
    "parallelism.distributed_optimizer=false": ("parallelism.precision_aware_optimizer=true", "=false"),
    "precision.moments=bfloat16 parallelism.precision_aware_optimizer=false": ("precision.moments=bfloat16", ""),
    "precision.moments=float16": ("precision.moments=float16", "bfloat16"),
    "precision=fp8_delayed precision.fp8_bf16_layers=1": ("precision.fp8_bf16_layers", "precision=fp8_current"),
    "precision=fp32 precision.fp8=delayed": ("precision.fp8=delayed", "bf16-mixed"),
    "precision.fp8=fp4": ("precision.fp8=fp4", "none, delayed"),
    "precision.fp8_parameters=true": ("fp8_parameters", "precision.fp8"),
    "precision=fp8_current init_from=x": ("init_from=x", "precision.fp8_parameters=false"),
    "precision=fp8_current dataset.sequence_length=1000": ("1000 tokens", "16"),
    "precision=mxfp8 hardware=b200 dataset.sequence_length=8168": ("16336 tokens", "32"),
    "hardware.num_nodes=64": ("dataset.global_batch_size=384", ""),
    "hardware=cpu parallelism=plain parallelism.precision_aware_optimizer=true": (
        "parallelism.precision_aware_optimizer=true",
        "=false",
    ),
    "finetune=true init_from=x model=tiny hardware=cpu": (
        "parallelism.precision_aware_optimizer=true",
        "parallelism=plain",
    ),
    "finetune=true init_from=x lora.dim=6 parallelism.tensor=4": (
        "lora.dim=6",
        "",
    ),
    "lora.dim=8": ("lora.dim=8", "finetune=true"),
    "finetune=true init_from=x lora.dim=8 lora.dropout=1": ("lora.dropout=1.0", "dropout"),
    "hardware=cpu parallelism=plain precision=fp8_delayed": ("precision.fp8=delayed", "precision=fp32"),
}


@pytest.mark.parametrize("override", REFUSED)
def test_what_cannot_work_is_refused_by_name(override: str) -> None:
    names, fix = REFUSED[override]
    with refused("settings-rule", names=names, fix=fix):
        check_config(compose_config("train_8b_opengenome2", override.split()))


def test_fine_tuning_needs_weights() -> None:
    with refused("settings-rule", names="init_from", fix="init_from=CHECKPOINT"):
        check_config(compose_config("finetune"))
    check_config(compose_config("finetune", ["init_from=runs/8b/checkpoints/step=1000"]))


@pytest.mark.parametrize(
    ("precision", "gpu"),
    [("fp8_delayed", "b200"), ("fp8_current", "b200"), ("mxfp8", "b200"), ("fp8_blockwise", "h100")],
)
def test_fine_tuning_in_eight_bits_keeps_the_weights_it_got(precision: str, gpu: str) -> None:
    given = ["init_from=x", f"hardware={gpu}", f"precision={precision}"]
    for name in ("finetune", "finetune_lora"):
        config = compose_config(name, given)
        check_config(config)
        assert config.precision.fp8 != "none"
        assert not config.precision.fp8_parameters
    check_config(compose_config("finetune_lora", [*given, "precision.fp8_parameters=true"]))
    with refused("settings-rule", names="init_from=x", fix="precision.fp8_parameters=false"):
        check_config(compose_config("finetune", [*given, "precision.fp8_parameters=true"]))
    assert make_plan("llama3_1b_genomic_finetune", (f"precision={precision}",), gpu=gpu).memory is not None


@pytest.mark.parametrize("name", FINETUNE_FACTORIES)
def test_every_size_is_fine_tuned_with_one_line(name: str) -> None:
    config_name, values = configuration(name)
    given = [*values, "init_from=x"]
    config = compose_config(config_name, given)
    architecture, _ = check_config(config)
    pretrained = compose_config(FACTORIES[name.rpartition("_")[0]])
    assert architecture == read_architecture(pretrained.model_tag)
    assert config.run_dir == f"runs/{name}"
    assert config.finetune
    assert (config.lora.dim > 0) == name.endswith("_lora")
    assert config.parallelism == pretrained.parallelism
    if "tiny" in name:
        return
    assert make_plan(name, ("init_from=x",)).fits


def test_a_refusal_imports_nothing_heavy() -> None:
    code = (
        "import sys; from recipes.train import main\n"
        "status = main(['--config-name', 'train_8b_opengenome2', 'precision=mxfp8'])\n"
        "print(status, {'torch', 'nemo', 'nemo_run', 'megatron', 'transformers'} & sys.modules.keys())"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "1 set()\n"
    assert "mxfp8 on h100 (compute capability 9.0). It needs 10.0 or more" in result.stderr


def test_the_sizes_of_eden() -> None:
    """Layers, hidden, FFN, heads, key-value heads: bionemo-framework, bionemo-evo2/src/bionemo/evo2/models/llama.py."""
    eden = {
        "11b": (36, 5120, 13824, 40, 8),
        "18b": (48, 6144, 16384, 48, 8),
        "28b": (48, 6144, 26368, 48, 8),
        "35b": (64, 7168, 20480, 56, 8),
    }
    for name, shape in eden.items():
        one = read_architecture(f"llama3_{name}_genomic_config")
        assert shape == (
            one.num_hidden_layers,
            one.hidden_size,
            one.intermediate_size,
            one.num_attention_heads,
            one.num_key_value_heads,
        )
        assert (one.head_dim, one.rope_theta, one.max_position_embeddings) == (128, 500_000.0, 8192)


COMBINATIONS = [
    *([size] for size in SIZES),
    *([name, f"model={size}", "init_from=x"] for name in ("finetune", "finetune_lora") for size in FINETUNED),
    *(
        [EVERY_PRECISION, f"precision={precision}", *machine(gpu, 8)]
        for gpu in GPUS
        for precision in PRECISIONS
        if gpu in CAPABLE.get(precision, set(GPUS) - {"a100"})
    ),
    *(["train_8b_opengenome2", f"parallelism={name}", *machine("h200", gpus)] for name, gpus in LAYOUTS.items()),
    ["train_8b_opengenome2", "parallelism.recompute_layers=5", "precision.moments=bfloat16"],
    ["train_8b_opengenome2", "precision.grad_reduce_in_fp32=true", "parallelism.context=2", "parallelism.pipeline=2"],
    ["train_8b_opengenome2", "parallelism.precision_aware_optimizer=false", "parallelism.overlap=false"],
]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("built")
    status = run_in_process(build_every_recipe, COMBINATIONS, folder / "built.json", log=folder / "log")
    assert status == 0, (folder / "log").read_text()[-3000:]
    return list(json.loads((folder / "built.json").read_text()))


def test_every_setting_reaches_the_object_that_reads_it(built: list[dict[str, Any]]) -> None:
    for combination, objects in zip(COMBINATIONS, built, strict=True):
        config = compose_config(combination[0], combination[1:])
        for part, expected in settings(config).items():
            found = {key: objects[part][key] for key in expected}
            assert found == expected, (combination, part)


def settings(config: TrainConfig) -> dict[str, dict[str, Any]]:
    """Where each field of the groups has to arrive, and as what."""
    layout, precision, machine_ = config.parallelism, config.precision, config.hardware
    eight_bit = precision.fp8 != "none"
    recompute = layout.recompute_layers > 0
    optimizer: dict[str, Any] = {"use_distributed_optimizer": layout.distributed_optimizer, "bf16": True}
    if layout.precision_aware_optimizer:
        optimizer |= {
            "use_precision_aware_optimizer": True,
            "exp_avg_dtype": f"torch.{precision.moments}",
            "exp_avg_sq_dtype": f"torch.{precision.moments}",
            "store_param_remainders": not eight_bit,
        }
    if eight_bit:
        optimizer |= {"fp8_recipe": precision.fp8, "reuse_grad_buf_for_mxfp8_param_ag": precision.fp8 == "mxfp8"}
    return {
        "model": {
            "fp8": precision.fp8_format if eight_bit else None,
            "fp8_param": precision.fp8_parameters,
            "fp8_recipe": precision.fp8 if eight_bit else "delayed",
            "fp8_amax_history_len": precision.fp8_amax_history,
            "first_last_layers_bf16": precision.fp8_bf16_layers > 0,
            "num_layers_at_start_in_bf16": precision.fp8_bf16_layers,
            "num_layers_at_end_in_bf16": precision.fp8_bf16_layers,
            "bf16": True,
            "params_dtype": "torch.bfloat16",
            "recompute_granularity": "full" if recompute else None,
            "recompute_method": "block" if recompute else None,
            "recompute_num_layers": layout.recompute_layers or None,
            "num_layers": read_architecture(config.model_tag).num_hidden_layers,
            "cross_entropy_loss_fusion": False,
        },
        "ddp": {
            "use_distributed_optimizer": layout.distributed_optimizer,
            "grad_reduce_in_fp32": precision.grad_reduce_in_fp32,
            "overlap_grad_reduce": layout.overlap,
            "overlap_param_gather": layout.overlap and layout.distributed_optimizer and precision.fp8 != "mxfp8",
            "fp8_param_gather": precision.fp8_parameters,
            "reuse_grad_buf_for_mxfp8_param_ag": precision.fp8 == "mxfp8",
        },
        "strategy": {
            "tensor_model_parallel_size": layout.tensor,
            "pipeline_model_parallel_size": layout.pipeline,
            "context_parallel_size": layout.context,
            "sequence_parallel": layout.sequence_parallel,
        },
        "trainer": {
            "accelerator": "gpu",
            "devices": machine_.devices,
            "num_nodes": machine_.num_nodes,
            "max_steps": config.trainer.max_steps,
        },
        "optimizer": optimizer,
    }


def test_the_support_page_says_what_the_tests_do() -> None:
    page = Path(__file__).parents[2] / "docs" / "support.md"
    assert page.read_text(encoding="utf-8") == support_page(), "python -m scripts.support_page > docs/support.md"
    built_here = set()
    for name, *values in COMBINATIONS:
        config = compose_config(name, values)
        chosen = {value.partition("=")[0]: value.partition("=")[2] for value in values}
        if not {"parallelism"} & chosen.keys():
            built_here.add((name, config.hardware.gpu, chosen.get("precision", "bf16")))
    assert {case for case in supported() if verified(*case)} <= built_here
    assert {("train_tiny", "cpu", "fp32")} == RUN  # tests/recipes/test_training.py
