"""What a run leaves for reports: `metrics.jsonl`, a line a logged step, and `config.yaml`, the values that ran."""

import json
import time
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.callbacks import Callback
from megatron.core import parallel_state
from nemo.lightning.io import IOMixin
from nemo.lightning.pytorch.callbacks.peft import PEFT
from omegaconf import OmegaConf

from conduct.atomic import atomic_file
from configs.llama import from_megatron_fields, hf_config
from recipes.source_losses import SourceLosses


class RunLog(Callback, IOMixin):  # type: ignore[misc]
    """Writes the run log on global rank 0; appends when a run is resumed.

    A training line has `step` (1-based), `loss` (nats per token), `learning_rate`, `grad_norm`, and `tokens` and
    `seconds` since the line before; a validation line has `step` and `validation_loss`, and of a blend also
    `validation_loss_by_source`, by the names of the corpora.
    """

    def __init__(self, run_dir: str) -> None:
        self.run_dir = run_dir
        self._steps = 0
        self._since = 0.0
        self._learning_rate = 0.0
        self._by_source: SourceLosses | None = None  # while a blend is validated

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        if trainer.is_global_zero:
            with atomic_file(Path(self.run_dir) / "config.yaml") as path:
                path.write_text(OmegaConf.to_yaml(OmegaConf.create(live_config(trainer, pl_module))), encoding="utf-8")
        self._steps, self._since = 0, time.perf_counter()

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        self._learning_rate = trainer.optimizers[0].param_groups[0]["lr"]

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self._steps += 1
        if trainer.global_step % trainer.log_every_n_steps or not trainer.is_global_zero:
            return
        now, data = time.perf_counter(), trainer.datamodule
        self._append(
            step=trainer.global_step,
            loss=_scalar(trainer.callback_metrics.get("reduced_train_loss")),
            learning_rate=self._learning_rate,
            grad_norm=_scalar(trainer.callback_metrics.get("grad_norm")),
            tokens=self._steps * data.global_batch_size * data.seq_length,
            seconds=now - self._since,
        )
        self._steps, self._since = 0, now

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        self._validation_began = time.perf_counter()
        names = trainer.datamodule.source_names
        self._by_source = SourceLosses(len(names)) if len(names) > 1 else None

    def on_megatron_microbatch_end(self, step: Any, batch: Any, output: torch.Tensor, forward_callback: Any) -> None:
        if self._by_source is not None and parallel_state.is_pipeline_last_stage():
            self._by_source.add(output, batch["loss_mask"], batch["source"])

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        self._since += time.perf_counter() - self._validation_began  # no training time
        line: dict[str, Any] = {"validation_loss": _scalar(trainer.callback_metrics.get("val_loss"))}
        if self._by_source is not None:
            means = self._by_source.mean()
            line["validation_loss_by_source"] = dict(zip(trainer.datamodule.source_names, means, strict=True))
            self._by_source = None
        if trainer.is_global_zero:
            self._append(step=trainer.global_step, **line)

    def _append(self, **line: object) -> None:
        with open(Path(self.run_dir) / "metrics.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def live_config(trainer: Any, pl_module: Any) -> dict[str, Any]:
    """The values of a running trainer under the names of `configs.schema`, and the architecture."""
    model, data, strategy = pl_module.config, trainer.datamodule, trainer.strategy
    optimizer, schedule = pl_module.optim.config, pl_module.optim.lr_scheduler
    dtype = "bfloat16" if model.bf16 else "float32"
    architecture = from_megatron_fields(vars(model), dtype=dtype, where="the model of this run")
    return {
        "model": {**hf_config(architecture), "parameters": architecture.parameters},
        "dataset": {
            "corpus": data.corpus,
            "mode": data.mode,
            "stride": data.stride,
            "sequence_length": data.seq_length,
            "micro_batch_size": data.micro_batch_size,
            "global_batch_size": data.global_batch_size,
            "soft_mask_weight": data.soft_mask_weight,
            "markup_weight": data.markup_weight,
            "reverse_complement": data.reverse_complement,
            "seed": data.seed,
        },
        "optimizer": {
            "lr": optimizer.lr,
            "min_lr": schedule.min_lr,
            "warmup_steps": schedule.warmup_steps,
            "schedule_steps": schedule.schedule_steps,
            "beta1": optimizer.adam_beta1,
            "beta2": optimizer.adam_beta2,
            "eps": optimizer.adam_eps,
            "weight_decay": optimizer.weight_decay,
            "clip_grad": optimizer.clip_grad,
            "embedding_init_std": model.embedding_init_method_std,
        },
        "lora": lora_values(trainer),
        "precision": {
            "compute": "bf16-mixed" if model.bf16 else "32",
            "fp8": model.fp8_recipe if model.fp8 else "none",
            "grad_reduce_in_fp32": strategy.ddp_config.grad_reduce_in_fp32,
        },
        "parallelism": {
            "tensor": strategy.tensor_model_parallel_size,
            "pipeline": strategy.pipeline_model_parallel_size,
            "context": strategy.context_parallel_size,
            "sequence_parallel": strategy.sequence_parallel,
            "distributed_optimizer": optimizer.use_distributed_optimizer,
            "precision_aware_optimizer": optimizer.use_precision_aware_optimizer,
            "recompute_layers": model.recompute_num_layers or 0,
        },
        "hardware": {
            "accelerator": strategy.root_device.type,
            "devices": trainer.num_devices,
            "num_nodes": trainer.num_nodes,
        },
        "trainer": {"max_steps": trainer.max_steps, "validate_every": trainer.val_check_interval},
    }


def lora_values(trainer: Any) -> dict[str, float]:
    """Rank, alpha and dropout of the adapters that are trained; rank 0 where all weights are."""
    for callback in trainer.callbacks:
        if isinstance(callback, PEFT):
            return {name: getattr(callback, name) for name in ("dim", "alpha", "dropout")}
    return {"dim": 0}


def _scalar(value: Any) -> float | None:
    return None if value is None else float(value)
