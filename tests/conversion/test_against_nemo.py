"""Ours against NeMo's own: what NeMo saves we read, what we write NeMo loads, and the logits are the same.

One live NeMo model serves the whole file: importing NeMo takes half a minute, everything after it seconds.
"""

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from by_hand import hf_tensors, megatron_tensors, same_bits, save_llama

from configs.llama import LlamaArchitecture, megatron_fields
from conversion.convert import convert
from conversion.formats import open_checkpoint

ARCHITECTURE = LlamaArchitecture(
    num_hidden_layers=3,
    hidden_size=64,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=16,
    intermediate_size=96,
    max_position_embeddings=512,
    rope_theta=500000.0,
    rms_norm_eps=1e-05,
    initializer_range=0.08,
    tie_word_embeddings=False,
    dtype="float32",
)


@dataclasses.dataclass
class Nemo:
    """A NeMo model that is set up under a trainer on the CPU, and the checkpoint that NeMo saved of it."""

    trainer: Any
    model: Any
    checkpoint: Path

    def parameters(self) -> dict[str, torch.Tensor]:
        return {name: value.detach().clone() for name, value in self.model.named_parameters()}

    def logits(self, tokens: torch.Tensor) -> torch.Tensor:
        positions = torch.arange(tokens.shape[1]).expand_as(tokens)
        with torch.no_grad():
            return self.model.module(input_ids=tokens, position_ids=positions, attention_mask=None)

    @torch.no_grad()
    def fill(self, value: float) -> None:
        for parameter in self.model.parameters():
            parameter.fill_(value)


@pytest.fixture(scope="module")
def nemo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nemo]:
    from lightning.pytorch.trainer.states import TrainerFn
    from megatron.core import parallel_state
    from nemo import lightning as nl
    from nemo.collections import llm
    from nemo.collections.llm.gpt.model.llama import LlamaConfig

    from recipes.model import CPU_FIELDS
    from tokenizer.nucleotide import NucleotideTokenizer
    from training.cpu.strategy import CpuMegatronStrategy

    environment = dict(os.environ)  # the strategy leaves its rendezvous address there
    torch.manual_seed(7)
    config = LlamaConfig(**megatron_fields(ARCHITECTURE), **CPU_FIELDS, params_dtype=torch.float32)
    model = llm.LlamaModel(config, tokenizer=NucleotideTokenizer())
    strategy = CpuMegatronStrategy(ckpt_save_optimizer=False, always_save_context=True)
    trainer = nl.Trainer(devices=1, accelerator="cpu", logger=False, strategy=strategy)
    trainer.state.fn = TrainerFn.FITTING  # saving asks for it
    strategy.connect(model)
    strategy.setup_environment()
    try:
        model.configure_model()
        strategy._setup_optimizers = False
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if "norm" in name:  # ones otherwise, which would hide a norm that got lost
                    parameter.normal_(1.0, 0.3)
        checkpoint = tmp_path_factory.mktemp("nemo") / "step=1"
        nl.io.ModelConnector("").nemo_save(checkpoint, trainer)
        yield Nemo(trainer=trainer, model=model, checkpoint=checkpoint)
    finally:
        strategy.teardown()
        parallel_state.destroy_model_parallel()
        torch.distributed.destroy_process_group()
        os.environ.clear()
        os.environ.update(environment)


