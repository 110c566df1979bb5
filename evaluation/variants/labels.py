"""Which variants are positive and which are negative: the values of an INFO key, each with its class, nothing guessed.

A value belongs to one allele where the header says so (Number=A or R) or where there are as many values as alleles. One
value is the whole record's. A compound value, such as ClinVar's `Pathogenic/Likely_pathogenic`, is positive where all
its parts are, and doubtful where some are: what is doubtful is refused with its line.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from urllib.parse import unquote

from evaluation.variants.alleles import SCORED, Allele
from foundation.errors import InputError, shown
from foundation.spelling import option

_PARTS = re.compile("[|/,&]")  # between the parts of a compound value: ClinVar's and VEP's
_SHOWN = 20  # rows of the table that are printed


class Kind(str, Enum):
    """What a value makes of an allele."""

    positive = "positive"
    negative = "negative"
    left_out = "left out"


@dataclass(frozen=True, kw_only=True)
class Labelling:
    """INFO keys and values: `key` in `positive` is what low scores should find; other values are negative.

    `negative` restricts those, where given; a record without the key is left out. `by` is the key of the classes.
    Errors: `InputError` for no positive value, and for one that is negative too.
    """

    key: str
    positive: tuple[str, ...]
    negative: tuple[str, ...] = ()
    by: str | None = None

    def __post_init__(self) -> None:
        if not self.positive:
            raise InputError("no value is positive", where=option("positive"), fix="Give one.", kind="label-positive")
        if both := {_canonical(one) for one in self.positive} & {_canonical(one) for one in self.negative}:
            problem = f"{min(both)!r} is listed as positive and as negative"
            where = f"{option('positive')}, {option('negative')}"
            raise InputError(problem, where=where, fix="Give it once.", kind="label-both")


@dataclass(frozen=True, kw_only=True)
class LabelValue:
    """A row of the table: a value as written, its class, and how many alleles to be scored have it."""

    value: str
    kind: str
    alleles: int


def split_values(text: str) -> tuple[str, ...]:
    r"""The values of a command-line option, between commas; `\,` is a comma within a value."""
    parts = re.split(r"(?<!\\),", text)
    return tuple(part.replace("\\,", ",") for part in parts if part)


def value_of(allele: Allele, key: str, vcf: Path) -> str | None:
    """What the INFO key says of `allele`, as written; None where it says nothing, or `.`.

    Errors: `InputError` with the line for a key that comes twice, has no value, or has as many values as do not fit.
    """
    record, where = allele.record, f"{vcf}, line {allele.record.line}"
    texts = record.values(key)
    if len(texts) > 1:
        raise InputError(f"has the INFO key {key} twice", where=where, fix="Keep one of them.", kind="info-twice")
    if not texts:
        return None
    if not texts[0]:
        problem = f"the INFO key {key} has no value"
        raise InputError(problem, where=where, fix=f"Write {key}=1 or {key}=0.", kind="info-no-value")
    value = _own(texts[0], allele, record.numbers.get(key), f"{where}: INFO key {key}")
    if not value:
        raise InputError(f"has an empty {key}", where=where, fix="Write . where it is unknown.", kind="info-no-value")
    return None if value == "." else unquote(value)


def _own(text: str, allele: Allele, number: str | None, where: str) -> str:
    """The part of `text` that is this allele's; `number` is what the header says of the key, None for nothing."""
    values, alts = text.split(","), len(allele.record.alts)
    if text == "." or (number not in ("A", "R") and (len(values) == 1 or alts == 1)):
        return text
    expected = alts + 1 if number == "R" else alts
    if len(values) != expected or number == "1":
        said = f", and Number={number} in the header" if number else ""
        problem = f"{shown(text)} has {len(values)} values for {alts} alternative alleles{said}"
        fix = "Give each allele its own, or split the record: bcftools norm -m-."
        raise InputError(problem, where=where, fix=fix, kind="info-count")
    return values[allele.number + (number == "R")]


def check_labels(alleles: Sequence[Allele], labelling: Labelling, vcf: Path) -> tuple[LabelValue, ...]:
    """The table of values of the alleles that will be scored, before any work.

    Errors: `InputError` for a doubtful value, and where no allele, or only one kind, is labelled.
    """
    values = [(one, value_of(one, labelling.key, vcf)) for one in alleles if one.status == SCORED]
    _refuse_ambiguous([(one, value) for one, value in values if value is not None], labelling, vcf)
    counts = Counter(value for _, value in values if value is not None)
    table = [
        LabelValue(value=value, kind=_kind(value, labelling).value, alleles=count) for value, count in counts.items()
    ]
    listed = {_canonical(value) for value in counts}
    for kind, wanted in ((Kind.positive, labelling.positive), (Kind.negative, labelling.negative)):
        table += [LabelValue(value=one, kind=kind.value, alleles=0) for one in wanted if _canonical(one) not in listed]
    order = [kind.value for kind in Kind]
    rows = tuple(sorted(table, key=lambda row: (order.index(row.kind), -row.alleles, row.value)))
    _refuse_one_kind(rows, labelling, vcf)
    if labelling.by and not any(class_of(one, labelling, vcf) for one, _ in values):
        problem = f"no allele to be scored has the INFO key {labelling.by}"
        raise InputError(problem, where=vcf, fix=f"Check {option('by')}.", kind="info-missing")
    return rows


