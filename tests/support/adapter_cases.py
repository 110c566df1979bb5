"""Models with NeMo's adapters, and what a step of them costs; run in a process of its own, as `scale_cases`."""

import json
import tempfile
from pathlib import Path
from typing import Any


def adapted(model: Any, lora_dim: int) -> Any:
    """`model` as it is, or as NeMo's LoRA callback makes it: frozen, and adapters beside the four linear layers."""
    from nemo.collections.llm import fn
    from nemo.collections.llm.peft import LoRA

    if not lora_dim:
        return model
    lora = LoRA(dim=lora_dim)
    lora._add_via_setattr = False  # as its `setup` does
    for parameter in model.parameters():
        parameter.requires_grad = False
    return fn.walk(model, lora.transform)


def count_flops(lora_dim: int, out: Path) -> None:
    """FLOPs of the matrix products in a forward and a backward pass of the tiny model, for each token.

    As PyTorch counts them. Those of attention are left out: its kernel on a CPU is none that it knows.
    """
    import fiddle
    import torch
    from megatron.core import parallel_state
    from megatron.core.tensor_parallel import model_parallel_cuda_manual_seed
    from torch.utils.flop_counter import FlopCounterMode

    from configs.compose import compose_config
    from recipes.recipe import pretrain_recipe
    from training.cpu.stand_in import cpu_stand_in
    from training.forward import causal_forward_step

    recipe = pretrain_recipe(compose_config("train_tiny"))
    with tempfile.NamedTemporaryFile() as store, cpu_stand_in():
        torch.distributed.init_process_group("gloo", init_method=f"file://{store.name}", rank=0, world_size=1)
        parallel_state.initialize_model_parallel()
        model_parallel_cuda_manual_seed(1)
        config = fiddle.build(recipe.model.config)
        model: Any = adapted(config.configure_model(fiddle.build(recipe.data.tokenizer)), lora_dim)
        tokens = torch.full((1, 64), 65)
        counter = FlopCounterMode(
            display=False,
            custom_mapping={
                torch.ops.mkldnn._linear_pointwise: lambda left, right, *_, **__: 2 * left.numel() * right[0]
            },
        )
        with counter:
            batch = {"tokens": tokens, "labels": tokens, "position_ids": torch.arange(64)[None]}
            causal_forward_step(model, batch).sum().backward()
    products = {"mm", "addmm", "_linear_pointwise"}
    counted = {str(kernel).split(".")[-1]: flops for kernel, flops in counter.get_flop_counts()["Global"].items()}
    out.write_text(json.dumps(sum(flops for kernel, flops in counted.items() if kernel in products) / 64))
