"""Short runs on pretended GPUs, and what is looked up in them while they run."""

import json
import os
from pathlib import Path
from typing import Any

from gpu_process import HOPPER, train_on_gpus
from parallel_cases import RATES, curve

TINY = (
    "dataset.sequence_length=64",
    "dataset.micro_batch_size=1",
    "trainer.validate_every=2",
    "trainer.validation_batches=1",
    "trainer.checkpoint_every=3",
    "trainer.log_every=1",
)
"""Overrides that make any recipe take seconds, beside those of the model."""


def on_gpus(
    run: Path,
    corpus: Path,
    *overrides: str,
    config: str = "train_tiny",
    ranks: int = 1,
    steps: int = 3,
    capability: tuple[int, int] = HOPPER,
) -> list[float]:
    """Train the tiny model as on GPUs, to `steps`; the loss of each step that was made."""
    log = run.with_suffix(".log")
    values = arguments(run, corpus, *overrides, config=config, ranks=ranks, steps=steps, capability=capability)
    status = train_on_gpus(ranks, *values, log=log, capability=capability)
    assert status == 0, "".join(path.read_text()[-3000:] for path in run.parent.glob(f"{log.name}*"))
    return curve(run)


def arguments(
    run: Path,
    corpus: Path,
    *overrides: str,
    config: str = "train_tiny",
    ranks: int = 1,
    steps: int = 3,
    capability: tuple[int, int] = HOPPER,
) -> list[str]:
    """The words of `python -m recipes.train` for it: the GPU's recipe in bf16 and data parallel, unless overridden."""
    gpu = {(8, 0): "a100", (9, 0): "h100", (10, 0): "b200"}[capability]
    return [
        *("--config-name", config),
        *(f"hardware={gpu}", f"hardware.devices={ranks}", "precision=bf16", "parallelism=data_parallel"),
        *(f"run_dir={run}", f"dataset.corpus={corpus}", f"trainer.max_steps={steps}"),
        *("dataset.global_batch_size=4", *RATES, *TINY, *overrides),
    ]


def watch_weights(out: Path, arguments: list[str]) -> None:
    """Train with `arguments`, and write to OUT.RANK what the FP8 weights were at each event.

    [event, weights with two good copies, of them those whose copies differ, sum of each weight's values].
    """
    import fiddle
    from lightning.pytorch.callbacks import Callback

    from configs.compose import compose_config
    from recipes.recipe import pretrain_recipe

    class Watcher(Callback):  # type: ignore[misc]
        def __init__(self) -> None:
            self.seen: list[Any] = []

        def look(self, event: str, trainer: Any) -> None:
            stages = trainer.strategy.megatron_parallel
            weights = [weight for stage in stages for weight in stage.parameters() if hasattr(weight, "_fp8_dtype")]
            pairs = [pair for weight in weights if (pair := two_copies(weight))]
            sums = [float(weight.dequantize().double().sum()) for weight in weights]
            self.seen.append((event, len(pairs), sum(not same(*pair) for pair in pairs), sums))

        def on_megatron_microbatch_end(self, step: Any, **given: Any) -> None:
            self.look("validation" if step.forward_only else "forward", step.trainer)

        def on_train_batch_end(self, trainer: Any, *given: Any) -> None:
            self.look("update", trainer)

        def on_train_start(self, trainer: Any, *given: Any) -> None:
            self.look("start", trainer)

    config_name, *overrides = arguments[1:]
    watcher = Watcher()
    pretrain = fiddle.build(pretrain_recipe(compose_config(config_name, overrides)))
    pretrain.keywords["trainer"].callbacks.append(watcher)
    pretrain()
    out.with_name(f"{out.name}.{os.environ['RANK']}").write_text(json.dumps(watcher.seen))


def two_copies(weight: Any) -> tuple[Any, Any] | None:
    """An FP8 weight's values by its rows and by its columns, fp32, where both copies are said to be good."""
    from benchmarks.emulated_gpu.kernels.mxfp8 import dequantize_blocks

    if hasattr(weight, "_rowwise_data"):
        whole = weight._rowwise_data is not None and weight._columnwise_data is not None
        return (dequantize_blocks(weight, False), dequantize_blocks(weight, True)) if whole else None
    if weight._transpose is None or weight._transpose_invalid:
        return None
    return weight._data.float(), weight._transpose.t().float()  # bytes


def same(rows: Any, columns: Any) -> bool:
    """Equal, or, where each copy has scales of its own, as near as two roundings to three bits of mantissa."""
    return bool(((rows - columns).abs() <= 0.15 * rows.abs().maximum(columns.abs()) + 1e-3).all())
