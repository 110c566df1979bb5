"""Predictions of labelled sequences, measured, with what needs no model beside them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.baselines.bases import example_baselines
from evaluation.labelled.examples import Cut, Example, make_examples
from evaluation.labelled.measures import measure
from evaluation.labelled.readers import Columns, read_entries
from evaluation.labelled.signal import Signal
from evaluation.labelled.targets import IGNORED, Targets
from evaluation.prediction.predicting import Predicting, predict
from evaluation.prediction.records import Record
from foundation.errors import InputError
from foundation.terminal import warn

if TYPE_CHECKING:
    from transformers import PreTrainedModel

WORDS = {
    "accuracy": "accuracy", "f1": "F1", "mcc": "MCC", "auroc": "AUROC", "auprc": "AUPRC", "spearman": "Spearman",
    "pearson": "Pearson",
}  # fmt: skip
"""How measures are written for people."""


@dataclass(frozen=True, kw_only=True)
class LabelledTable:
    """A file of labelled sequences, and its columns; a BED file has a `signal`."""

    path: Path
    sequence: str = "sequence"
    labels: tuple[str, ...] = ("label",)
    signal: Signal | None = None


@dataclass(frozen=True, kw_only=True)
class LabelMeasures:
    """Measures of a model and of each baseline, on `count` sequences or bases."""

    measures: dict[str, float]
    baselines: dict[str, dict[str, float]]
    count: int

    def best(self, name: str) -> tuple[str, float | None]:
        """The best baseline of a measure, and its value; "" and None where there is none."""
        values = {baseline: found[name] for baseline, found in self.baselines.items() if name in found}
        best = max(values, key=lambda one: values[one], default="")
        return best, values.get(best)


def evaluate_labels(
    model: "PreTrainedModel",
    table: LabelledTable,
    how: Predicting,
    cut: Cut,
    *,
    fitted_on: LabelledTable | None = None,
) -> LabelMeasures:
    """Measure the predictions of `model` on `table`; baselines learn from `fitted_on`, where it is given.

    Errors: `InputError` naming file and row, for columns that are not those of the head, and classes that it lacks.
    """
    examples = _read(table, how, cut)
    if repeats := len(examples) - len({one.ids.tobytes() for one in examples}):
        warn(f"warning: {table.path}: {repeats:,} of {len(examples):,} sequences repeat another one; each row counts")
    records = (Record(ids=one.ids, where=one.where, length=len(one.ids)) for one in examples)
    outputs = [one.outputs for one in predict(model, records, how)]
    per_base = how.head.per_base
    truth = _truth(examples, per_base)
    stacked = np.concatenate(outputs) if per_base else np.stack(outputs)
    baselines: dict[str, dict[str, float]] = {}
    if fitted_on is not None:
        found = example_baselines(
            how.head.kind, _read(fitted_on, how, cut), examples, classes=len(how.head.labels)
        )  # fmt: skip
        baselines = {one.name: one.measures for one in found}
    count = int((truth != IGNORED if truth.dtype.kind == "i" else np.isfinite(truth)).sum()) if per_base else len(truth)
    return LabelMeasures(measures=measure(how.head.kind, stacked, truth), baselines=baselines, count=count)


def _read(table: LabelledTable, how: Predicting, cut: Cut) -> list[Example]:
    head = how.head
    if head.kind in ("multilabel", "regress") and table.labels != head.labels:
        problem = f"has the label columns {', '.join(table.labels)}, but the model predicts {', '.join(head.labels)}"
        raise InputError(problem, where=table.path, fix="Name the same columns.", kind="other-labels")
    if table.signal and head.kind != "track":
        problem = f"has a number per base, but the model predicts {', '.join(head.labels)}"
        raise InputError(problem, where=table.path, fix="Leave bigwig and genome out.", kind="other-labels")
    columns = Columns(sequence=table.sequence, values=table.labels, signal=table.signal)
    examples = make_examples(
        read_entries(table.path, columns), Targets(kind=head.kind, labels=head.labels), cut, table.path
    )
    if not examples:
        raise InputError("has no sequences", where=table.path, fix="Check the file.", kind="no-sequences")
    return examples


def _truth(examples: Sequence[Example], per_base: bool) -> Any:
    targets = [example.target for example in examples]
    return np.concatenate(targets) if per_base else np.stack(targets)
