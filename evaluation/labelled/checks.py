"""Whether training examples have something to learn, and validation examples something to measure."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation.labelled.examples import TEST, TRAIN, VALIDATION, Example, strand_hash
from evaluation.labelled.targets import IGNORED, Targets
from foundation.errors import InputError
from foundation.terminal import warn

UNDEFINED_OF_ONE = ("f1", "mcc", "auroc", "auprc", "spearman", "pearson")
"""Measures that say nothing where all labels are the same."""


def check_learnable(targets: Targets, train: Sequence[Example], source: object) -> None:
    """Check that training keeps every class, and two values of each other label. Errors: `InputError`."""
    if missing := _missing_classes(targets, train):
        what = "of the class" if _of_classes(targets) else "that differs in the label"
        problem = f"leaves no training sequence {what} {missing[0]!r} after drawing validation"
        fix = "Give more sequences, head.validation, or another head.validation_fraction."
        raise InputError(problem, where=source, fix=fix, kind="class-without-training")


def check_measurable(targets: Targets, validation: Sequence[Example], stop_metric: str, source: object) -> None:
    """That the validation examples have labels, and the measure that a run stops by is defined on them.

    What cannot be measured otherwise is said. Errors: `InputError`.
    """
    values = _values(targets, validation)
    if not len(values):
        fix = "Give validation sequences whose bases have labels."
        raise InputError("has no labelled base for validation", where=source, fix=fix, kind="no-labels")
    missing = _missing_classes(targets, validation)
    if not missing:
        return
    what = "class" if _of_classes(targets) else "label"
    count = len(targets.labels) - len(missing)
    alone = count < 2 if _of_classes(targets) else count < 1
    message = f"the validation sequences have {'no' if what == 'class' else 'one value of'} {what} {missing[0]!r}"
    if alone and stop_metric in UNDEFINED_OF_ONE:
        fix = "Give other validation sequences, or head.stop_metric=loss."
        raise InputError(
            f"{message}, so {stop_metric} is undefined", where=source, fix=fix, kind="validation-one-class"
        )
    warn(f"warning: {source}: {message}; measures that need it are left out")


def warn_of_contradictions(targets: Targets, train: Sequence[Example], source: object) -> None:
    """Say where one sequence, on either strand, has more than one class: nothing can learn both."""
    if targets.kind not in ("classify", "multilabel"):
        return
    found = defaultdict[int, set[bytes]](set)
    for example in train:
        found[strand_hash(example.ids)].add(np.asarray(example.target).tobytes())
    if several := sum(len(labels) > 1 for labels in found.values()):
        appear = "sequence appears" if several == 1 else "sequences appear"
        warn(f"warning: {source}: {several:,} training {appear} more than once, with different labels")


def warn_shared(parts: Mapping[str, Sequence[Example]], source: object) -> None:
    """Warn of sequences that two splits share, on either strand. `parts`: train, validation and test, in this order."""
    hashes = {name: [strand_hash(example.ids) for example in examples] for name, examples in parts.items()}
    for later, earlier in ((VALIDATION, TRAIN), (TEST, TRAIN), (TEST, VALIDATION)):
        known = set(hashes[earlier])
        both = [example for example, one in zip(parts[later], hashes[later], strict=True) if one in known]
        if both:
            are = "is" if len(both) == 1 else "are"
            message = f"{len(both):,} of {len(parts[later]):,} {later} sequences {are} in {earlier} too"
            warn(f"warning: {source}: {message}, on either strand; the first is {both[0].where}")


def _of_classes(targets: Targets) -> bool:
    return targets.kind in ("classify", "tokens")


def _missing_classes(targets: Targets, examples: Sequence[Example]) -> list[str]:
    """Classes that none of `examples` has; other labels of which there are not two values."""
    values = _values(targets, examples)
    if _of_classes(targets):
        there = np.bincount(values.astype(np.int64), minlength=len(targets.labels))
        return [name for name, count in zip(targets.labels, there, strict=True) if not count]
    columns = values.reshape(-1, len(targets.labels)).T
    return [name for name, column in zip(targets.labels, columns, strict=True) if len(np.unique(column)) < 2]


def _values(targets: Targets, examples: Sequence[Example]) -> npt.NDArray[Any]:
    """The labels that are there."""
    flat = np.concatenate([np.ravel(example.target) for example in examples])
    known = flat != IGNORED if _of_classes(targets) else np.isfinite(flat)
    labelled: npt.NDArray[Any] = flat[known]
    return labelled
