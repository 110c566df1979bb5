"""What tests of recipes and plans at scale run in a process of its own (`nemo_process.run_in_process`)."""

import contextlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from adapter_cases import adapted


def build_every_recipe(overrides: list[list[str]], out: Path) -> None:
    """Build NeMo's and Megatron's objects of each configuration; write the fields that training reads.

    Not built: the optimizer's configuration where it wants Transformer Engine; its arguments are written instead.
    """
    import dataclasses

    import fiddle
    from nemo.lightning.pytorch.plugins.mixed_precision import update_config_with_dtype_overrides

    from configs.compose import compose_config
    from recipes.recipe import pretrain_recipe

    results = []
    for name, *values in overrides:
        recipe = pretrain_recipe(compose_config(name, values))
        recipe.model.config.apply_rope_fusion = False  # the one field that asks for Transformer Engine when it is built
        model = fiddle.build(recipe.model.config)
        precision = fiddle.build(recipe.trainer.plugins)
        strategy = fiddle.build(recipe.trainer.strategy)
        ddp = strategy.ddp_config
        for config in (model, ddp):
            update_config_with_dtype_overrides(precision.dtype_config, config)  # as NeMo's trainer does
        results.append(
            {
                "model": _plain({field.name: getattr(model, field.name) for field in dataclasses.fields(model)}),
                "ddp": _plain(dataclasses.asdict(ddp)),
                "strategy": _plain(vars(strategy)),
                "optimizer": _plain({**recipe.optim.config.__arguments__}),
                "trainer": _plain({**recipe.trainer.__arguments__}),
            }
        )
    out.write_text(json.dumps(results))


def count_on_meta(name: str, layouts: list[tuple[int, int]], lora_dim: int, out: Path) -> None:
    """Parameters that Megatron-Core builds in the first and the last stage, for each (tensor, pipeline).

    Those that are trained, and those that are frozen beside NeMo's adapters where `lora_dim` is not 0.
    """
    import fiddle
    import torch
    from megatron.core import parallel_state
    from megatron.core.tensor_parallel import model_parallel_cuda_manual_seed
    from torch.testing._internal.distributed.fake_pg import FakeStore

    from configs.compose import compose_config
    from recipes.recipe import pretrain_recipe
    from training.cpu.stand_in import cpu_stand_in

    recipe = pretrain_recipe(compose_config(name, ["hardware=cpu", "hardware.num_nodes=1", *CPU_LAYOUT]))
    counts = []
    with cpu_stand_in(), torch.device("meta"):
        for tensor, pipeline in layouts:
            stages = []
            for rank in (0, tensor * pipeline - 1):
                torch.distributed.init_process_group("fake", store=FakeStore(), rank=rank, world_size=tensor * pipeline)
                parallel_state.initialize_model_parallel(tensor, pipeline, create_gloo_process_groups=False)
                model_parallel_cuda_manual_seed(1)
                config = fiddle.build(recipe.model.config)
                config.perform_initialization = False
                config.tensor_model_parallel_size, config.pipeline_model_parallel_size = tensor, pipeline
                config.pipeline_dtype = torch.float32
                model = config.configure_model(
                    fiddle.build(recipe.data.tokenizer),
                    pre_process=parallel_state.is_pipeline_first_stage(),
                    post_process=parallel_state.is_pipeline_last_stage(),
                )
                stages.append(_trained_and_frozen(adapted(model, lora_dim)))
                parallel_state.destroy_model_parallel()
                torch.distributed.destroy_process_group()
            counts.append(stages)
    out.write_text(json.dumps(counts))


def _trained_and_frozen(model: Any) -> list[int]:
    counts = [0, 0]
    for parameter in model.parameters():
        counts[0 if parameter.requires_grad else 1] += parameter.numel()
    return counts


CPU_LAYOUT = (
    "parallelism=plain",
    "parallelism.context=1",
    "parallelism.tensor=1",
    "parallelism.sequence_parallel=false",
    "precision=fp32",
)


def count_optimizer_bytes(cases: list[dict[str, Any]], out: Path) -> None:
    """Bytes of weights, gradients and optimizer state that Megatron-Core really holds for the tiny model on a CPU."""
    results = []
    with _one_process():
        for case in cases:
            model, optimizer = _optimized(case)
            optimizer.step()
            buffers = [*model.buffers, *model.expert_parallel_buffers]
            results.append(
                {
                    "weights": sum(_bytes(parameter) for parameter in model.parameters()),
                    "gradients": sum(_bytes(buffer.grad_data) for buffer in buffers),
                    "optimizer": _optimizer_bytes(optimizer, {_place(parameter) for parameter in model.parameters()}),
                }
            )
    out.write_text(json.dumps(results))


def load_as_the_precision_aware_adam_does(out: Path) -> None:
    """Megatron-Core's distributed optimizer loads its state into an Adam that, as Transformer Engine's, takes tensors.

    Writes the error without `leave_out_padding`, and the names of what was loaded with it.
    """
    from training.strategy import leave_out_padding

    with _one_process():
        _, chained = _optimized({"bf16": True, "fp32_gradients": False, "distributed": True})
        chained.step()
        (optimizer,) = chained.chained_optimizers
        state = optimizer.sharded_param_state_dp_reshardable({}, False, {})
        buckets = {key: value for key, value in state.items() if isinstance(key, int)}
        for bucket in (bucket for dtypes in buckets.values() for found in dtypes.values() for bucket in found):
            for tensors in bucket:
                tensors.update({name: getattr(one, "data", None) for name, one in tensors.items() if name != "padding"})
                tensors["padding"] = tensors["padding"].unwrap()
        loaded = set()

        def set_scaled_state(parameter: Any, name: str, value: Any) -> None:
            assert value.dtype.is_floating_point
            loaded.add(name)

        optimizer.config.use_precision_aware_optimizer_no_fp8_or_ds_fp8 = True
        optimizer.optimizer.set_scaled_state = set_scaled_state
        try:
            optimizer.load_parameter_state_from_dp_reshardable(buckets)
            error = ""
        except AttributeError as raised:
            error = str(raised)
        loaded.clear()
        leave_out_padding(optimizer)
        optimizer.load_parameter_state_from_dp_reshardable(buckets)
    out.write_text(json.dumps({"error": error, "loaded": sorted(loaded)}))


