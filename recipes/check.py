"""Whether a configuration can work: told by name, before anything heavy is imported."""

from conduct.errors import InputError
from configs.compose import plain
from configs.llama import LlamaArchitecture, read_architecture
from configs.locate import find_directory
from configs.schema import TrainConfig
from corpus.samples.datasets import Cutting
from corpus.samples.example import FULL_WEIGHT, label_weights
from corpus.sources import parse_sources
from tokenizer.huggingface import validate_tokenizer


def check_config(config: TrainConfig) -> tuple[LlamaArchitecture, int]:
    """The architecture and the sequence length in tokens that `config` leads to.

    Errors: `InputError` for a model, tokenizer, length or layout that cannot work.
    """
    architecture = read_architecture(config.model_tag)
    validate_tokenizer(find_directory(config.dataset.tokenizer_path, holding="tokenizer.json"))
    sequence_length = config.dataset.sequence_length or architecture.max_position_embeddings
    check_counts(config)
    check_dataset(config, sequence_length)
    check_layout(config, architecture, sequence_length)
    return architecture, sequence_length


def check_counts(config: TrainConfig) -> None:
    """Refuse a count that is not positive."""
    counts = {
        "trainer.max_steps": config.trainer.max_steps,
        "trainer.validate_every": config.trainer.validate_every,
        "trainer.checkpoint_every": config.trainer.checkpoint_every,
        "trainer.log_every": config.trainer.log_every,
        "dataset.micro_batch_size": config.dataset.micro_batch_size,
        "dataset.global_batch_size": config.dataset.global_batch_size,
        "optimizer.schedule_steps": config.optimizer.schedule_steps,
        "hardware.devices": config.hardware.devices,
        "hardware.num_nodes": config.hardware.num_nodes,
        "parallelism.tensor": config.parallelism.tensor,
        "parallelism.pipeline": config.parallelism.pipeline,
        "parallelism.context": config.parallelism.context,
    }
    for name, count in counts.items():
        if count < 1:
            raise InputError(f"{name}={count}", fix="Give a number above 0.")


def check_dataset(config: TrainConfig, sequence_length: int) -> None:
    """Refuse data settings that the data module would refuse after NeMo was imported."""
    data, layout = config.dataset, config.parallelism
    parse_sources(plain(data.corpus))
    Cutting(seq_length=sequence_length, mode=data.mode, stride=data.stride)
    label_weights(data.soft_mask_weight, data.markup_weight)
    if data.mode == "packed" and layout.context > 1:
        raise InputError(
            f"dataset.mode=packed with parallelism.context={layout.context}",
            fix="Packed samples are not split over devices; use parallelism.context=1, or dataset.mode=window.",
        )
    if data.mode == "packed" and layout.pipeline > 1 and data.micro_batch_size > 1:
        raise InputError(
            f"dataset.mode=packed and parallelism.pipeline={layout.pipeline} with "
            f"dataset.micro_batch_size={data.micro_batch_size}",
            fix="Pipeline stages pass packed samples on one at a time: use dataset.micro_batch_size=1.",
        )
    most = (2**31 - 1) // FULL_WEIGHT
    if (tokens := data.global_batch_size * sequence_length) > most:
        raise InputError(
            f"dataset.global_batch_size={data.global_batch_size} makes {tokens:,} tokens a step",
            fix=f"Megatron-Core counts hundredths of tokens in 32 bits: at most {most:,}.",
        )


def check_layout(config: TrainConfig, architecture: LlamaArchitecture, sequence_length: int) -> None:
    """Refuse by name what Megatron-Core would refuse minutes later, or compute wrongly."""
    layout, machine, data = config.parallelism, config.hardware, config.dataset
    devices = machine.devices * machine.num_nodes
    replicas = devices / (layout.tensor * layout.pipeline * layout.context)
    rules: list[tuple[bool, str, str]] = [
        (machine.accelerator in ("cpu", "gpu"), f"hardware.accelerator={machine.accelerator}", "Use cpu or gpu."),
        (
            config.precision.compute in ("bf16-mixed", "32"),
            f"precision.compute={config.precision.compute}",
            "Use bf16-mixed or 32.",
        ),
        (
            architecture.num_key_value_heads % layout.tensor == 0,
            f"parallelism.tensor={layout.tensor} does not divide {architecture.num_key_value_heads} key-value heads",
            "Choose a divisor.",
        ),
        (
            architecture.num_hidden_layers % layout.pipeline == 0,
            f"parallelism.pipeline={layout.pipeline} does not divide {architecture.num_hidden_layers} layers",
            "Choose a divisor.",
        ),
        (
            replicas == int(replicas) and replicas >= 1,
            f"{devices} devices are no multiple of tensor x pipeline x context = "
            f"{layout.tensor} x {layout.pipeline} x {layout.context}",
            "Change hardware.devices, hardware.num_nodes or the layout.",
        ),
        (
            data.global_batch_size % max(1, data.micro_batch_size * int(replicas)) == 0,
            f"dataset.global_batch_size={data.global_batch_size} is no multiple of micro_batch_size x data-parallel "
            f"replicas = {data.micro_batch_size} x {int(replicas)}",
            "Change one of them.",
        ),
        (
            sequence_length <= architecture.max_position_embeddings,
            f"dataset.sequence_length={sequence_length} is over the model's {architecture.max_position_embeddings}",
            "Shorten it, or choose a model of a longer context.",
        ),
        (
            not layout.sequence_parallel or layout.tensor > 1,
            "parallelism.sequence_parallel=true with parallelism.tensor=1",
            "Sequence parallelism splits over the tensor-parallel ranks; turn it off.",
        ),
        (
            machine.accelerator != "cpu" or (layout.context == 1 and not layout.distributed_optimizer),
            "hardware=cpu with context parallelism or the distributed optimizer",
            "Add parallelism=plain.",
        ),
    ]
    for holds, problem, fix in rules:
        if not holds:
            raise InputError(problem, where=config.model_tag, fix=fix)
