"""Labels of sequences as classes: numbers have one spelling; ambiguous and missing labels are refused."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from foundation.errors import InputError, shown

MISSING = frozenset(
    ("", "#N/A", "#NA", "<NA>", "N/A", "n/a", "NA", "NULL", "null", "NaN", "nan", "-NaN", "-nan", "None")
)
"""What pandas and others write for no value."""

_WHOLE = re.compile(r"([+-]?[0-9]+)\.0*")
_BOOLEANS = {"true": "1", "false": "0"}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One labelled sequence. `where`: its file with the line, row or record."""

    sequence: str
    label: str
    where: str


@dataclass(frozen=True, kw_only=True)
class ClassCount:
    """How many sequences of a class there are to learn from and to measure on."""

    name: str
    train: int
    test: int


def read_label(value: object, where: str) -> str:
    """The class of one row: text without white space around it, and 0 for 0.0, as pandas writes a column of numbers.

    Errors: `InputError` for a label that is missing, or is neither text nor a number.
    """
    if value is not None and not isinstance(value, (str, int, float)):
        problem = f"the label is {shown(value)}, neither text nor a number"
        raise InputError(problem, where=where, fix="Give one label per sequence.", kind="label-type")
    text = "" if value is None else str(value).strip()
    if text in MISSING:
        problem = f"the label is missing ({'null' if value is None else shown(value)})"
        raise InputError(problem, where=where, fix="Complete the row, or remove it.", kind="label-missing")
    whole = _WHOLE.fullmatch(text)
    return whole[1] if whole else text


def check_spellings(rows: Sequence[Row]) -> None:
    """Refuse two labels that may be one class: case, leading zeros, True beside 1.

    Errors: `InputError` with the first row of the rarer spelling.
    """
    counts = Counter(row.label for row in rows)
    spellings: dict[str, str] = {}
    for label, _ in counts.most_common():
        first = spellings.setdefault(_folded(label), label)
        if first != label:
            where = next(row.where for row in rows if row.label == label)
            problem = f"the label {label!r} may be the class {first!r} of other rows"
            raise InputError(problem, where=where, fix="Spell each class one way.", kind="label-spelling")


def count_classes(train: Sequence[Row], test: Sequence[Row]) -> tuple[ClassCount, ...]:
    """The classes of `train`, in order, with their counts."""
    found = [Counter(row.label for row in part) for part in (train, test)]
    return tuple(ClassCount(name=name, train=found[0][name], test=found[1][name]) for name in sorted(found[0]))


def _folded(label: str) -> str:
    text = re.sub(r"[\s_]+", " ", unicodedata.normalize("NFKC", label).casefold()).strip()
    text = _BOOLEANS.get(text, text)
    try:
        return repr(float(label)) if text not in _BOOLEANS.values() else repr(float(text))
    except ValueError:
        return text
