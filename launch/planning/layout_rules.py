"""What machine, number formats and layout must satisfy together: whole heads, layers and batches on every device."""

from collections.abc import Iterator

from configs.llama import LlamaArchitecture
from configs.schema import TrainConfig
from foundation.pages.quantities import plural
from launch.planning.rule import Rule


def machine_rules(config: TrainConfig) -> Iterator[Rule]:
    """What the machine has."""
    machine, layout = config.hardware, config.parallelism
    on_cpu = machine.accelerator == "cpu"
    devices = machine.devices * machine.num_nodes
    yield machine.accelerator in ("cpu", "gpu"), f"hardware.accelerator={machine.accelerator}", "Use cpu or gpu."
    yield (
        layout.gpus in (None, devices),
        f"this layout is for {plural(layout.gpus or 0, 'GPU')}, and hardware.devices x hardware.num_nodes = {devices}",
        f"Give hardware.num_nodes={(layout.gpus or devices) // machine.devices}, or parallelism=data_parallel."
        if (layout.gpus or devices) % machine.devices == 0
        else f"Give hardware.devices={layout.gpus}, or parallelism=data_parallel.",
    )
    yield (
        not layout.precision_aware_optimizer or (layout.distributed_optimizer and not on_cpu),
        "parallelism.precision_aware_optimizer=true without the distributed optimizer on GPUs",
        "Transformer Engine's Adam needs both; give parallelism.precision_aware_optimizer=false"
        + (", or parallelism=plain, as train_tiny and finetune_tiny have for a CPU." if on_cpu else "."),
    )


def precision_rules(config: TrainConfig) -> Iterator[Rule]:
    """Number formats that the GPU, and the optimizer, can do."""
    precision, machine = config.precision, config.hardware
    name = machine.gpu if machine.accelerator == "gpu" else machine.accelerator
    yield (
        precision.compute in ("bf16-mixed", "32"),
        f"precision.compute={precision.compute}",
        "Use bf16-mixed or 32; FP8 is precision=fp8_delayed, fp8_current, fp8_blockwise or mxfp8.",
    )
    yield (
        precision.fp8 in FP8_CAPABILITY,
        f"precision.fp8={precision.fp8}",
        f"Use one of {', '.join(FP8_CAPABILITY)}.",
    )
    needed = FP8_CAPABILITY[precision.fp8]
    other = "fp32" if name == "cpu" else "fp8_current" if machine.compute_capability >= 8.9 else "bf16"
    yield (
        machine.compute_capability >= needed,
        f"precision.fp8={precision.fp8} on {name} (compute capability {machine.compute_capability})",
        f"It needs {needed} or more ({FP8_MACHINES[needed]}); use precision={other}.",
    )
    yield (
        precision.fp8 != "blockwise" or machine.compute_capability < 10,
        f"precision.fp8=blockwise on {name} (compute capability {machine.compute_capability})",
        f"Scales of 128 values are for Hopper ({FP8_MACHINES[9.0]}); use precision=mxfp8.",
    )
    yield (
        precision.fp8 == "none" or precision.compute == "bf16-mixed",
        f"precision.fp8={precision.fp8} with precision.compute={precision.compute}",
        "FP8 goes with bf16-mixed.",
    )
    yield (
        precision.fp8 != "none" or (not precision.fp8_parameters and precision.fp8_bf16_layers == 0),
        "precision.fp8_parameters or fp8_bf16_layers without FP8",
        "Give precision.fp8, or leave them out.",
    )
    yield (
        precision.fp8_bf16_layers == 0 or precision.fp8 != "delayed",
        "precision.fp8_bf16_layers with delayed scaling",
        "Megatron-Core has no bf16 layers there; use precision=fp8_current.",
    )
    yield precision.fp8_format in ("hybrid", "e4m3"), f"precision.fp8_format={precision.fp8_format}", "Or hybrid, e4m3."
    yield (
        precision.moments in ("float32", "bfloat16"),
        f"precision.moments={precision.moments}",
        "Use float32 or bfloat16.",
    )
    yield (
        not (precision.fp8_parameters and config.init_from and config.lora.dim == 0),
        f"precision.fp8_parameters=true with init_from={config.init_from}",
        "Master weights would begin as the weights rounded to FP8; give precision.fp8_parameters=false.",
    )
    yield (
        precision.moments == "float32" or config.parallelism.precision_aware_optimizer,
        "precision.moments=bfloat16 without parallelism.precision_aware_optimizer",
        "Turn that on.",
    )


