"""Let Megatron-Bridge write small checkpoints, which the tests of `convert` read without it.

In its environment, `PYTHONPATH=.:tests/support .venv-bridge/bin/python tests/bridge/write_checkpoints.py FOLDER` writes
`plain/` (from a Hugging Face model), `tensor_parallel/` (by two ranks, bfloat16, RoPE scaled by 8), `trained/` (two
steps, bfloat16, with the optimizer), `adapters/` (LoRA beside plain/, the same) and `builder/` (the run_config.yaml of
a model made by a GPTModelBuilder).
"""

import dataclasses
import functools
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from formula_weights import SCALING, SMALL, save_formula_llama


def provider_of(hf: Path, **fields: Any) -> Any:
    """Bridge's provider for the model `hf`, with what a CPU can do."""
    from megatron.bridge import AutoBridge

    provider = AutoBridge.from_hf_pretrained(str(hf)).to_megatron_provider()
    return on_cpu(provider, **fields)


def on_cpu(provider: Any, **fields: Any) -> Any:
    """`provider` with Megatron-Core's own layers, and without fused kernels."""
    from megatron.bridge.models.gpt_provider import local_layer_spec

    provider.transformer_layer_spec = local_layer_spec
    fusions = ("apply_rope_fusion", "gradient_accumulation_fusion", "masked_softmax_fusion", "persist_layer_norm")
    fusions += ("bias_activation_fusion", "bias_dropout_fusion", "cross_entropy_loss_fusion")
    for name, value in {"use_cpu_initialization": True, **dict.fromkeys(fusions, False), **fields}.items():
        assert hasattr(provider, name), name
        setattr(provider, name, value)
    return provider


def seed() -> None:
    from megatron.core.tensor_parallel import get_cuda_rng_tracker

    get_cuda_rng_tracker().add("model-parallel-rng", 1)


def write_plain(hf: Path, out: Path) -> None:
    """As `AutoBridge.import_ckpt` does."""
    from megatron.bridge import AutoBridge
    from megatron.bridge.training.model_load_save import temporary_distributed_context

    with temporary_distributed_context("gloo"):
        seed()
        provider = provider_of(hf)
        provider.finalize()
        model = provider.provide_distributed_model(wrap_with_ddp=False, use_cpu_initialization=True)
        AutoBridge.from_hf_pretrained(str(hf)).save_megatron_model(model, str(out), hf_tokenizer_path=str(hf))


def write_tensor_parallel(hf: Path, out: Path) -> None:
    """As one of two ranks."""
    import torch.distributed as dist
    from megatron.bridge import AutoBridge
    from megatron.core import parallel_state

    dist.init_process_group("gloo")
    parallel_state.initialize_model_parallel(tensor_model_parallel_size=2)
    seed()
    provider = provider_of(
        hf, tensor_model_parallel_size=2, bf16=True, params_dtype=torch.bfloat16, pipeline_dtype=torch.bfloat16
    )
    provider.finalize()
    model = provider.provide_distributed_model(wrap_with_ddp=False, use_cpu_initialization=True, bf16=True)
    AutoBridge.from_hf_pretrained(str(hf)).save_megatron_model(model, str(out), hf_tokenizer_path=str(hf))
    dist.barrier()


def write_trained(hf: Path, out: Path, *, steps: int = 2, **checkpoint: Any) -> None:
    """Two steps of Bridge's own training, in bfloat16 with the distributed optimizer, from the weights of `hf`."""
    import torch.distributed as dist
    from megatron.bridge.training.pretrain import pretrain

    provider = provider_of(hf, bf16=True, params_dtype=torch.bfloat16, calculate_per_token_loss=True)
    dist.init_process_group("gloo", init_method=f"file://{out.parent}/store_{out.name}", rank=0, world_size=1)
    seed()
    pretrain(container(provider, hf, out, steps=steps, **checkpoint), forward_step)


def write_adapters(hf: Path, out: Path) -> None:
    """Two steps of LoRA beside `plain`, which is there already."""
    import torch.distributed as dist
    from megatron.bridge.peft.lora import LoRA
    from megatron.bridge.training.pretrain import pretrain

    provider = provider_of(hf, calculate_per_token_loss=True)
    dist.init_process_group("gloo", init_method=f"file://{out.parent}/store_{out.name}", rank=0, world_size=1)
    seed()
    settings = container(provider, hf, out, steps=2, pretrained_checkpoint=str(out.parent / "plain"))
    settings.peft, settings.optimizer.bf16 = LoRA(dim=4, alpha=8, target_modules=["linear_qkv", "linear_fc1"]), False
    pretrain(settings, forward_step)


