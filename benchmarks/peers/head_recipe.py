"""Our recipe of the tiny model with a head, as the front door builds it: for benchmarks/finetuning.py."""

from pathlib import Path
from typing import Any

from benchmarks.turns import Turns


def train(turns: Turns, folder: Path, values: dict[str, Any]) -> None:
    """Train `folder/hf` on `folder/motifs`."""
    import fiddle
    import torch
    from lightning.pytorch.callbacks import Callback

    from configs.compose import compose_config
    from recipes.recipe import pretrain_recipe

    class TakeTurns(Callback):  # type: ignore[misc]
        def on_train_start(self, *_: Any) -> None:
            torch.set_num_threads(values["threads"])  # importing NeMo sets it

        def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
            turns.step(float(trainer.callback_metrics["reduced_train_loss"]))

    steps = values["steps"]
    overrides = [
        f"init_from={folder / 'hf'}", f"run_dir={folder / 'run'}", f"head.train={folder / 'motifs'}",
        f"dataset.sequence_length={values['length']}", f"dataset.global_batch_size={values['batch']}",
        f"dataset.micro_batch_size={values['micro']}", f"trainer.max_steps={steps}",
        f"trainer.validate_every={steps + 1}", f"trainer.checkpoint_every={steps + 1}", f"lora.dim={values['rank']}",
        "optimizer.lr=1e-3", "optimizer.min_lr=1e-3", "optimizer.warmup_steps=0", "optimizer.weight_decay=0",
    ]  # fmt: skip
    task = fiddle.build(pretrain_recipe(compose_config("classify_tiny", overrides)))
    task.keywords["trainer"].callbacks.append(TakeTurns())
    task()
