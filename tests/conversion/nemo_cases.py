"""What the tests run in processes of their own, forked from one that has imported NeMo (`nemo_process`)."""

from pathlib import Path
from typing import Any


def load_under_tensor_parallelism(rank: int, size: int, weights: Path, prefix: str, store: Path, out: Path) -> None:
    """As rank `rank` of `size`, let Megatron-Core build a model, load `weights` into it, and save its parameters."""
    import torch
    from megatron.core import dist_checkpointing, parallel_state
    from megatron.core.dist_checkpointing.validation import StrictHandling
    from megatron.core.tensor_parallel import model_parallel_cuda_manual_seed
    from nemo.collections.llm.gpt.model.llama import Llama31Config, LlamaConfig

    from configs.llama import megatron_fields
    from conversion.formats import open_checkpoint
    from recipes.model import CPU_FIELDS
    from tokenizer.nucleotide import NucleotideTokenizer
    from training.cpu.stand_in import cpu_stand_in

    torch.set_num_threads(1)
    architecture = open_checkpoint(weights.parent if prefix else weights).architecture
    kind = Llama31Config if architecture.rope_scaling else LlamaConfig
    with cpu_stand_in():
        torch.distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=size)
        parallel_state.initialize_model_parallel(tensor_model_parallel_size=size)
        model_parallel_cuda_manual_seed(1)
        fields = {**megatron_fields(architecture), **CPU_FIELDS, "params_dtype": torch.float32}
        config = kind(**fields, tensor_model_parallel_size=size)
        model = config.configure_model(NucleotideTokenizer())
        wanted = dict(model.sharded_state_dict(prefix=prefix))
        loaded, _, missing = dist_checkpointing.load(dict(wanted), str(weights), strict=StrictHandling.RETURN_ALL)
        assert missing == set(), missing
        names = set(wanted) - {name for name in wanted if "extra_state" in name}  # `loaded` has common.pt too
        state = {name.removeprefix(prefix): loaded[name] for name in names}
        parameters: dict[str, Any] = {name: value.detach() for name, value in model.named_parameters()}
        assert state.keys() == parameters.keys(), sorted(state.keys() ^ parameters.keys())
        for name, value in parameters.items():
            value.copy_(state[name])
        torch.save({"parameters": parameters, "inv_freq": model.rotary_pos_emb.inv_freq}, out / f"rank{rank}.pt")
        torch.distributed.destroy_process_group()


def import_and_export(source: Path, folder: Path) -> None:
    """`llm.import_ckpt` and `llm.export_ckpt` with our connectors, as `nemo llm import` and `export` call them."""
    import torch
    from nemo.collections import llm
    from nemo.collections.llm.gpt.model.llama import Llama31Config
    from nemo.lightning.io import load_context

    import recipes.factories  # noqa: F401 - the entry point of the `nemo` command
    from configs.llama import megatron_fields, read_architecture
    from recipes.model import CPU_FIELDS
    from tokenizer.nucleotide import NucleotideTokenizer

    fields = {**megatron_fields(read_architecture(source)), **CPU_FIELDS}
    model = llm.LlamaModel(Llama31Config(**fields, params_dtype=torch.float32))
    llm.import_ckpt(model, f"hf://{source}", output_path=folder / "nemo")
    assert type(model.tokenizer) is NucleotideTokenizer
    assert type(load_context(folder / "nemo", subpath="model")) is llm.LlamaModel
    llm.export_ckpt(folder / "nemo", "hf", folder / "hf")
    llm.export_ckpt(folder / "nemo", "hf", folder / "hf", overwrite=True)
    llm.import_ckpt(model, f"hf://{source}", output_path=folder / "nemo", overwrite=True)


def train_from(checkpoint: Path, optimizer: bool, run: Path, corpus: Path) -> None:
    """Train two steps from `checkpoint`, with or without the state of its optimizer."""
    import fiddle

    from configs.compose import compose_config
    from recipes.recipe import pretrain_recipe

    overrides = [
        f"run_dir={run}",
        f"dataset.corpus={corpus}",
        f"init_from='{checkpoint}'",
        "trainer.max_steps=2",
        "dataset.sequence_length=64",
        "dataset.micro_batch_size=2",
        "dataset.global_batch_size=4",
    ]
    recipe = pretrain_recipe(compose_config("train_tiny", overrides))
    recipe.resume.restore_config.load_optim_state = optimizer
    fiddle.build(recipe)()
