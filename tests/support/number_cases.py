"""How a run on pretended GPUs keeps its numbers: read from its live objects, after its first update."""

import gc
import json
from pathlib import Path
from typing import Any


def write_kept(out: Path, arguments: list[str]) -> None:
    """Train with `arguments`, and write to OUT what `kept` finds."""
    import fiddle
    from lightning.pytorch.callbacks import Callback

    from configs.compose import compose_config
    from recipes.recipe import pretrain_recipe

    class Look(Callback):  # type: ignore[misc]
        def on_train_batch_end(self, trainer: Any, *given: Any) -> None:
            out.write_text(json.dumps(kept(trainer)))

    config_name, *overrides = arguments[1:]
    pretrain = fiddle.build(pretrain_recipe(compose_config(config_name, overrides)))
    pretrain.keywords["trainer"].callbacks.append(Look())
    pretrain()


def kept(trainer: Any) -> dict[str, Any]:
    """Formats of gradients, moments and master weights, who keeps those, and how weights are gathered.

    `remainder`: 16 bits beside a bf16 weight; `adam`: Transformer Engine's optimizer; `megatron`: Megatron-Core's.
    """
    (stage,) = trainer.strategy.megatron_parallel
    (distributed,) = trainer.strategy._megatron_optimizers()
    states = list(distributed.optimizer.state.values())
    by_megatron = [part for group in distributed.shard_fp32_from_float16_groups for part in group if part is not None]
    (collector,) = [one for one in trainer.callbacks if hasattr(one, "gc_interval_train")]
    return {
        "gradients": formats(buffer.grad_data for buffer in stage.module.buffers),
        "moments": formats(state[name] for state in states for name in ("exp_avg", "exp_avg_sq")),
        "adam": formats(state["master_param"] for state in states if "master_param" in state),
        "megatron": formats(by_megatron),
        "gathered while computing": bool(stage.module.remove_forward_pre_hook_handles),
        "gathered in gradients": distributed.config.reuse_grad_buf_for_mxfp8_param_ag,
        "collects by itself": gc.isenabled(),
        "collected every": [collector.gc_interval_train, collector.gc_interval_val],
    }


def formats(tensors: Any) -> list[str]:
    return sorted({str(tensor.dtype).removeprefix("torch.") for tensor in tensors})
