"""The error that a user's input gets: which file, which record or key, and what to do about it."""

import difflib
import os
import reprlib
from collections.abc import Iterable

from foundation.terminal import one_line, printable


class InputError(ValueError):
    """Something that the user gave is wrong. Shown without a traceback; the command exits with 1.

    Parameters
    ----------
    problem : str
        What is wrong, in one sentence without a full stop.
    where : str or path-like, optional
        The file or setting, with the record, line or key where there is one.
    fix : str, optional
        What the user can do about it.
    kind : str
        The code of this error, in kebab-case ("missing-tensor"): what tests and callers look at, never the sentence.
    """

    def __init__(self, problem: str, *, where: object = None, kind: str, fix: str = "") -> None:
        self.problem, self.where, self.fix, self.kind = problem, where, fix, kind
        message = one_line(problem) if where is None else f"{printable(where)}: {one_line(problem)}"
        super().__init__(f"{message}. {one_line(fix)}" if fix else message)

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (self.problem, self.where, self.fix, self.kind))


def _rebuild(problem: str, where: object, fix: str, kind: str) -> InputError:
    return InputError(problem, where=where, fix=fix, kind=kind)


def described(error: InputError | MemoryError | OSError) -> str:
    """What ends a command, as one line: the error, or what is behind it."""
    if _is_homeless() and not isinstance(error, MemoryError):
        return f"the working directory no longer exists ({_reason(error)}). Change to one that does: cd DIRECTORY"
    if isinstance(error, MemoryError):
        return "memory ran out. Use a machine with more, or smaller pieces"
    return _reason(error)


def _reason(error: InputError | OSError) -> str:
    if isinstance(error, InputError):
        return str(error)
    return printable(f"{error.filename or 'input or output'}: {error.strerror or error}")


def _is_homeless() -> bool:
    """Whether the working directory was removed."""
    try:
        os.getcwd()
    except FileNotFoundError:
        return True
    return False


class _Shown(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 4
        self.maxdict = self.maxlist = self.maxtuple = 20
        self.maxstring = self.maxother = 200

    def repr_int(self, value: int, level: int) -> str:
        return repr(value) if value.bit_length() < 1024 else "a number of hundreds of digits"


def shown(value: object) -> str:
    """`value` as a message may show it: what a stranger wrote can be as long as it likes, and refer to itself."""
    return _Shown().repr(value)


def nearest(name: object, known: Iterable[str]) -> str:
    """A "did you mean" for a name that is misspelt, or not all of one name; else the list of what there is."""
    name, known = str(name), sorted(known)
    begun = [one for one in known if name and one.startswith(name)]
    close = begun if len(begun) == 1 else difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"Did you mean {close[0]!r}?" if close else f"Known: {', '.join(known)}."