def _refuse_one_kind(rows: Sequence[LabelValue], labelling: Labelling, vcf: Path) -> None:
    count = Counter[str]()
    for row in rows:
        count[row.kind] += row.alleles
    positives, known = count[Kind.positive.value], count[Kind.positive.value] + count[Kind.negative.value]
    if 0 < positives < known:
        return
    found = "; ".join(f"{row.value} {row.alleles:,}" for row in rows[:_SHOWN] if row.alleles) or "none"
    problem = f"{positives} of {known} labelled variants are positive: both kinds are needed; values found: {found}"
    which = f"{option('label')}, {option('positive')} and {option('negative')}"
    fix = f"Positive is {', '.join(labelling.positive)}; see {which}."
    raise InputError(problem, where=f"{vcf}, INFO key {labelling.key}", fix=fix, kind="label-one-kind")


def label_of(allele: Allele, labelling: Labelling, vcf: Path) -> bool | None:
    """True for positive, False for negative, None for what is left out or has no value."""
    value = value_of(allele, labelling.key, vcf)
    kind = Kind.left_out if value is None else _kind(value, labelling)
    return None if kind is Kind.left_out else kind is Kind.positive


def class_of(allele: Allele, labelling: Labelling, vcf: Path) -> str:
    """The value of the key `by`; "" where there is none."""
    return (labelling.by and value_of(allele, labelling.by, vcf)) or ""


def table_lines(rows: Sequence[LabelValue], key: str) -> Iterator[str]:
    """The table as text, the longest part of it."""
    width = max(len(key), *(len(row.value) for row in rows[:_SHOWN]))
    yield f"{key.ljust(width)}  class     alleles"
    for row in rows[:_SHOWN]:
        yield f"{row.value.ljust(width)}  {row.kind.ljust(8)}  {row.alleles:,}"
    if rest := rows[_SHOWN:]:
        yield f"... and {len(rest):,} values more, of {sum(row.alleles for row in rest):,} alleles"


def _kind(value: str, labelling: Labelling) -> Kind:
    positive, negative = ({_canonical(one) for one in some} for some in (labelling.positive, labelling.negative))
    parts = {_canonical(part.strip("_ ")) for part in _PARTS.split(value)}
    if _canonical(value) in positive or (_canonical(value) not in negative and parts <= positive):
        return Kind.positive
    if _canonical(value) in negative or parts <= negative:
        return Kind.negative
    return Kind.left_out if negative else Kind.negative


def _refuse_ambiguous(values: Sequence[tuple[Allele, str]], labelling: Labelling, vcf: Path) -> None:
    doubts: dict[str, tuple[int, str, str]] = {}
    for allele, value in values:
        if value not in doubts and (found := _ambiguity(value, labelling)):
            doubts[value] = (allele.record.line, *found)
    if not doubts:
        return
    (value, (line, kind, why)), *others = doubts.items()
    also = f" (also: {', '.join(shown(one) for one in list(doubts)[1:6])})" if others else ""
    fix = (
        f"List the whole value under {option('positive')} or {option('negative')} (write a comma in it as \\,), "
        "or list the negative values."
    )
    raise InputError(
        f"{labelling.key} is {shown(value)}, {why}{also}", where=f"{vcf}, line {line}", fix=fix, kind=kind
    )  # fmt: skip


def _ambiguity(value: str, labelling: Labelling) -> tuple[str, str] | None:
    """Kind and reason if the class of `value` is ambiguous; else None."""
    listed = {_canonical(one) for one in (*labelling.positive, *labelling.negative)}
    if _canonical(value) in listed:
        return None
    spellings = {_folded(one): one for one in listed}
    parts = [part.strip("_ ") for part in _PARTS.split(value)]
    for part in (value, *parts):
        if _canonical(part) not in listed and _folded(part) in spellings:
            return "label-spelling", f"which is another spelling of {spellings[_folded(part)]!r}"
    positive = {_canonical(one) for one in labelling.positive}
    of_both = [_canonical(part) in positive for part in parts]
    if any(of_both) and not all(of_both) and not labelling.negative:
        return "label-compound", "of which only a part is positive"
    return None


def _canonical(value: str) -> str:
    """A value with numbers in one spelling: 1, 1.0 and 1e0 are one."""
    try:
        number = float(value) if re.fullmatch(r"[+-]?[0-9.]+([eE][+-]?[0-9]+)?", value) else None
    except ValueError:
        return value
    if number is None:
        return value
    return str(int(number)) if number.is_integer() else repr(number)


def _folded(value: str) -> str:
    """A value without case, white space and the signs for it: what may be the same, and may not."""
    return _canonical(re.sub(r"[\s_-]", "", value).casefold())