FP8_CAPABILITY = {"none": 0.0, "delayed": 8.9, "tensorwise": 8.9, "blockwise": 9.0, "mxfp8": 10.0}
"""CUDA compute capability that each FP8 recipe needs (Transformer Engine 2.9, pytorch/fp8.py)."""
FP8_MACHINES = {0.0: "any", 8.9: "h100, h200, and b200 or newer", 9.0: "h100, h200", 10.0: "b200, gb200, b300, gb300"}


def layout_rules(config: TrainConfig, architecture: LlamaArchitecture, sequence_length: int) -> Iterator[Rule]:
    """Whole heads, layers, sequences and batches on every device."""
    layout, data, precision = config.parallelism, config.dataset, config.precision
    devices = config.hardware.devices * config.hardware.num_nodes
    replicas = devices / (layout.tensor * layout.pipeline * layout.context)
    stage = architecture.num_hidden_layers // layout.pipeline
    yield (
        architecture.num_key_value_heads % layout.tensor == 0,
        f"parallelism.tensor={layout.tensor} does not divide {architecture.num_key_value_heads} key-value heads",
        "Choose a divisor.",
    )
    yield (
        architecture.num_hidden_layers % layout.pipeline == 0,
        f"parallelism.pipeline={layout.pipeline} does not divide {architecture.num_hidden_layers} layers",
        "Choose a divisor.",
    )
    yield (
        all(rank % layout.tensor == 0 for rank in config.lora.ranks.values()),
        f"lora.dim={config.lora.dim} is not a multiple of parallelism.tensor={layout.tensor}"
        if config.lora.dim % layout.tensor
        else f"lora.rank_pattern has a rank that is not a multiple of parallelism.tensor={layout.tensor}",
        "Tensor parallelism splits the rank of the adapters: choose a multiple.",
    )
    yield (
        0 <= layout.recompute_layers <= stage,
        f"parallelism.recompute_layers={layout.recompute_layers} of {stage} layers in a pipeline stage",
        "Choose a number from 0 to that.",
    )
    yield (
        0 <= precision.fp8_bf16_layers <= stage,
        f"precision.fp8_bf16_layers={precision.fp8_bf16_layers} of {stage} layers in a pipeline stage",
        "Choose a number from 0 to that.",
    )
    yield (
        replicas == int(replicas) and replicas >= 1,
        f"{devices} devices are not a multiple of tensor x pipeline x context = "
        f"{layout.tensor} x {layout.pipeline} x {layout.context}",
        "Change hardware.devices, hardware.num_nodes or the layout.",
    )
    yield (
        data.global_batch_size % max(1, data.micro_batch_size * int(replicas)) == 0,
        f"dataset.global_batch_size={data.global_batch_size} is not a multiple of micro_batch_size x data-parallel "
        f"replicas = {data.micro_batch_size} x {int(replicas)}",
        "Change one of them, or the layout: tensor, pipeline and context parallelism reduce the number of replicas.",
    )
    yield (
        sequence_length <= architecture.max_position_embeddings,
        f"dataset.sequence_length={sequence_length} exceeds the model's {architecture.max_position_embeddings}",
        f"Shorten it, or extend the context: rope.factor={sequence_length / architecture.max_position_embeddings:g} "
        "(docs/context.md).",
    )
    pieces = (2 * layout.context if layout.context > 1 else 1) * (layout.tensor if layout.sequence_parallel else 1)
    yield (
        sequence_length % pieces == 0,
        f"dataset.sequence_length={sequence_length} is not a multiple of {pieces}, into which the layout cuts it",
        "Change the length, parallelism.context or parallelism.sequence_parallel.",
    )
    rows = data.micro_batch_size * sequence_length // (layout.context * layout.tensor)
    block = 32 if precision.fp8 == "mxfp8" else 16
    yield (
        precision.fp8 == "none" or rows % block == 0,
        f"precision.fp8={precision.fp8} with {rows} tokens on a device",
        f"Transformer Engine needs a multiple of {block}; change dataset.sequence_length.",
    )
    yield (
        not layout.sequence_parallel or layout.tensor > 1,
        "parallelism.sequence_parallel=true with parallelism.tensor=1",
        "Sequence parallelism splits over the tensor-parallel ranks; turn it off.",
    )
