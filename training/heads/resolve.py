"""What the training table decides of a head: its labels, how numbers are scaled, how classes are weighed."""

import dataclasses
import json
from functools import lru_cache
from typing import Any

import numpy as np

from configs.heads import Head
from configs.schema import HeadConfig
from evaluation.labelled.examples import Example
from evaluation.labelled.splits import Splits, class_counts, read_splits
from foundation.typed import from_settings


def splits_of(head: HeadConfig, longest: int) -> Splits:
    """The sequences that `head` names, read once in a process. Errors: `InputError`, as `read_splits`."""
    return _read(json.dumps(dataclasses.asdict(head), sort_keys=True), longest)


@lru_cache(maxsize=1)
def _read(settings: str, longest: int) -> Splits:
    return read_splits(from_settings(HeadConfig, json.loads(settings)), longest)


def resolve_head(head: HeadConfig, longest: int) -> Head:
    """The head that is trained on the sequences that `head` names. Errors: `InputError`, as `read_splits`."""
    splits = splits_of(head, longest)
    numbers = head.kind in ("regress", "track")
    labels = splits.targets.labels
    values = _values(splits.train, len(labels)) if numbers else None
    return Head(
        kind=head.kind,
        labels=labels,
        pooling="none" if splits.targets.per_base else head.pooling,
        both_strands=head.both_strands,
        mean=() if values is None else tuple(float(one) for one in np.nanmean(values, axis=0)),
        std=() if values is None else tuple(float(one) or 1.0 for one in np.nanstd(values, axis=0)),
    )


def class_weights(head: HeadConfig, longest: int) -> list[float]:
    """The weight of each class in the loss, with a mean of one over the training labels; of several labels, that of a
    yes. Empty where all weigh the same."""
    if head.class_weights == "none":
        return []
    splits = splits_of(head, longest)
    if head.kind == "multilabel":
        values = _values(splits.train, len(splits.targets.labels))
        return [float((1 - share) / share) for share in values.mean(axis=0)]
    counts = list(class_counts(splits.train, len(splits.targets.labels)))
    return [sum(counts) / len(counts) / count for count in counts]


def standardised(examples: list[Example], head: Head) -> list[Example]:
    """Examples with the labels that a head of numbers is trained on: mean 0, standard deviation 1."""
    if not head.mean:
        return examples
    mean, std = (np.array(values, np.float32) for values in (head.mean, head.std))
    return [dataclasses.replace(one, target=((one.target - mean) / std).astype(np.float32)) for one in examples]


def _values(examples: list[Example], columns: int) -> Any:
    """[samples or bases, columns], in 64 bits, for the squares of large numbers."""
    found = [np.reshape(example.target, (-1, columns)) for example in examples]
    return np.concatenate(found).astype(np.float64)
