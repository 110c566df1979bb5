"""From a configuration to a NeMo recipe: both front doors, what is refused, and what the 8B is."""

import json
import math
from pathlib import Path

import pytest
from cases import build_8b_on_meta
from nemo_process import nemo, run_in_process
from refusal import refused

from configs.compose import compose_config


@pytest.fixture(scope="module")
def factories() -> dict[str, str]:
    from recipes.factories import FACTORIES

    return FACTORIES


def test_both_front_doors_build_the_same_recipe(factories: dict[str, str]) -> None:
    import recipes.factories
    from recipes.recipe import pretrain_recipe

    for name, config_name in factories.items():
        assert getattr(recipes.factories, name)() == pretrain_recipe(compose_config(config_name)), name
    many = recipes.factories.llama3_8b_genomic(num_nodes=8)
    assert many == pretrain_recipe(compose_config("train_8b_opengenome2", ["hardware.num_nodes=8"]))
    assert many != recipes.factories.llama3_8b_genomic()


# Overrides of `nemo llm pretrain --factory NAME`, which NeMo-Run applies after the factory has returned.
OVERRIDDEN = {
    "trainer.devices=7": (
        "settings-rule",
        "1 x 7",
        "",
    ),
    "trainer.strategy.tensor_model_parallel_size=16": ("settings-rule", "parallelism.tensor=16", ""),
    "trainer.strategy.sequence_parallel=True": (
        "settings-rule",
        "parallelism.sequence_parallel=true",
        "",
    ),
    "trainer.strategy.context_parallel_size=2 data.seq_length=1022": (
        "settings-rule",
        "dataset.sequence_length=1022",
        "",
    ),
    "trainer.max_steps=0": ("settings-rule", "trainer.max_steps=0", "above 0"),
    "data.micro_batch_size=5": ("settings-rule", "dataset.global_batch_size=384", ""),
    "data.mode=pack": ("sample-mode", "'pack'", "'packed'"),
    "data.global_batch_size=2624": ("batch-too-large", "21,495,808", "21,474,836"),
    "model.config.seq_length=64": ("settings-rule", "dataset.sequence_length=8192", ""),
    "model.config.num_layers=30 trainer.strategy.pipeline_model_parallel_size=4": (
        "settings-rule",
        "parallelism.pipeline=4",
        "",
    ),
    "optim.lr_scheduler.warmup_steps=200000": (
        "settings-rule",
        "optimizer.warmup_steps=200000",
        "",
    ),
    "data.corpus=/none/there": ("torch-without-cuda", "CUDA", "hardware=cpu"),
    "trainer.accelerator=cpu": ("settings-rule", "parallelism.precision_aware_optimizer=true", "=false"),
    "trainer.plugins.fp8=hybrid trainer.plugins.fp8_recipe=mxfp8": (
        "settings-rule",
        "precision.fp8=mxfp8",
        "b200",
    ),
    "trainer.plugins.fp8_recipe=mxfp8": ("fp8-scaling-without-fp8", "", "trainer.plugins.fp8=hybrid"),
    "model.config.recompute_num_layers=33": ("settings-rule", "parallelism.recompute_layers=33", ""),
    "optim.config.adam_beta2=1.5": ("settings-rule", "beta2=1.5", "betas"),
    "trainer.limit_val_batches=None": ("not-a-number", "'null'", ""),
}


