"""A Megatron-Bridge checkpoint in the making.

latest_checkpointed_iteration.txt    the number of steps
latest_train_state.pt                the same for Megatron-Bridge, with its other counters
iter_0000000/                        torch_dist shards, .metadata, common.pt, metadata.json,
                                     run_config.yaml, train_state.pt, tokenizer/
"""

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from configs.llama import LlamaArchitecture
from conversion.files.archive_writer import Tensor, save
from conversion.files.dtypes import raw
from conversion.huggingface.tokenizer_directory import write_tokenizer_of
from conversion.locate import TRACKER
from conversion.megatron import bridge_config
from conversion.megatron.megatron_directory import MegatronWriter
from conversion.megatron.training_state import Training, groups_in

_COUNTERS = ("step", "consumed_train_samples", "skipped_train_samples", "consumed_valid_samples")
_FLAGS = ("do_train", "do_valid", "do_test")


class BridgeWriter(MegatronWriter):
    """Writes the checkpoint `directory` with one iteration. See `checkpoint.Writer`."""

    def __init__(self, directory: Path, architecture: LlamaArchitecture, training: Training | None) -> None:
        import yaml  # type: ignore[import-untyped]

        content = bridge_config.run_config(architecture, optimizer=training is not None)
        step = training.step if training else 0
        iteration = directory / f"iter_{step:07d}"
        common: dict[str, Any] = {"checkpoint_version": 3.0, "iteration": step}
        if training:
            common["optimizer"] = optimizer_for_bridge(training.optimizer, training.schedule)
            common |= {"opt_param_scheduler": training.schedule} if training.schedule else {}
        self._schedule = training.schedule if training else {}
        content_of = training.content if training else {}
        super().__init__(iteration, architecture, prefix="", common=common, content=content_of)
        text = yaml.safe_dump(content, sort_keys=True)
        (iteration / bridge_config.NAME).write_text(text, encoding="utf-8")
        write_tokenizer_of(iteration / bridge_config.TOKENIZER, architecture)
        for path in (iteration / "train_state.pt", directory / "latest_train_state.pt"):
            save(path, _train_state(step, training.consumed if training else 0))
        (directory / TRACKER).write_text(f"{step}\n", encoding="utf-8")

    def write_objects(self, objects: Mapping[str, Any]) -> None:
        super().write_objects({name: self._with_groups(value) for name, value in objects.items()})

    def _with_groups(self, value: Any) -> Any:
        groups = groups_in(value)
        return value if groups is None else [optimizer_for_bridge(groups, self._schedule)]


def optimizer_for_bridge(optimizer: Mapping[str, Any], schedule: Mapping[str, Any]) -> dict[str, Any]:
    """NeMo's optimizer state with parameter groups as Megatron-Core 0.19 has them, at whichever level they are."""
    state = dict(optimizer)
    if isinstance(state.get("optimizer"), Mapping):
        state["optimizer"] = optimizer_for_bridge(state["optimizer"], schedule)
    if "param_groups" in state:
        state["param_groups"] = [_group(group, schedule) for group in state["param_groups"]]
    return state


def _group(group: Mapping[str, Any], schedule: Mapping[str, Any]) -> dict[str, Any]:
    """A parameter group with the fields by which Megatron-Core 0.19 finds it again, and with those that it reads.

    It finds a group by its peak and least learning rate, among others (optimizer.py, `param_group_identifier_keys`);
    NeMo has None for the least. It multiplies by `wd_mult` and `lr_mult`, which NeMo calls `pre_wd_mult` and so on.
    """
    found = {name: schedule[name] for name in ("max_lr", "min_lr") if group.get(name) is None and name in schedule}
    multipliers = {name: group[f"pre_{name}"] for name in ("wd_mult", "lr_mult") if f"pre_{name}" in group}
    return {"default_config": True, **group, **multipliers, **found}


def _train_state(step: int, consumed: int) -> dict[str, Tensor]:
    """Megatron-Bridge's `TrainState` after `step` steps, which `consumed` samples; everything is still to be done.

    The learning rate is a function of the samples that were consumed, so they are told where it moves.
    """
    counters = dict.fromkeys(_COUNTERS, 0) | {"step": step, "consumed_train_samples": consumed}
    return {
        **{name: _scalar("int64", struct.pack("<q", count)) for name, count in counters.items()},
        "floating_point_operations_so_far": _scalar("float64", struct.pack("<d", 0.0)),
        **{name: _scalar("bool", b"\1") for name in _FLAGS},
    }


def _scalar(dtype: str, data: bytes) -> Tensor:
    import numpy as np

    return Tensor(dtype=dtype, shape=(), rows=[np.frombuffer(data, raw(dtype))])
