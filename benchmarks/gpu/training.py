"""One GPU's training step as the recipe has it: Megatron-Core's model, gradient buffers, optimizer and schedule."""

import contextlib
import importlib.util
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from benchmarks.gpu.settings import Settings
from benchmarks.gpu.timing import Clock


@contextlib.contextmanager
def one_process(device: str) -> Iterator[None]:
    """Megatron-Core's process groups of one process. In a dry run they and everything in it are the CPU's."""
    from megatron.core import parallel_state
    from megatron.core.tensor_parallel import model_parallel_cuda_manual_seed

    with contextlib.ExitStack() as stack:
        if device == "cpu":
            from training.cpu.stand_in import cpu_stand_in

            stack.enter_context(cpu_stand_in())
        else:
            torch.cuda.set_device(0)
        store = stack.enter_context(tempfile.NamedTemporaryFile())
        backend = "gloo" if device == "cpu" else "nccl"
        torch.distributed.init_process_group(backend, init_method=f"file://{store.name}", rank=0, world_size=1)
        stack.callback(torch.distributed.destroy_process_group)
        parallel_state.initialize_model_parallel()
        stack.callback(parallel_state.destroy_model_parallel)
        torch.manual_seed(1234)
        model_parallel_cuda_manual_seed(1234)
        yield


def build_model(settings: Settings, device: str) -> Any:
    """The `GPTModel`, as NeMo's `LlamaConfig.configure_model` builds it, on the device and in the recipe's dtype."""
    from megatron.core.models.gpt import GPTModel
    from megatron.core.transformer import TransformerConfig
    from megatron.core.transformer.module import Float16Module

    fields = {**typed(settings["transformer"]), "gradient_accumulation_fusion": has_apex() and device == "cuda"}
    config = TransformerConfig(activation_func=torch.nn.functional.silu, **fields)
    values = dict(settings["model"])
    model = GPTModel(
        config,
        transformer_layer_spec=_layers(config, device),
        vocab_size=values.pop("vocab_size"),
        max_sequence_length=values.pop("seq_length"),
        position_embedding_type="rope",
        **values,
    ).to(device)
    return Float16Module(config, model) if config.bf16 else model


def has_apex() -> bool:
    """Whether APEX's kernel is here that adds weight gradients where they are kept. NeMo turns that on by it, and
    Megatron-Core's output layer refuses to be built where it is wanted and missing."""
    return importlib.util.find_spec("fused_weight_gradient_mlp_cuda") is not None


class Training:
    """A model with its gradient buffers and optimizer. `step` makes one optimizer step of one micro-batch."""

    def __init__(self, settings: Settings, device: str) -> None:
        from megatron.core.distributed import (
            DistributedDataParallel,
            DistributedDataParallelConfig,
            finalize_model_grads,
        )
        from megatron.core.optimizer import OptimizerConfig, get_megatron_optimizer

        module = build_model(settings, device)
        self.config = module.config
        self.length, self.vocabulary = settings["model"]["seq_length"], settings["model"]["vocab_size"]
        ddp = DistributedDataParallelConfig(**typed(settings["ddp"]))
        self.model = DistributedDataParallel(self.config, ddp, module)
        options = OptimizerConfig(**typed(settings["optimizer"]))
        self.optimizer = get_megatron_optimizer(options, [self.model], no_weight_decay_cond=_no_weight_decay)
        self.config.grad_scale_func = self.optimizer.scale_loss
        self.config.finalize_model_grads_func = finalize_model_grads
        self.clock, self.device = Clock(device), device
        self.losses: list[torch.Tensor] = []

    def step(self) -> list[Any]:
        """Marks before the forward and backward pass, before the optimizer, and after it."""
        from megatron.core.pipeline_parallel import get_forward_backward_func

        tokens = torch.randint(0, self.vocabulary, (1, self.length + 1), device=self.device)
        begin = self.clock.mark()
        self.model.zero_grad_buffer()
        self.optimizer.zero_grad()
        get_forward_backward_func()(
            forward_step_func=self._forward,
            data_iterator=iter([tokens]),
            model=[self.model],
            num_microbatches=1,
            seq_length=self.length,
            micro_batch_size=1,
        )
        middle = self.clock.mark()
        self.optimizer.step()
        return [begin, middle, self.clock.mark()]

    def _forward(self, batches: Iterator[torch.Tensor], model: Any) -> tuple[torch.Tensor, Any]:
        from training.forward import causal_forward_step

        tokens = next(batches)
        positions = torch.arange(self.length, device=self.device)[None]
        batch = {"tokens": tokens[:, :-1], "labels": tokens[:, 1:], "position_ids": positions}
        return causal_forward_step(model, batch), self._sum

    def _sum(self, losses: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, dict[str, Any]]:
        self.losses.append(losses.detach().float().mean())
        count = torch.tensor(losses.numel(), dtype=torch.int, device=self.device)
        return losses.float().sum(), count, {}


def _layers(config: Any, device: str) -> Any:
    if device == "cpu":
        from training.cpu.layers import cpu_block_spec

        return cpu_block_spec(config)
    from megatron.core.models.gpt.gpt_layer_specs import get_gpt_layer_with_transformer_engine_spec

    return get_gpt_layer_with_transformer_engine_spec()


def _no_weight_decay(name: str, parameter: torch.nn.Parameter) -> bool:
    """`recipes.optimizer.without_weight_decay`, which cannot be imported without NeMo."""
    return name.endswith(".bias") or parameter.dim() == 1 or "word_embeddings" in name


def typed(values: Mapping[str, Any]) -> dict[str, Any]:
    """Dtypes out of their names."""
    return {
        key: getattr(torch, value.removeprefix("torch."))
        if isinstance(value, str) and value.startswith("torch.")
        else value
        for key, value in values.items()
    }
