"""The linear head that replaces the output layer of a model, for user-provided labels.

`config.json` names it in transformers' words (`id2label`, `problem_type`), so that transformers loads it, and has the
rest in `task_head`, which transformers ignores.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from foundation.errors import InputError, shown
from foundation.typed import from_settings

KINDS = ("classify", "multilabel", "regress", "tokens", "track")
"""One class per sequence, several labels, numbers; one class per base, one number per base."""
POOLINGS = ("last", "mean")

PROBLEM_TYPES = {
    "classify": "single_label_classification",
    "multilabel": "multi_label_classification",
    "regress": "regression",
    "tokens": "single_label_classification",
    "track": "regression",
}
_OF_CLASSES, _OF_NUMBERS = ("accuracy", "f1", "mcc", "auroc", "auprc"), ("spearman", "pearson")
MEASURES = {kind: _OF_NUMBERS if kind in ("regress", "track") else _OF_CLASSES for kind in KINDS}
"""What is measured of each; more is better. Of the loss, less is."""
SEQUENCE, TOKEN = "LlamaForSequenceClassification", "LlamaForTokenClassification"
KEY = "task_head"


@dataclass(frozen=True, kw_only=True)
class Head:
    """A linear head: one output per label.

    `labels`: names of classes, or of the columns of numbers. `pooling`: which base's representation is read, `last`,
    or the mean over all; a head per base has none of either and says "none". `mean`, `std`: of the labels of training,
    value = output * std + mean, empty where labels are classes. `scale`, `shift`: calibrated logit = logit * scale +
    shift, empty where it was not calibrated.
    """

    kind: str
    labels: tuple[str, ...]
    pooling: str = "last"
    both_strands: bool = False
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()
    shift: tuple[float, ...] = ()

    @property
    def per_base(self) -> bool:
        """Whether there is an output for each base rather than for the sequence."""
        return self.kind in ("tokens", "track")

    @property
    def bias(self) -> bool:
        """Whether the head adds a bias: transformers' class for tokens has one, its class for sequences has none."""
        return self.pooling != "last"


def hf_fields(head: Head) -> dict[str, Any]:
    """The keys of `config.json` for a head.

    A mean over bases is exported as a class for tokens: the head is linear, so that the mean of its logits over the
    bases of a sequence is the logit of the mean.
    """
    return {
        "architectures": [TOKEN if head.bias else SEQUENCE],
        "id2label": {str(number): name for number, name in enumerate(head.labels)},
        "label2id": {name: number for number, name in enumerate(head.labels)},
        "problem_type": PROBLEM_TYPES[head.kind],
        KEY: {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(head).items()},
    }


def pop_head(values: dict[str, Any], where: object) -> Head | None:
    """The head that a `config.json` names, whose keys are taken out of `values`; None for a language model.

    Errors: `InputError` for one that contradicts itself, or that this project did not write.
    """
    if values.get("architectures") not in ([SEQUENCE], [TOKEN]):
        return None
    kept = values.pop(KEY, None)
    if kept is None:
        fix = "Give a model that `genomic-llama convert` wrote: its config.json has the key task_head."
        raise InputError("has a head of an unknown kind", where=where, fix=fix, kind="unknown-task-head")
    head = from_settings(Head, kept, f"{where}: {KEY}")
    check_head(head, where)
    for key, value in hf_fields(head).items():
        if key != KEY and (found := values.pop(key, None)) != value:
            fix = f"{KEY} says {shown(value)}."
            raise InputError(f"{key} is {shown(found)}", where=where, fix=fix, kind="config-contradiction")
    values.pop("num_labels", None)
    return head


def check_head(head: Head, where: object) -> None:
    """Refuse a head that cannot be. Errors: `InputError`."""
    per_label = (head.mean, head.std, head.scale, head.shift)
    right = (
        head.kind in KINDS
        and head.pooling in (("none",) if head.per_base else POOLINGS)
        and 0 < len(head.labels) == len(set(head.labels))
        and all(len(values) in (0, len(head.labels)) for values in per_label)
    )
    if not right:
        raise InputError(f"{KEY} is {shown(asdict(head))}", where=where, fix="Convert it again.", kind="task-head")


def megatron_fields_of(head: Head) -> dict[str, Any]:
    """The fields of `training.heads.model.HeadConfig` for a head; they hold no calibration, which a run has not yet."""
    return {
        "head_kind": head.kind,
        "head_labels": list(head.labels),
        "head_pooling": head.pooling,
        "head_both_strands": head.both_strands,
        "head_mean": list(head.mean),
        "head_std": list(head.std),
    }


def head_from_megatron(fields: Mapping[str, Any], where: object) -> Head | None:
    """The inverse; None where the fields are those of a language model. Errors: `InputError`."""
    given = {key.removeprefix("head_"): fields[key] for key in _FIELDS if key in fields}
    if not given:
        return None
    lists = {key: list(value) if isinstance(value, tuple) else value for key, value in given.items()}
    head = from_settings(Head, lists, str(where))
    check_head(head, where)
    return head


_FIELDS = ("head_kind", "head_labels", "head_pooling", "head_both_strands", "head_mean", "head_std")
