"""Memory of one GPU during training, by part; of the pipeline stage that needs most.

Counted are Megatron-Core's distributed optimizer (ZeRO-1) and Transformer Engine's fused layers with flash attention.
Frozen weights, beside adapters, have neither gradients nor optimizer state.
"""

from dataclasses import dataclass, fields

from configs.llama import LlamaArchitecture
from configs.schema import TrainConfig
from launch.planning.adapters import adapter_activation_bytes, stage_adapters
from tokenizer.vocabulary import VOCAB_SIZE
from training.metrics.flops import layer_matrices

GIB = 2**30
RESERVE = 4 * GIB
"""Assumed, not measured: CUDA context, NCCL buffers, cuBLAS workspace and fragmentation."""


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Bytes on one GPU at the peak: the start of a backward pass, or the optimizer's step where that needs more.

    `workspace`: gradients inside a layer; or what the optimizer copies beyond the room of the activations, if more.
    """

    weights: int
    gradients: int
    optimizer: int
    activations: int
    logits: int
    workspace: int
    reserve: int = RESERVE

    @property
    def total(self) -> int:
        """Bytes of all parts."""
        return sum(getattr(self, field.name) for field in fields(self))

    @property
    def state(self) -> int:
        """Bytes that stay from step to step."""
        return self.weights + self.gradients + self.optimizer


def memory_per_gpu(
    config: TrainConfig, architecture: LlamaArchitecture, sequence_length: int, *, vocab_size: int = VOCAB_SIZE
) -> Memory:
    """The memory of the fullest pipeline stage."""
    stages = {0, config.parallelism.pipeline - 1}
    return max(
        (stage_memory(config, architecture, sequence_length, stage, vocab_size=vocab_size) for stage in stages),
        key=lambda memory: memory.total,
    )


def stage_memory(
    config: TrainConfig, architecture: LlamaArchitecture, sequence_length: int, stage: int, *, vocab_size: int
) -> Memory:
    """The memory of one GPU of pipeline stage `stage`, counted from 0."""
    layout = config.parallelism
    layers = architecture.num_hidden_layers // layout.pipeline
    parameters = stage_parameters(config, architecture, stage, vocab_size=vocab_size)
    adapters = stage_adapters(config, architecture)
    trained = adapters if config.lora.dim else parameters
    eight_bit = 0
    if config.precision.fp8 != "none":
        ends = (stage == 0) + (stage == layout.pipeline - 1)
        in_fp8 = layers - ends * config.precision.fp8_bf16_layers
        eight_bit = in_fp8 * layer_matrices(architecture) // layout.tensor
    weight, gradient, optimizer = state_bytes(config)
    # An FP8 weight is there twice, as it is and transposed; beside bf16 weights, that is a cache of two bytes.
    eight_bit_extra = 0 if config.precision.fp8_parameters else 2
    shards = replicas(config) * layout.context if layout.distributed_optimizer else 1
    tokens = config.dataset.micro_batch_size * sequence_length // layout.context
    last = stage == layout.pipeline - 1
    activations = _activations(config, architecture, tokens, stage)
    # bf16, and once more in fp32 for the loss and its gradient
    logits = tokens * vocab_size // layout.tensor * 6 if last else 0
    copied = optimizer_copies(config) * trained // shards
    return Memory(
        weights=weight * (parameters + adapters) + eight_bit_extra * eight_bit,
        gradients=gradient * trained,
        optimizer=optimizer * trained // shards,
        activations=activations,
        logits=logits,
        workspace=max(tokens * _workspace(config, architecture), copied - activations - logits),
    )


def stage_parameters(config: TrainConfig, architecture: LlamaArchitecture, stage: int, *, vocab_size: int) -> int:
    """Exact number of parameters on one GPU of a pipeline stage, adapters not among them."""
    layout, hidden = config.parallelism, architecture.hidden_size
    layer = layer_matrices(architecture) // layout.tensor + 2 * hidden
    table = vocab_size // layout.tensor * hidden
    first, last = stage == 0, stage == layout.pipeline - 1
    tables = 1 if first and last and architecture.tie_word_embeddings else first + last
    return architecture.num_hidden_layers // layout.pipeline * layer + tables * table + (hidden if last else 0)


def state_bytes(config: TrainConfig) -> tuple[int, int, int]:
    """Bytes of a parameter's weight, its gradient, and its optimizer state before that is sharded."""
    precision, layout = config.precision, config.parallelism
    if precision.compute == "32":
        return 4, 4, 8
    moments = 2 * (2 if precision.moments == "bfloat16" else 4)
    remainders = layout.precision_aware_optimizer and precision.fp8 == "none"
    master = 2 if remainders else 4
    return 2, 4 if precision.grad_reduce_in_fp32 else 2, master + moments


