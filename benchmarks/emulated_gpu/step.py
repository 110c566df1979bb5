"""A recipe's model, gradient buffers and optimizer on one rank, and its training step, without NeMo's trainer."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch


class Step:
    """Built by a recipe's own configuration objects. Each call makes one optimizer step of a few micro-batches."""

    def __init__(self, config: Any) -> None:
        import fiddle
        from megatron.core.distributed import DistributedDataParallel, finalize_model_grads
        from megatron.core.optimizer import get_megatron_optimizer
        from megatron.core.transformer.module import Float16Module
        from nemo.lightning.pytorch.plugins.mixed_precision import update_config_with_dtype_overrides

        from recipes.recipe import pretrain_recipe
        from training.fp8_weights import finish_updates

        recipe = pretrain_recipe(config)
        formats = fiddle.build(recipe.trainer.plugins).dtype_config
        fields = fiddle.build(recipe.model.config)
        ddp = fiddle.build(recipe.trainer.strategy).ddp_config
        options = fiddle.build(recipe.optim.config)
        for one in (fields, ddp, options):
            update_config_with_dtype_overrides(formats, one)  # as NeMo's strategy does
        _lay_out(fields, config)
        self.config, self.length = config, fields.seq_length
        model = fields.configure_model(fiddle.build(recipe.data.tokenizer))
        model.bfloat16 = lambda: model  # it is that already, and fake tensors cannot be swapped
        module = Float16Module(fields, model)
        self.parameters = sum(parameter.numel() for parameter in module.parameters())
        self.model = DistributedDataParallel(fields, ddp, module)
        self.optimizer = get_megatron_optimizer(
            options, [self.model], no_weight_decay_cond=recipe.optim.no_weight_decay_cond
        )
        finish_updates(self.optimizer.chained_optimizers[0])
        fields.grad_scale_func, fields.finalize_model_grads_func = self.optimizer.scale_loss, finalize_model_grads
        fields.no_sync_func = self.model.no_sync
        if ddp.overlap_param_gather:
            fields.param_sync_func = self.model.start_param_sync

    def state_bytes(self) -> tuple[int, int, int]:
        """Bytes of the weights with the transposed copies of FP8 ones, of the gradients, and of the optimizer."""
        weights = _storages(_weight_tensors(self.model))
        gradients = _storages(buffer.grad_data for buffer in self.model.buffers)
        kept = {key: size for key, size in _storages(self._optimizer_tensors()).items() if key not in weights}
        return sum(weights.values()), sum(gradients.values()), sum(kept.values())

    def _optimizer_tensors(self) -> Iterator[torch.Tensor]:
        """Moments, master weights or remainders of this rank's shard."""
        for one in self.optimizer.chained_optimizers:
            for state in one.optimizer.state.values():
                yield from (value for value in state.values() if isinstance(value, torch.Tensor))
            for group in one.optimizer.param_groups:
                yield from (weight for weight in group["params"] if not hasattr(weight, "_fp8_dtype"))

    def __call__(self) -> None:
        from megatron.core.pipeline_parallel import get_forward_backward_func

        number = 2 * self.config.parallelism.pipeline
        self.model.zero_grad_buffer()
        self.optimizer.zero_grad()
        get_forward_backward_func()(
            forward_step_func=self._forward,
            data_iterator=iter([self._narrow() for _ in range(number)]),
            model=[self.model],
            num_microbatches=number,
            seq_length=self.length,
            micro_batch_size=self.config.dataset.micro_batch_size,
        )
        self.optimizer.step()

    def _narrow(self) -> Mapping[str, torch.Tensor]:
        """A micro-batch as the data module's `collate` has it."""
        size = self.config.dataset.micro_batch_size
        row = {name: torch.zeros(size, self.length, dtype=torch.uint8) for name in ("tokens", "labels", "loss_mask")}
        return row | {name: torch.zeros(size, dtype=torch.int64) for name in ("source", "index")}

    def _forward(self, batches: Iterator[Mapping[str, torch.Tensor]], model: Any) -> tuple[torch.Tensor, Any]:
        from training.forward import causal_forward_step, widen

        batch = widen(next(batches))

        def total(losses: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, dict[str, Any]]:
            weights = batch["loss_mask"].view(-1)
            return (losses.float().view(-1) * weights).sum(), weights.sum().to(torch.int), {}

        return causal_forward_step(model, batch), total


def _lay_out(fields: Any, config: Any) -> None:
    """What NeMo's trainer writes into the model's configuration."""
    layout = config.parallelism
    fields.tensor_model_parallel_size = layout.tensor
    fields.pipeline_model_parallel_size = layout.pipeline
    fields.context_parallel_size = layout.context
    fields.sequence_parallel = layout.sequence_parallel
    fields.gradient_accumulation_fusion = False  # APEX's kernel
    fields.perform_initialization = False  # no values


def _weight_tensors(model: torch.nn.Module) -> Iterator[torch.Tensor]:
    copies = ("_data", "_transpose", "_rowwise_data", "_columnwise_data")
    for weight in model.parameters():
        if hasattr(weight, "_fp8_dtype"):
            yield from (tensor for name in copies if (tensor := getattr(weight, name, None)) is not None)
        else:
            yield weight


def _storages(tensors: Iterable[torch.Tensor]) -> dict[int, int]:
    """Bytes of each storage."""
    return {storage._cdata: storage.nbytes() for storage in (one.untyped_storage() for one in tensors)}
