"""What tests run in a process of its own (`nemo_process.run_in_process`)."""

import json
import tempfile
from pathlib import Path


def build_8b_on_meta(out: Path) -> None:
    """Build the 8B as Megatron-Core does, without memory for its weights; write its parameter names and shapes."""
    import fiddle
    import torch
    from megatron.core import parallel_state
    from megatron.core.tensor_parallel import model_parallel_cuda_manual_seed

    from configs.compose import compose_config
    from recipes.recipe import pretrain_recipe
    from training.cpu.stand_in import cpu_stand_in

    overrides = ["hardware=cpu", "parallelism=plain", "precision=fp32"]
    recipe = pretrain_recipe(compose_config("train_8b_opengenome2", overrides))
    with tempfile.NamedTemporaryFile() as store, cpu_stand_in(), torch.device("meta"):
        torch.distributed.init_process_group("gloo", init_method=f"file://{store.name}", rank=0, world_size=1)
        parallel_state.initialize_model_parallel()
        model_parallel_cuda_manual_seed(1)
        config = fiddle.build(recipe.model.config)
        config.perform_initialization = False
        model = config.configure_model(fiddle.build(recipe.data.tokenizer))
        shapes = {name: list(parameter.shape) for name, parameter in model.named_parameters()}
    out.write_text(json.dumps(shapes))


def stand_in_restores_after_an_error() -> None:
    """Raise inside the stand-in, and check that nothing of it is left."""
    import torch
    from megatron.core.dist_checkpointing.strategies import filesystem_async
    from megatron.core.tensor_parallel import random
    from nemo.lightning.io import pl

    from training.cpu.stand_in import cpu_stand_in

    def state() -> list[object]:
        names = ("current_device", "synchronize", "Stream")
        return [
            *(getattr(torch.cuda, name) for name in names),
            random._CUDA_RNG_STATE_TRACKER,
            pl._fix_tensors_device,
            filesystem_async._get_write_results_queue,
            torch.ones(1).type(),
            torch._C._len_torch_function_stack(),
        ]

    before = state()
    try:
        with cpu_stand_in():
            assert torch.cuda.current_device() == "cpu"
            assert torch.ones(1).cuda().to("cuda").type() == "torch.cuda.FloatTensor"
            assert torch.zeros(2, device="cuda", pin_memory=True).device.type == "cpu"
            filesystem_async._get_write_results_queue().put(1)
            raise KeyError("on purpose")
    except KeyError:
        pass
    assert state() == before


def nothing_put_off_is_imported() -> None:
    """Import NeMo as training does, and check that what it puts off came neither then nor with the recipes."""
    import sys

    import torch

    compiled, disabled = torch.compile, torch.compiler.disable
    from recipes.nemo_import import DEFERRED

    assert compiled is torch.compile, "torch.compile is not its own again"
    assert disabled is torch.compiler.disable
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)
    optimizer.zero_grad()
    assert optimizer.state_dict()["param_groups"]
    assert not [name for name in DEFERRED if name in sys.modules]
    import wandb  # of which NeMo has a stand-in

    assert wandb.__file__