@contextlib.contextmanager
def _one_process() -> Iterator[None]:
    import torch
    from megatron.core import parallel_state
    from megatron.core.tensor_parallel import model_parallel_cuda_manual_seed

    from training.cpu.stand_in import cpu_stand_in

    with tempfile.NamedTemporaryFile() as store, cpu_stand_in():
        torch.distributed.init_process_group("gloo", init_method=f"file://{store.name}", rank=0, world_size=1)
        parallel_state.initialize_model_parallel()
        model_parallel_cuda_manual_seed(1)
        yield


def _optimized(case: dict[str, Any]) -> tuple[Any, Any]:
    """The tiny model in its gradient buffers, and its optimizer."""
    import fiddle
    import torch
    from megatron.core.distributed import DistributedDataParallel, DistributedDataParallelConfig
    from megatron.core.optimizer import OptimizerConfig, get_megatron_optimizer
    from megatron.core.transformer.module import Float16Module

    from configs.compose import compose_config
    from recipes.recipe import pretrain_recipe

    recipe = pretrain_recipe(compose_config("train_tiny"))
    config = fiddle.build(recipe.model.config)
    config.bf16 = case["bf16"]
    config.params_dtype = torch.bfloat16 if case["bf16"] else torch.float32
    model: Any = adapted(config.configure_model(fiddle.build(recipe.data.tokenizer)), case.get("lora_dim", 0))
    model = Float16Module(config, model) if case["bf16"] else model
    ddp = DistributedDataParallelConfig(
        grad_reduce_in_fp32=case["fp32_gradients"], use_distributed_optimizer=case["distributed"]
    )
    model = DistributedDataParallel(config, ddp, model)
    options = OptimizerConfig(
        optimizer="adam", lr=1e-3, bf16=case["bf16"], use_distributed_optimizer=case["distributed"]
    )
    return model, get_megatron_optimizer(options, [model])


def _optimizer_bytes(optimizer: Any, weights: set[int]) -> int:
    """Moments, and master weights that are not weights of the model."""
    total = 0
    for inner in getattr(optimizer, "chained_optimizers", [optimizer]):
        adam = inner.optimizer
        for group in adam.param_groups:
            for parameter in group["params"]:
                state = adam.state[parameter]
                total += sum(_bytes(value) for key, value in state.items() if key.startswith("exp_avg"))
                total += 0 if _place(parameter) in weights else _bytes(parameter)
    return total


def _bytes(tensor: Any) -> int:
    return int(tensor.numel() * tensor.element_size())


def _place(tensor: Any) -> int:
    return int(tensor.untyped_storage().data_ptr())


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    kinds = (str, int, float, bool, type(None))
    return {
        str(key): value if isinstance(value, kinds) else str(value)
        for key, value in values.items()
        if isinstance(value, kinds) or type(value).__name__ == "dtype"
    }


def ask_once_set_up(sent: int) -> None:
    """Let this process send itself a signal when the data-loading of training is set up, before the first step."""
    import os

    from training.data.module import GenomicDataModule

    whole = GenomicDataModule.train_dataloader

    def train_dataloader(self: Any) -> Any:
        os.kill(os.getpid(), sent)
        return whole(self)

    GenomicDataModule.train_dataloader = train_dataloader  # type: ignore[method-assign]


def train_in_own_group(arguments: list[str], log: Path) -> None:
    """`python -m recipes.train` in a process group of its own, so that the group can be sent a signal."""
    import multiprocessing
    import os

    from nemo_process import _call, _train

    multiprocessing.set_start_method("fork", force=True)  # of data-loading processes, as in a run from a shell
    os.setpgid(0, 0)
    _call(_train, (arguments,), log)


def slurm_script(out: Path) -> None:
    """The sbatch script that NeMo-Run makes with `genomic_slurm`."""
    import fiddle
    from nemo_run.core.execution.slurm import SlurmBatchRequest

    from launch.submit.executors import genomic_slurm

    executor = fiddle.build(
        genomic_slurm(account="me", nodes=2, time="08:00:00", container_image="image.sqsh", container_mounts="/a:/a,/b")
    )
    assert executor.container_mounts == ["/a:/a", "/b"]
    executor.assign("experiment", str(out.parent), "task", "task")
    request = SlurmBatchRequest(
        launch_cmd=["sbatch"],
        jobs=["task"],
        command_groups=[["python", "-m", "x"]],
        executor=executor,
        max_retries=executor.retries,
        extra_env={},
    )
    out.write_text(request.materialize())


def parsed_executors(commands: list[list[str]], out: Path) -> None:
    """What NeMo-Run's command makes of each list of words: the plain fields of the executor."""
    from nemo_run.cli.api import RunContext

    executors = []
    for words in commands:
        context = RunContext(name="test")
        assert context.parse_args(words) == []
        fields = vars(context.executor)
        executors.append({key: value for key, value in fields.items() if isinstance(value, int | str | list)})
    out.write_text(json.dumps(executors))