def optimizer_copies(config: TrainConfig) -> int:
    """Bytes of a parameter, before sharding, that the optimizer copies for all parameters at once in its step.

    Gradients in fp32, except where Transformer Engine's Adam reads them as they are (Megatron-Core 0.15,
    distrib_optimizer.py, `_copy_model_grads_to_main_grads`). Beside them first bf16 moments, both, in fp32
    (Transformer Engine 2.9, fused_adam.py, `step`), then in bf16 what becomes FP8 weights (tensor/utils.py,
    `cast_master_weights_to_fp8`).
    """
    precision, layout = config.precision, config.parallelism
    if precision.compute == "32":
        return 0
    as_they_are = layout.precision_aware_optimizer and precision.fp8 in ("none", "delayed")
    gradients = 0 if precision.grad_reduce_in_fp32 or as_they_are else 4
    moments = 8 if precision.moments == "bfloat16" else 0
    weights = 2 if precision.fp8_parameters and precision.fp8 != "mxfp8" and not as_they_are else 0
    return gradients + max(moments, weights)


def replicas(config: TrainConfig) -> int:
    """Data-parallel replicas."""
    layout, machine = config.parallelism, config.hardware
    return machine.devices * machine.num_nodes // (layout.tensor * layout.pipeline * layout.context)


def micro_batches(config: TrainConfig) -> int:
    """Micro-batches that a replica accumulates in one optimizer step."""
    return config.dataset.global_batch_size // (config.dataset.micro_batch_size * replicas(config))


def layer_activation_bytes(config: TrainConfig, architecture: LlamaArchitecture, *, eight_bit: bool) -> int:
    """Bytes that one layer keeps of one token for its backward pass, on one GPU.

    Without FP8, in units of 2 bytes: the inputs of both norms and their outputs (4 H), query, key and value after
    rotation, attention's output, gate and up, and their product. In FP8 each product's input is kept in a byte;
    attention's output stays in bf16 beside it. Adapters keep more of their own.
    """
    layout = config.parallelism
    wide = 4 if config.precision.compute == "32" else 2
    narrow = 1 if eight_bit else wide
    hidden, ffn = architecture.hidden_size, architecture.intermediate_size
    query = architecture.num_attention_heads * architecture.head_dim
    key_value = architecture.num_key_value_heads * architecture.head_dim
    split = wide * (query + 2 * key_value) + wide * query + (1 if eight_bit else 0) * query + (2 * wide + narrow) * ffn
    whole = 2 * hidden * (wide + narrow)
    own = adapter_activation_bytes(config, architecture, eight_bit=eight_bit)
    return split // layout.tensor + whole // (layout.tensor if layout.sequence_parallel else 1) + own


def _activations(config: TrainConfig, architecture: LlamaArchitecture, tokens: int, stage: int) -> int:
    layout = config.parallelism
    layers = architecture.num_hidden_layers // layout.pipeline
    whole = architecture.hidden_size * (4 if config.precision.compute == "32" else 2)
    whole //= layout.tensor if layout.sequence_parallel else 1
    bf16_layers = config.precision.fp8_bf16_layers * ((stage == 0) + (stage == layout.pipeline - 1))
    fp8_layers = layers - bf16_layers if config.precision.fp8 != "none" else 0
    in_bf16 = layer_activation_bytes(config, architecture, eight_bit=False)
    in_fp8 = layer_activation_bytes(config, architecture, eight_bit=True)
    kept = max(0, layers - layout.recompute_layers)
    kept_fp8 = min(kept, fp8_layers)
    kept_bytes = kept_fp8 * in_fp8 + (kept - kept_fp8) * in_bf16
    micro_batch = kept_bytes + layout.recompute_layers * whole
    # The last stage finishes a micro-batch before it starts the next; those before it hold one more each (1F1B).
    held = min(layout.pipeline - stage, micro_batches(config))
    # The first layers are computed again, one at a time, when what the later ones kept is gone.
    again = max(0, in_bf16 - kept_bytes) if layout.recompute_layers else 0
    ends = 2 * whole if stage == layout.pipeline - 1 else 0  # input and output of the final norm
    return tokens * (held * micro_batch + again + ends)


def _workspace(config: TrainConfig, architecture: LlamaArchitecture) -> int:
    """Bytes of a token's gradients inside one layer, of the MLP where they are largest, on one GPU."""
    wide = 4 if config.precision.compute == "32" else 2
    layout = config.parallelism
    whole = 2 * architecture.hidden_size // (layout.tensor if layout.sequence_parallel else 1)
    return wide * (3 * architecture.intermediate_size // layout.tensor + whole)
