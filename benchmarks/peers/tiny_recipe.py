"""Our recipe of the tiny model, as the front door builds it, with a callback more: for benchmarks/cpu_training.py."""

from pathlib import Path
from typing import Any

from benchmarks.turns import Turns


def train(turns: Turns, folder: Path, samples: Any, values: dict[str, Any]) -> None:
    """Train `folder/nemo` on `folder/corpus`, from which `samples` are what will be read."""
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

    steps, lr = values["steps"], values["lr"]
    overrides = [
        f"init_from={folder / 'nemo'}",
        f"run_dir={folder / 'run'}",
        f"dataset.corpus={folder / 'corpus'}",
        f"trainer.max_steps={steps}",
        f"trainer.validate_every={steps + 1}",
        f"trainer.checkpoint_every={steps + 1}",
        f"optimizer.lr={lr}",
        f"optimizer.min_lr={lr}",
        "optimizer.warmup_steps=0",
        "optimizer.weight_decay=0",
    ]
    task = fiddle.build(pretrain_recipe(compose_config("train_tiny", [*overrides, *values["overrides"]])))
    task.keywords["trainer"].callbacks.append(TakeTurns())
    task()
