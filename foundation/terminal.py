"""The one place from which text reaches a terminal: whatever it holds, writing it cannot fail, and it stays one line.

Names of files and of records are a stranger's: they may hold line ends, escape sequences, bytes that are not UTF-8.
"""

import contextlib
import io
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextvars import ContextVar
from typing import TextIO

_printing: ContextVar[bool] = ContextVar("printing", default=True)


@contextlib.contextmanager
def without_printing() -> Iterator[None]:
    """Inside, `warn` gives a `UserWarning` instead of a line: for callers in Python."""
    token = _printing.set(False)
    try:
        yield
    finally:
        _printing.reset(token)


def printable(text: object) -> str:
    r"""`text` without what a terminal would obey: line ends, escapes, marks of direction, as `\n`, `\x1b`, `\u202e`.

    A byte of a name that is not UTF-8, which Python holds as a surrogate, is shown as `\xff`.
    """
    text = str(text)
    return text if text.isprintable() else "".join(map(_shown, text))


def one_line(text: object) -> str:
    """The lines of `text` as one, printable: for messages of libraries."""
    return printable(" ".join(str(text).split("\n"))) if "\n" in str(text) else printable(text)


def as_utf8(text: str) -> bytes:
    r"""`text` for a file of UTF-8, which every reader takes; a byte of a name that is not UTF-8 becomes `\xff`."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace").encode()


def open_output() -> None:
    """Let what others print to standard output, such as help texts, not fail where the terminal lacks a character."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def print_lines(*lines: object) -> None:
    """Print each of `lines`, which stays one, to standard output."""
    _write(sys.stdout, lines)


def warn(*lines: object) -> None:
    """Print each of `lines`, which stays one, to standard error. A failure to write it stops no work."""
    if not _printing.get():
        for line in lines:
            warnings.warn(printable(line).removeprefix("warning: "), stacklevel=3)
        return
    with contextlib.suppress(OSError, ValueError):  # closed, or on a disk that is full
        _write(sys.stderr, lines)


def print_text(text: str) -> None:
    """Print a text whose line ends are our own."""
    print_lines(*text.split("\n"))


def print_raw(text: str) -> None:
    """Write `text` to standard output unchanged, for a file or another program: names keep their bytes."""
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))


def print_table(columns: Mapping[str, str], rows: Iterable[Iterable[object]], *, padding: int = 1) -> None:
    """Print a table to standard output, as wide as it is. `columns`: their titles, each with "left" or "right"."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(padding=(0, padding))
    for title, side in columns.items():
        table.add_column(title, justify="right" if side == "right" else "left")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    console = Console()
    with console.capture() as captured:
        console.print(table, width=max(console.width, console.measure(table).maximum), crop=False, no_wrap=True)
    sys.stdout.write(_encodable(captured.get(), sys.stdout))


def _write(stream: TextIO | None, lines: tuple[object, ...]) -> None:
    if stream is None:  # a process without one
        return
    stream.write(_encodable("".join(f"{printable(line)}\n" for line in lines), stream))
    stream.flush()


def _encodable(text: str, stream: TextIO) -> str:
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode() if not 0xD800 <= code <= 0xDFFF else f"\\u{code:04x}"
