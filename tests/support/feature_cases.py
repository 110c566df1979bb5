"""A real training step watched from inside, in a process of its own (`nemo_process.run_in_process`)."""

import copy
import json
from pathlib import Path
from typing import Any


def watch_one_step(overrides: list[str], out: Path) -> None:
    """Train and validate one step of the tiny model; write what was built, what was clipped, and losses by hand."""
    import fiddle
    import torch
    from lightning.pytorch.callbacks import Callback

    from configs.compose import compose_config
    from recipes.recipe import pretrain_recipe

    class Watcher(Callback):  # type: ignore[misc]
        def __init__(self) -> None:
            self.report: dict[str, Any] = {}
            self.batches: dict[str, list[Any]] = {"train": [], "validation": []}

        def on_train_start(self, trainer: Any, pl_module: Any) -> None:
            module = pl_module.module
            while hasattr(module, "module"):
                module = module.module
            self.module = module
            self.before = copy.deepcopy({name: p.detach() for name, p in module.named_parameters()})
            self.report["std"] = {name: float(p.std()) for name, p in self.before.items()}
            self.report["mean"] = {name: float(p.mean()) for name, p in self.before.items()}
            names = {id(parameter): name for name, parameter in module.named_parameters()}
            self.report["weight_decay"] = {
                names[id(parameter)]: group["weight_decay"]
                for group in trainer.optimizers[0].param_groups
                for parameter in group["params"]
            }

        def on_megatron_microbatch_end(self, step: Any, batch: Any, output: Any, forward_callback: Any) -> None:
            self.batches["validation" if step.forward_only else "train"].append((batch, output.detach().clone()))

        def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
            groups = trainer.optimizers[0].param_groups
            norms = [parameter.grad.norm() for group in groups for parameter in group["params"]]
            self.report["clipped_norm"] = float(torch.stack(norms).norm())

    watcher = Watcher()
    config = compose_config("train_tiny", overrides)
    pretrain = fiddle.build(pretrain_recipe(config))
    pretrain.keywords["trainer"].callbacks.insert(0, watcher)
    pretrain()
    by_hand = {kind: bits_by_hand(batches) for kind, batches in watcher.batches.items()}
    gradient = gradient_by_hand(watcher.module, watcher.before, watcher.batches["train"], config.optimizer.z_loss)
    out.write_text(json.dumps({**watcher.report, "by_hand": by_hand, **gradient}))


def bits_by_hand(batches: list[Any]) -> dict[str, dict[str, Any]]:
    """Bits per base and number of bases of each source, one token at a time."""
    import math

    sums: dict[str, list[float]] = {}
    for batch, output in batches:
        losses = output.view_as(batch["loss_mask"]).tolist()
        rows = zip(losses, batch["labels"].tolist(), batch["loss_mask"].tolist(), batch["source"].tolist(), strict=True)
        for row, labels, weights, source in rows:
            for loss, label, weight in zip(row, labels, weights, strict=True):
                if weight > 0 and chr(label) in "ACGT":
                    for key in ("all", str(source)):
                        total = sums.setdefault(key, [0.0, 0])
                        total[0] += loss
                        total[1] += 1
    return {key: {"bits": nats / math.log(2) / bases, "bases": bases} for key, (nats, bases) in sums.items()}


def gradient_by_hand(module: Any, weights: Any, batches: list[Any], z_loss: float) -> dict[str, float]:
    """Mean cross-entropy, and the norm of the gradient of it and z_loss * log(Z)^2, from logits by torch alone."""
    import torch

    from training.cpu.stand_in import cpu_stand_in
    from training.forward import causal_forward_step

    for name, parameter in module.named_parameters():
        parameter.data.copy_(weights[name])
    with cpu_stand_in():
        entropy, penalty, total = torch.zeros(()), torch.zeros(()), torch.zeros(())
        for batch, _ in batches:
            logits = causal_forward_step(module, {**batch, "labels": None})
            weight = batch["loss_mask"]
            losses = torch.nn.functional.cross_entropy(
                logits.flatten(0, 1), batch["labels"].flatten(), reduction="none"
            )
            entropy = entropy + (losses.view_as(weight) * weight).sum()
            penalty = penalty + (logits.logsumexp(-1).square() * weight).sum()
            total = total + weight.sum()
        gradients = torch.autograd.grad((entropy + z_loss * penalty) / total, list(module.parameters()))
    norm = torch.stack([gradient.norm() for gradient in gradients]).norm()
    return {"loss": float(entropy / total), "penalty": float(penalty / total), "grad_norm": float(norm)}