def container(provider: Any, hf: Path, out: Path, *, steps: int, **checkpoint: Any) -> Any:
    """The configuration of a run of `steps` of two samples each that saves into `out` at its end."""
    from megatron.bridge.data.base import DatasetProvider
    from megatron.bridge.training import config as bridge
    from megatron.bridge.training.tokenizers.config import TokenizerConfig

    @dataclasses.dataclass
    class Datasets(DatasetProvider):
        seq_length: int = 64

        def build_datasets(self, context: Any) -> tuple[Any, None, None]:
            return _Sequences(context.train_samples, self.seq_length), None, None

    saved = {"save": str(out), "save_interval": steps, "fully_parallel_save": False, "async_strategy": "mcore"}
    length = SMALL["max_position_embeddings"]
    adam = {"lr": 1e-3, "min_lr": 1e-4, "weight_decay": 0.1, "adam_beta2": 0.95, "clip_grad": 1.0}
    return bridge.ConfigContainer(
        model=provider,
        train=bridge.TrainingConfig(micro_batch_size=1, global_batch_size=2, train_iters=steps),
        validation=bridge.ValidationConfig(eval_interval=None, eval_iters=0),
        optimizer=bridge.OptimizerConfig(optimizer="adam", bf16=True, use_distributed_optimizer=True, **adam),
        scheduler=bridge.SchedulerConfig(
            lr_decay_style="cosine",
            lr_warmup_iters=1,
            lr_decay_iters=10,
            start_weight_decay=0.1,
            end_weight_decay=0.1,
        ),
        ddp=bridge.DistributedDataParallelConfig(use_distributed_optimizer=True, grad_reduce_in_fp32=True),
        dataset=Datasets(seq_length=length, dataloader_type="single", num_workers=0, pin_memory=False),
        logger=bridge.LoggerConfig(log_interval=1, tensorboard_dir=None),
        tokenizer=TokenizerConfig(tokenizer_type="HuggingFaceTokenizer", tokenizer_model=str(hf)),
        checkpoint=bridge.CheckpointConfig(**{**saved, **checkpoint}),
        dist=bridge.DistributedInitConfig(distributed_backend="gloo", disable_jit_fuser=True),
        rng=bridge.RNGConfig(seed=7),
    )


class _Sequences(torch.utils.data.Dataset):  # type: ignore[type-arg]
    """Random bases, sample by sample."""

    def __init__(self, samples: int, length: int) -> None:
        self._samples, self._length = samples, length

    def __len__(self) -> int:
        return self._samples

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        generator = torch.Generator().manual_seed(index)
        bases = torch.tensor(list(b"ACGT"))[torch.randint(0, 4, (self._length + 1,), generator=generator)]
        return {"tokens": bases[:-1], "labels": bases[1:]}


def forward_step(data_iterator: Any, model: Any, return_schedule_plan: bool = False) -> Any:
    from megatron.bridge.training.losses import masked_next_token_loss

    batch = next(data_iterator)
    places = torch.arange(batch["tokens"].shape[1]).expand_as(batch["tokens"])
    mask = torch.triu(torch.ones(1, 1, places.shape[1], places.shape[1], dtype=torch.bool), 1)
    loss = model(input_ids=batch["tokens"], position_ids=places, attention_mask=mask, labels=batch["labels"])
    return loss, functools.partial(masked_next_token_loss, torch.ones_like(places, dtype=torch.float32))


def write_builder(hf: Path, out: Path) -> None:
    """The configuration alone: its weights are those of the others."""
    from megatron.bridge.training import config as bridge
    from megatron.core.transformer import TransformerConfig
    from megatron.training.models.gpt import GPTModelConfig

    provider = provider_of(hf)
    shared = TransformerConfig.__dataclass_fields__.keys() - {"transformer_layer_spec"}
    transformer = TransformerConfig(
        **{name: getattr(provider, name) for name in shared if TransformerConfig.__dataclass_fields__[name].init}
    )
    model = GPTModelConfig(
        transformer=transformer,
        vocab_size=256,
        make_vocab_size_divisible_by=32,
        should_pad_vocab=True,
        seq_length=provider.seq_length,
        position_embedding_type="rope",
        rotary_base=provider.rotary_base,
        rope_scaling=True,
        rope_scaling_factor=8.0,
    )
    out.mkdir()
    absent: dict[str, Any] = dict.fromkeys(("train", "ddp", "scheduler", "dataset", "tokenizer", "dist"))
    whole = bridge.ConfigContainer(
        model=model,
        optimizer=bridge.OptimizerConfig(use_distributed_optimizer=False),
        logger=bridge.LoggerConfig(),
        checkpoint=bridge.CheckpointConfig(save=str(out), save_optim=False, save_rng=False, ckpt_format="torch_dist"),
        **absent,
    )
    whole.to_yaml(str(out / "run_config.yaml"))


def main() -> None:
    from training.bridge.packages import mended_packages
    from training.bridge.stand_in import bridge_stand_in

    out, kinds = Path(sys.argv[1]), sys.argv[2:]
    if not kinds:
        hf, scaled = save_formula_llama(out / "hf"), save_formula_llama(out / "scaled", rope_scaling=SCALING)
        for kind in ("plain", "builder", "trained", "adapters"):
            subprocess.run([sys.executable, __file__, str(out), kind], check=True)
        world = {"MASTER_ADDR": "localhost", "MASTER_PORT": "29577", "WORLD_SIZE": "2"}
        ranks = [
            subprocess.Popen(
                [sys.executable, __file__, str(out), "tensor_parallel"], env=os.environ | world | {"RANK": str(rank)}
            )
            for rank in range(2)
        ]
        assert [rank.wait() for rank in ranks] == [0, 0]
        return
    hf, scaled = out / "hf", out / "scaled"
    with mended_packages(), bridge_stand_in():
        if "plain" in kinds:
            write_plain(hf, out / "plain")
        if "trained" in kinds:
            write_trained(hf, out / "trained")
        if "adapters" in kinds:
            write_adapters(hf, out / "adapters")
        if "builder" in kinds:
            write_builder(hf, out / "builder")
        if "tensor_parallel" in kinds:
            write_tensor_parallel(scaled, out / "tensor_parallel")


if __name__ == "__main__":
    main()
