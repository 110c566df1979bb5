"""Records left out because their header matches a regular expression."""

import importlib
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from corpus.scan.batch import Batch
from foundation.errors import InputError

MAX_HEADER = 10_000
"""Characters of a header that are looked at."""


class HeaderPatterns:
    """Regular expressions (Python's `re`), searched for in "name description".

    Errors: `InputError` for one that does not compile, matches every header, or may take exponential time.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns = [(f"header:{pattern}", compile_pattern(pattern)) for pattern in patterns]

    def mark(self, batch: Batch, source: Path, reasons: list[str | None]) -> None:
        """Give the reason `header:<pattern>` to the records of `batch` that match and have none yet."""
        for record, (name, description) in enumerate(zip(batch.names, batch.descriptions, strict=True)):
            if reasons[record] is None:
                header = f"{name} {description}"[:MAX_HEADER]
                reasons[record] = next((key for key, pattern in self._patterns if pattern.search(header)), None)


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """`pattern` compiled and checked."""
    where = f"header pattern {pattern!r}"
    try:
        compiled = re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise InputError(
            f"is not a regular expression: {error}",
            where=where,
            fix="Escape characters that are meant literally.",
            kind="not-a-pattern",
        ) from None
    if compiled.search(""):
        raise InputError(
            "matches every header",
            where=where,
            fix="Write text that a header must contain.",
            kind="pattern-matches-all",
        )
    if _repeats_a_repeat(_parser().parse(pattern)):
        problem = "repeats a repeat, as in (a+)+, which may take forever on a long header"
        raise InputError(problem, where=where, fix="Write it with one repeat.", kind="pattern-nested-repeat")
    return compiled


def _repeats_a_repeat(parsed: Any, within: bool = False) -> bool:
    """Whether an unbounded repeat is inside another, which makes a backtracking matcher exponential."""
    for operation, argument in parsed:
        unbounded = str(operation) in ("MAX_REPEAT", "MIN_REPEAT") and argument[1] == _parser().MAXREPEAT
        if unbounded and within:
            return True
        if any(_repeats_a_repeat(part, within or unbounded) for part in _parts(argument)):
            return True
    return False


def _parts(argument: Any) -> Iterator[Any]:
    """The sub-patterns in an operation's argument."""
    if isinstance(argument, _parser().SubPattern):
        yield argument
    elif isinstance(argument, (tuple, list)):
        for item in argument:
            yield from _parts(item)


def _parser() -> Any:
    """The parser of `re`, which has no public name since Python 3.11."""
    return importlib.import_module("re._parser" if sys.version_info >= (3, 11) else "sre_parse")