@pytest.fixture(scope="module")
def exported(nemo: Nemo, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exported") / "hf"
    convert(nemo.checkpoint, path, to="hf")
    return path


@pytest.fixture(scope="module")
def ours(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ours") / "nemo"
    convert(exported, path, to="nemo")
    return path


def test_we_read_what_nemo_saved_bit_for_bit(nemo: Nemo) -> None:
    checkpoint = open_checkpoint(nemo.checkpoint)
    assert checkpoint.architecture == dataclasses.replace(ARCHITECTURE, dtype="float32")
    assert same_bits(megatron_tensors(checkpoint), nemo.parameters())


@pytest.mark.parametrize("length", [1, 17, 512])
def test_the_export_has_the_logits_of_megatron_at_every_position(length: int, nemo: Nemo, exported: Path) -> None:
    from transformers import AutoModelForCausalLM

    tokens = torch.randint(0, 256, (2, length), generator=torch.Generator().manual_seed(length))
    with torch.no_grad():
        found = AutoModelForCausalLM.from_pretrained(exported)(tokens).logits
    expected = nemo.logits(tokens)
    assert found.shape == expected.shape == (2, length, 256)
    assert expected.std() > 0.3  # a model that says something
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)


def test_nemo_restores_what_we_wrote_bit_for_bit(nemo: Nemo, ours: Path) -> None:
    """The way of `init_from`: a `RestoreConfig`, which loads strictly."""
    from nemo import lightning as nl

    before = nemo.parameters()
    nemo.fill(0.0)
    nemo.trainer.strategy.restore_config = nl.RestoreConfig(path=str(ours))
    nemo.trainer.strategy.selective_restore()
    assert same_bits(nemo.parameters(), before)


def test_megatron_loads_what_we_wrote_and_finds_nothing_missing(nemo: Nemo, ours: Path) -> None:
    from megatron.core import dist_checkpointing
    from megatron.core.dist_checkpointing.validation import StrictHandling

    before = nemo.parameters()
    nemo.fill(0.0)  # Megatron loads into the tensors of `wanted`, which are the model's
    wanted = nemo.trainer.strategy.megatron_parallel.sharded_state_dict()
    _, not_asked_for, not_there = dist_checkpointing.load(
        wanted, str(ours / "weights"), strict=StrictHandling.RETURN_ALL
    )
    assert not_there == set()
    assert not_asked_for == {  # by the CPU layers; Transformer Engine's have these states
        "module.decoder.layers.self_attention.core_attention._extra_state",
        "module.decoder.final_layernorm._extra_state",
    }
    assert same_bits(nemo.parameters(), before)


def test_nemo_builds_the_context_that_we_wrote(ours: Path) -> None:
    from nemo.collections.llm import LlamaModel
    from nemo.lightning.io import load_context

    from tokenizer.nucleotide import NucleotideTokenizer

    model = load_context(ours, subpath="model")
    assert type(model) is LlamaModel
    assert type(model.tokenizer) is NucleotideTokenizer
    fields = megatron_fields(ARCHITECTURE) | {"params_dtype": torch.float32, "bf16": False}
    assert {name: getattr(model.config, name) for name in fields} == fields
    assert type(load_context(ours).model) is LlamaModel


def test_nemos_own_exporter_gives_the_same_model(
    nemo: Nemo, ours: Path, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`llm.export_ckpt` on our checkpoint; with layers that have Transformer Engine's parameter names, as on a GPU."""
    from nemo.collections import llm
    from nemo.collections.llm.gpt.model import base
    from nemo.collections.llm.gpt.model.llama import HFLlamaExporter

    from training.cpu.layers import cpu_block_spec

    monkeypatch.setattr(base, "local_layer_spec", cpu_block_spec)
    llm.export_ckpt(ours, "hf", tmp_path / "theirs", load_connector=lambda path, _: HFLlamaExporter(path))
    assert same_bits(hf_tensors(tmp_path / "theirs"), hf_tensors(exported))
    monkeypatch.undo()


def test_a_bfloat16_checkpoint_builds_a_bfloat16_model(tmp_path: Path) -> None:
    from nemo.lightning.io import load_context

    source = save_llama(tmp_path / "hf", dtype="bfloat16")
    convert(source, tmp_path / "nemo", to="nemo")
    config = load_context(tmp_path / "nemo", subpath="model").config
    assert (config.bf16, config.fp16, config.params_dtype) == (True, False, torch.bfloat16)
