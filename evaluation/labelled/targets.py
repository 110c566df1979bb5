"""Label columns as numbers, by the kind of head. Invalid values are refused."""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation.labelled.labels import MISSING, Row, check_spellings, read_label
from evaluation.labelled.readers import Entry
from foundation.errors import InputError, shown
from foundation.pages.quantities import plural

IGNORED = -100
"""The class of a base without a label, as in PyTorch's cross-entropy."""
UNLABELLED = "."

_FLOAT = re.compile(r"[+-]?(\d+\.\d*[1-9]\d*|\d*\.\d*[1-9]\d*)([eE][+-]?\d+)?|[+-]?\d+(\.\d*)?[eE][+-]?\d+")
_YES, _NO = frozenset(("1", "true", "yes")), frozenset(("0", "false", "no"))
_MOST_CLASSES = 1000
_LARGEST = 3e38
"""Of a number in 32 bits."""
_VALUES = re.compile(r"[\s,;]+")


@dataclass(frozen=True, kw_only=True)
class Targets:
    """Entries to targets: a class number; a row of 0 and 1, or of numbers; an array with one of either per base.

    `labels`: names of the classes, or of the columns.
    """

    kind: str
    labels: tuple[str, ...]

    @property
    def per_base(self) -> bool:
        """Whether a target is an array over the bases."""
        return self.kind in ("tokens", "track")

    def target(self, entry: Entry, *, bases: int) -> Any:
        """The target of `entry`, a sequence of `bases` bases. Errors: `InputError` naming the row."""
        if self.kind == "classify":
            return np.int64(self._class(read_label(entry.values[0], entry.where), entry.where))
        if self.kind in ("multilabel", "regress"):
            read = _yes_or_no if self.kind == "multilabel" else _number
            return np.array([read(value, entry.where) for value in entry.values], dtype=np.float32)
        read_bases: Callable[[Any, str], npt.NDArray[Any]] = self._classes if self.kind == "tokens" else _numbers
        values = read_bases(entry.values[0], entry.where)
        if len(values) != bases:
            problem = f"has {plural(len(values), 'label')} for {plural(bases, 'base')}"
            raise InputError(problem, where=entry.where, fix="Give one per base.", kind="label-count")
        return values

    def _class(self, label: str, where: str) -> int:
        if label not in self.labels:
            known = ", ".join(self.labels[:10])
            problem = f"the class {label!r} is not in the training sequences, which have {known}"
            raise InputError(problem, where=where, fix="Spell each class one way, or add examples.", kind="test-class")
        return self.labels.index(label)

    def _classes(self, value: Any, where: str) -> npt.NDArray[np.int64]:
        return np.array([IGNORED if one == UNLABELLED else self._class(one, where) for one in _letters(value, where)])


def find_targets(kind: str, columns: Sequence[str], train: Sequence[Entry]) -> Targets:
    """The targets that the entries to learn from define.

    Errors: `InputError` for labels of one class, numbers given as classes, too many classes, one value only.
    """
    if kind not in ("classify", "tokens"):
        targets = Targets(kind=kind, labels=tuple(columns))
        _check_variety(targets, train)
        return targets
    if kind == "tokens":
        found = {letter for entry in train for letter in _letters(entry.values[0], entry.where)} - {UNLABELLED}
        names = sorted(found)
    else:
        names = _class_names(train)
    if len(names) < 2:
        problem = f"has only one class, {names[0]!r}" if names else "has no labels"
        fix = "Add sequences of another class."
        raise InputError(problem, where=_file(train[0]), fix=fix, kind="one-class")
    return Targets(kind=kind, labels=tuple(names))


def _class_names(train: Sequence[Entry]) -> list[str]:
    labels = [read_label(entry.values[0], entry.where) for entry in train]
    for label, entry in zip(labels, train, strict=True):
        if _FLOAT.fullmatch(label):
            fix = "For numbers give head.kind=regress; for classes give names or whole numbers."
            raise InputError(f"the label {label!r} is not a class", where=entry.where, fix=fix, kind="label-not-class")
    rows = [Row(sequence="", label=label, where=entry.where) for label, entry in zip(labels, train, strict=True)]
    check_spellings(rows)
    names = sorted(set(labels), key=lambda name: (0, int(name), name) if name.isdigit() else (1, 0, name))
    if len(names) > _MOST_CLASSES or (len(names) > 20 and len(names) > len(labels) // 2):
        problem = f"has {len(names):,} classes in {len(labels):,} sequences"
        fix = "Check head.labels; for numbers give head.kind=regress."
        raise InputError(problem, where=_file(train[0]), fix=fix, kind="too-many-classes")
    return names


def _check_variety(targets: Targets, train: Sequence[Entry]) -> None:
    if targets.per_base:
        values = np.concatenate([_numbers(entry.values[0], entry.where) for entry in train])[:, None]
    else:
        values = np.stack([targets.target(entry, bases=0) for entry in train])
    for column, name in enumerate(targets.labels):
        found = np.unique(values[np.isfinite(values[:, column]), column])
        if len(found) < 2:
            said = f"is {found[0]:g} in all {len(train):,} training sequences" if len(found) else "has no value"
            fix = "Add sequences that differ in it."
            raise InputError(f"the label {name!r} {said}", where=_file(train[0]), fix=fix, kind="one-class")


def _file(entry: Entry) -> str:
    return entry.where.rpartition(",")[0] or entry.where


def _text(value: Any, where: str) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)) or str(value).strip() in MISSING:
        fix = "Complete the row, or remove it."
        raise InputError(f"the label is missing ({shown(value)})", where=where, fix=fix, kind="label-missing")
    return str(value).strip()


def _yes_or_no(value: Any, where: str) -> float:
    text = _text(value, where).casefold()
    text = text.removesuffix(".0")
    if text not in _YES | _NO:
        problem = f"the label is {shown(value)}, not 0 or 1"
        raise InputError(problem, where=where, fix="Give 0 or 1 in each label column.", kind="label-not-binary")
    return float(text in _YES)


def _number(value: Any, where: str) -> float:
    text = _text(value, where)
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if isinstance(value, bool) or not abs(number) <= _LARGEST:
        problem = f"the label is {shown(value)}, not a number"
        fix = "Give numbers, or head.kind=classify for classes."
        raise InputError(problem, where=where, fix=fix, kind="label-not-numeric")
    return number


def _numbers(value: Any, where: str) -> npt.NDArray[np.float32]:
    """One number per base: an array, a list, or text with separators; NaN where a base has none."""
    if isinstance(value, np.ndarray):
        return value
    values = value if isinstance(value, list) else [one for one in _VALUES.split(_text(value, where)) if one]
    return np.array([math.nan if one in (None, UNLABELLED) else _number(one, where) for one in values], np.float32)


def _letters(value: Any, where: str) -> list[str]:
    """One class per base: a list, or text of one letter each."""
    return [str(one) for one in value] if isinstance(value, list) else list(_text(value, where))
