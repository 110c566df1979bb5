"""What the settings of a run must satisfy, each rule with its problem and its fix.

Imports nothing but the schema: `genomic-llama plan` asks these rules about hundreds of layouts in a tenth of a second.
"""

from collections.abc import Iterator

from configs.llama import LlamaArchitecture
from configs.schema import TrainConfig
from launch.planning.head_rules import head_rules
from launch.planning.layout_rules import layout_rules, machine_rules, precision_rules
from launch.planning.rule import Rule, enforce
from launch.planning.schedule import schedule_rules


def check_run(config: TrainConfig, architecture: LlamaArchitecture, sequence_length: int) -> None:
    """Refuse by name what Megatron-Core would refuse minutes later, or compute wrongly."""
    check_values(config)
    enforce(machine_rules(config), config)
    enforce(layout_rules(config, architecture, sequence_length), config)


def check_values(config: TrainConfig) -> None:
    """Refuse by name what cannot work on any machine, in any layout."""
    for rules in (count_rules, precision_rules, guard_rules, head_rules):
        enforce(rules(config), config)
    enforce(schedule_rules(config.optimizer), config)


def count_rules(config: TrainConfig) -> Iterator[Rule]:
    """Counts are positive, and what has to be given is."""
    yield (
        config.init_from is not None or not config.finetune,
        "no value for init_from",
        "Add init_from=CHECKPOINT, the weights to start from.",
    )
    yield (
        config.lora.dim == 0 or config.finetune,
        f"lora.dim={config.lora.dim} with finetune=false",
        "Adapters need weights to start from: add finetune=true and init_from=CHECKPOINT.",
    )
    yield (
        config.lora.dim >= 0 and config.lora.alpha > 0 and 0 <= config.lora.dropout < 1,
        f"lora.dim={config.lora.dim}, lora.alpha={config.lora.alpha}, lora.dropout={config.lora.dropout}",
        "Give dim from 0, alpha above 0, and dropout from 0 to below 1.",
    )
    counts = {
        "trainer.max_steps": config.trainer.max_steps,
        "trainer.validate_every": config.trainer.validate_every,
        "trainer.validation_batches": config.trainer.validation_batches,
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
        yield count >= 1, f"{name}={count}", "Give a number above 0."
    every, seconds = config.trainer.evaluate_every, config.trainer.evaluate_seconds
    yield every >= 0, f"trainer.evaluate_every={every}", "Give a number of steps, or 0 for no evaluation."
    yield seconds > 0, f"trainer.evaluate_seconds={seconds:g}", "Give a number of seconds above 0."
    yield (
        every != 0 or config.trainer.evaluate_suite is None,
        f"trainer.evaluate_suite={config.trainer.evaluate_suite} with trainer.evaluate_every=0",
        "Add trainer.evaluate_every=STEPS.",
    )
    kept, length = config.trainer.keep_checkpoints, config.dataset.sequence_length
    yield kept == -1 or kept >= 1, f"trainer.keep_checkpoints={kept}", "Give a number above 0, or -1 to keep all."
    yield length is None or length >= 1, f"dataset.sequence_length={length}", "Give a number above 0."
    workers = config.dataset.num_workers
    yield workers >= 0, f"dataset.num_workers={workers}", "Give a number from 0."


def guard_rules(config: TrainConfig) -> Iterator[Rule]:
    """What a guard can do."""
    guards = config.guards
    yield guards.non_finite in ("skip", "stop"), f"guards.non_finite={guards.non_finite}", "Use skip or stop."
    yield guards.spike in ("report", "skip", "stop"), f"guards.spike={guards.spike}", "Use report, skip or stop."
    yield (
        guards.spike_deviations > 0 and guards.spike_window >= 3,
        f"guards.spike_deviations={guards.spike_deviations}, guards.spike_window={guards.spike_window}",
        "Give deviations above 0 and a window of at least 3 steps.",
    )
    yield guards.most_skipped >= 0, f"guards.most_skipped={guards.most_skipped}", "Give a number from 0."
    yield (
        guards.hang_seconds >= 0 and guards.hang_factor > 1,
        f"guards.hang_seconds={guards.hang_seconds}, guards.hang_factor={guards.hang_factor}",
        "Give seconds from 0 and a factor above 1.",
    )
    for steps in guards.skip_steps:
        first, _, last = steps.partition("-")
        numbers = [first, last or first]
        yield (
            all(number.isdecimal() for number in numbers) and 1 <= int(numbers[0]) <= int(numbers[1]),
            f"guards.skip_steps holds {steps!r}",
            "Write steps as 1500 or 1200-1300, counted from 1.",
        )
