"""The calibration of a head, which a run fits on its validation sequences: from its log to the export."""

import dataclasses
from pathlib import Path

from configs.llama import LlamaArchitecture
from conversion.locate import step_of
from foundation.metrics_log import NAME, read_metrics

CALIBRATION = "calibration"
"""The key of a validation line that has `scale` and `shift`, a list of each: `configs.heads.Head`."""


def with_calibration(architecture: LlamaArchitecture, checkpoint: Path) -> LlamaArchitecture:
    """`architecture` with what the run of `checkpoint` logged at its step; as it is where that says nothing."""
    checkpoint = checkpoint.resolve()  # it may be a link to the best one
    log = checkpoint.parent.parent / NAME
    if architecture.head is None or not checkpoint.name.startswith("step=") or not log.is_file():
        return architecture
    step, labels = step_of(checkpoint), len(architecture.head.labels)
    found = [row[CALIBRATION] for _, row in read_metrics(log).rows if CALIBRATION in row and row.get("step") == step]
    values = found[-1] if found and isinstance(found[-1], dict) else {}
    lists = [values.get(name) for name in ("scale", "shift")]
    if not all(
        isinstance(one, list) and len(one) == labels and all(isinstance(x, float) for x in one) for one in lists
    ):
        return architecture
    scale, shift = (tuple(one) for one in lists if one is not None)
    head = dataclasses.replace(architecture.head, scale=scale, shift=shift)
    return dataclasses.replace(architecture, head=head)
