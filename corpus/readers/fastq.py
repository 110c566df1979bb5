"""FASTQ records of four lines each; the qualities are checked for their length and dropped."""

import io
from collections.abc import Iterator

from corpus.scan import scanner
from corpus.scan.batch import Batch
from corpus.scan.scanner import State
from corpus.scan.window import Columns, Window, scan_batches
from foundation.errors import InputError

LONGEST_RECORD = 1 << 30


def read_fastq_stream(stream: io.BufferedReader, where: object) -> Iterator[Batch]:
    """Records of a decompressed `stream`, letters not checked. Memory: a few times the longest record.

    Errors: `InputError` with `where` and the record, after the batch of those before it.
    """
    window, columns = Window(stream), Columns()

    def scan(state: State) -> tuple[int, State]:
        return scanner.scan_fastq(window.text, window.end, window.final, state, columns.full, *columns.arrays)

    status, _ = yield from scan_batches(window, columns, scan, longest=LONGEST_RECORD)
    if status != scanner.END:
        raise _error(status, window, f"{where}, record {columns.next_number}")
    if columns.next_number == 1:
        raise InputError("has no records", where=where, fix="Leave it out, or check how it was made.", kind="no-record")


def _error(status: int, window: Window, record: str) -> InputError:
    header = window.text[window.position : min(window.end, window.position + 1000)].tobytes().partition(b"\n")[0]
    line = header.rstrip(b"\r").decode("utf-8", "backslashreplace")
    kind, problem, fix = {
        scanner.NO_MARK: (
            "fastq-no-mark",
            f"does not start with '@' but with {line[:20]!r}",
            "Check the record before it.",
        ),
        scanner.NO_PLUS: (
            "fastq-no-plus",
            "its third line does not start with '+': a sequence of several lines, or a damaged record",
            "Give each record four lines, e.g. with seqtk seq -l0.",
        ),
        scanner.UNEQUAL: (
            "fastq-quality-count",
            "its qualities are not as many as its bases",
            "Give each record four lines, or repair it.",
        ),
        scanner.EMPTY: ("no-sequence", "has no sequence", "Remove the record."),
        scanner.CUT: ("fastq-cut", "is cut: the file ends within it", "Fetch the file again."),
        scanner.TOO_LONG: ("record-too-long", f"is longer than {LONGEST_RECORD:,} bytes", "Check how it was made."),
        scanner.NO_NAME: ("no-record-name", f"has no name: its header is {line!r}", "Name it right after the '@'."),
        scanner.INNER_RETURN: (
            "mac-line-ends",
            "has a carriage return in its header",
            "Convert the line ends: tr '\\r' '\\n'.",
        ),
    }[status]
    name = line[1:].split()[0] if line[1:].split() else ""
    return InputError(problem, where=f"{record} {name!r}", fix=fix, kind=kind)
