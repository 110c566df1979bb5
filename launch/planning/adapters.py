"""What low-rank adapters need of a GPU beside frozen weights: NeMo's `llm.peft.LoRA` on the linear layers."""

from configs.llama import LlamaArchitecture
from configs.schema import TrainConfig
from training.metrics.flops import layer_adapters


def stage_adapters(config: TrainConfig, architecture: LlamaArchitecture) -> int:
    """Exact number of adapter weights on one GPU of a pipeline stage; tensor parallelism splits every matrix."""
    layout = config.parallelism
    layers = architecture.num_hidden_layers // layout.pipeline
    return layers * layer_adapters(architecture, config.lora.ranks) // layout.tensor


def adapter_activation_bytes(config: TrainConfig, architecture: LlamaArchitecture, *, eight_bit: bool) -> int:
    """Bytes that the adapters of one layer keep of one token, beside what the layer keeps anyway; on one GPU.

    A frozen product needs no input for its backward pass, but the adapter beside it does, and reads the same tensor:
    nothing is saved. Added are what is between an adapter's two matrices, whole; the inputs in bf16 where the product
    keeps them in FP8; the outputs of the norms, gathered, with sequence parallelism; and with dropout a copy of each
    input, and a byte for what was dropped.
    """
    if not config.lora.dim:
        return 0
    layout, wide = config.parallelism, 4 if config.precision.compute == "32" else 2
    between = sum(config.lora.ranks.values()) * wide
    read = {
        "linear_qkv": architecture.hidden_size,
        "linear_proj": architecture.num_attention_heads * architecture.head_dim // layout.tensor,
        "linear_fc1": architecture.hidden_size,
        "linear_fc2": architecture.intermediate_size // layout.tensor,
    }
    if config.lora.dropout:
        return between + (wide + 1) * sum(read[name] for name in config.lora.ranks)
    again = {name for name in ("linear_qkv", "linear_fc1") if eight_bit or layout.sequence_parallel}
    again |= {"linear_fc2"} if eight_bit else set()
    return between + wide * sum(read[name] for name in config.lora.ranks if name in again)