@pytest.mark.parametrize("words", OVERRIDDEN)
def test_nemos_overrides_are_checked_as_ours(words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import recipes.factories

    monkeypatch.setattr("sys.argv", ["nemo", "llm", "pretrain", "--factory", "llama3_8b_genomic", *words.split()])
    kind, names, fix = OVERRIDDEN[words]
    with refused(kind, names=names, fix=fix):
        recipes.factories.llama3_8b_genomic()


@pytest.mark.parametrize("words", ["--dryrun", "run.executor=genomic_slurm(account='me')", "--to-yaml=recipe.yaml"])
def test_a_run_that_is_not_here_is_not_asked_for_its_machine(words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import recipes.factories

    monkeypatch.setattr("sys.argv", ["nemo", "llm", "pretrain", "--factory", "llama3_8b_genomic", words])
    recipes.factories.llama3_8b_genomic()


def test_a_schedule_that_ends_early_is_told_by_both_doors(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import recipes.factories
    from recipes.train import main

    told = "warning: the schedule ends at step 150 of 400: the 250 steps after it run at optimizer.min_lr=0.0002."
    monkeypatch.setattr("sys.argv", ["nemo", "llm", "pretrain", "--dryrun", "trainer.max_steps=400"])
    recipes.factories.llama3_tiny_genomic()
    assert capsys.readouterr().err.startswith(told)
    assert main(["--config-name", "train_tiny", "--cfg", "trainer.max_steps=400"]) == 0
    assert capsys.readouterr().err.startswith(told)
    assert main(["--config-name", "train_tiny", "--cfg", "trainer.max_steps=150"]) == 0
    assert capsys.readouterr().err == ""


def test_a_recipe_survives_serialization(factories: dict[str, str]) -> None:
    from nemo_run.core.serialization.zlib_json import ZlibJSONSerializer

    import recipes.factories

    recipe = recipes.factories.llama3_tiny_genomic()
    serializer = ZlibJSONSerializer()
    assert serializer.deserialize(serializer.serialize(recipe)) == recipe


REFUSED = {
    "hardware.devices=7": (
        "settings-rule",
        "1 x 7",
        "",
    ),
    "parallelism.tensor=8 hardware.devices=4": ("settings-rule", "4 devices", "hardware.devices"),
    "parallelism.tensor=16": ("settings-rule", "parallelism.tensor=16", ""),
    "parallelism.pipeline=5": ("settings-rule", "parallelism.pipeline=5", ""),
    "dataset.micro_batch_size=5": ("settings-rule", "5 x 8", ""),
    "dataset.sequence_length=16384": ("settings-rule", "dataset.sequence_length=16384", ""),
    "parallelism.sequence_parallel=true": (
        "settings-rule",
        "parallelism.sequence_parallel=true",
        "",
    ),
    "hardware.accelerator=tpu": ("settings-rule", "hardware.accelerator=tpu", "cpu or gpu"),
    "precision.compute=fp8": ("settings-rule", "precision.compute=fp8", "precision=fp8_delayed"),
    "hardware=cpu": ("settings-rule", "parallelism.precision_aware_optimizer=true", "parallelism=plain"),
    "trainer.max_steps=0": ("settings-rule", "trainer.max_steps=0", "above 0"),
    "dataset.micro_batch_size=-1": ("settings-rule", "dataset.micro_batch_size=-1", "above 0"),
    "dataset.mode=pack": ("sample-mode", "'pack'", "'packed'"),
    "dataset.stride=100": ("stride-without-window", "100", "dataset.mode=window"),
    "dataset.mode=window dataset.stride=9000": ("stride-too-long", "9000", ""),
    "dataset.soft_mask_weight=0.125": ("loss-weight", "0.125", "two decimals"),
    "dataset.mode=packed parallelism.pipeline=2 dataset.micro_batch_size=2": (
        "packed-pipeline",
        "dataset.micro_batch_size=2",
        "dataset.micro_batch_size=1",
    ),
    "dataset.global_batch_size=2624": ("batch-too-large", "21,495,808", "21,474,836"),
    "dataset.corpus=[{corpus:a,wieght:1}]": ("unknown-key", "'wieght'", "'weight'"),
    "model_tag=./llama4": ("no-such-directory", "", "llama3_8b_genomic_config"),
    "dataset.tokenizer_path=./llama3_8b_genomic_config": (
        "directory-without-config",
        "tokenizer.json",
        "example_checkpoint",
    ),
}


@pytest.mark.parametrize("override", REFUSED)
def test_a_layout_that_cannot_work_is_refused_by_name(override: str) -> None:
    from recipes.recipe import pretrain_recipe

    kind, names, fix = REFUSED[override]
    with refused(kind, names=names, fix=fix):
        pretrain_recipe(compose_config("train_8b_opengenome2", override.split()))


def test_one_corpus_in_the_place_of_a_blend() -> None:
    from recipes.recipe import pretrain_recipe

    blend = pretrain_recipe(compose_config("train_8b_opengenome2")).data.corpus
    assert [source["weight"] for source in blend] == [0.18, 0.24, 0.03, 0.02, 0.09, 0.09, 0.35, 0.0003, 0.005]
    for name in ("train_8b_opengenome2", "train_1b", "train_tiny"):
        assert pretrain_recipe(compose_config(name, ["dataset.corpus=some/where"])).data.corpus == "some/where"
    two = ["dataset.corpus=[{corpus:a,weight:1},{corpus:b,weight:2.5}]"]
    assert pretrain_recipe(compose_config("train_8b_opengenome2", two)).data.corpus == [
        {"corpus": "a", "weight": 1},
        {"corpus": "b", "weight": 2.5},
    ]


def test_the_8b_that_megatron_builds(tmp_path: Path) -> None:
    out = tmp_path / "shapes.json"
    assert run_in_process(build_8b_on_meta, out, log=tmp_path / "log") == 0, (tmp_path / "log").read_text()[-2000:]
    shapes = json.loads(out.read_text())
    assert sum(math.prod(shape) for shape in shapes.values()) == 6_981_685_248
    assert shapes["embedding.word_embeddings.weight"] == shapes["output_layer.weight"] == [256, 4096]
    assert shapes["decoder.layers.31.self_attention.linear_qkv.weight"] == [6144, 4096]
    assert shapes["decoder.layers.0.mlp.linear_fc1.layer_norm_weight"] == [4096]


def test_the_vocabulary_is_never_padded() -> None:
    from nemo.collections.llm.gpt.model.base import get_vocab_size

    from recipes.recipe import pretrain_recipe

    config = pretrain_recipe(compose_config("train_8b_opengenome2")).model.config
    assert config.vocab_size == 256
    for tensor_parallel in (1, 2, 4, 8):
        config.tensor_model_parallel_size = tensor_parallel
        assert get_vocab_size(config, 256, config.make_vocab_size_divisible_by) == 256


def test_weight_decay_is_for_matrices_alone() -> None:
    import torch

    from recipes.weight_decay import without_weight_decay

    matrix, vector = torch.nn.Parameter(torch.ones(2, 2)), torch.nn.Parameter(torch.ones(2))
    assert without_weight_decay("module.embedding.word_embeddings.weight", matrix)
    assert without_weight_decay("decoder.layers.0.self_attention.linear_qkv.layer_norm_weight", vector)
    assert not without_weight_decay("output_layer.weight", matrix)
    assert not without_weight_decay("decoder.layers.0.mlp.linear_fc2.weight", matrix)


def test_the_nemo_command_prints_the_8b(tmp_path: Path) -> None:
    log = tmp_path / "log"
    arguments = ("--factory", "llama3_8b_genomic", "--dryrun", "-y", "data.corpus=some/where", "data.mode=packed")
    assert nemo("llm", "pretrain", *arguments, log=log) == 0
    text = "".join(log.read_text().split())
    for expected in (
        "transformer_engine_layer_spec",
        "seq_length=8192",
        "vocab_size=256",
        "lr=3e-05",
        "schedule_steps=182314",
        "adam_beta2=0.95",
        "use_distributed_optimizer=True",
        "corpus='some/where'",
        "mode='packed'",
        "calculate_per_token_loss=True",
    ):
        assert expected in text


def test_the_nemo_command_names_the_nearest_field(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert nemo("llm", "pretrain", "--factory", "llama3_8b_genomic", "-y", "trainer.max_step=2", log=log) != 0
    assert "no field 'max_step' in trainer. Did you mean 'max_steps'?" in log.read_text()
    assert "Traceback" not in log.read_text()


def test_the_nemo_command_looks_for_the_corpus_before_it_builds(tmp_path: Path) -> None:
    log, run = tmp_path / "log", tmp_path / "run"
    arguments = ("--factory", f"llama3_tiny_genomic(run_dir='{run}')", "-y", f"data.corpus={tmp_path}/none")
    assert nemo("llm", "pretrain", *arguments, log=log) != 0
    assert f"{tmp_path}/none" in log.read_text()
    assert "Traceback" not in log.read_text()
    assert not run.exists()


def test_a_longer_context_reaches_the_model_the_data_and_the_check_of_initial_weights() -> None:
    from recipes import factories

    recipe = factories.llama3_8b_genomic_32k()
    model = recipe.model.config
    assert (model.seq_length, model.rotary_base) == (32_768, 500_000)
    assert (model.scale_factor, model.old_context_len) == (4.0, 8192)
    assert (recipe.data.seq_length, recipe.trainer.strategy.context_parallel_size) == (32_768, 4)
    assert recipe.resume.extends is None  # from random weights
    recipe = factories.llama3_1b_genomic_finetune(init_from="weights", context="64k")
    assert (recipe.model.config.seq_length, recipe.model.config.scale_factor) == (65_536, 8.0)
    assert recipe.resume.extends == "./llama3_1b_genomic_config"
