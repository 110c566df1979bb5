"""`make torture`: which tests belong to it, the fixture that counts their cases, and the table of them."""

import datetime
import os
import platform
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

sys.path.insert(0, str(Path(__file__).parent / "support"))

from run_fixtures import corpus, one_process, one_process_run, start, uninterrupted, whole  # noqa: F401
from torture import LONG, Tally

# The first call of a compiled function compiles it, and a machine may be busy: no example has a deadline.
hypothesis.settings.register_profile("no_deadline", deadline=None)
hypothesis.settings.load_profile("no_deadline")

_TALLIES = pytest.StashKey[list[Tally]]()
_ROWS = pytest.StashKey[list[str]]()


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Callable[[str], Tally]:
    """A tally for a promise; what is counted appears in the table where the test passes."""
    tallies = request.node.stash.setdefault(_TALLIES, [])

    def begin(promise: str) -> Tally:
        tallies.append(Tally(promise=promise))
        return tallies[-1]

    return begin


_RUNS = {"nemo_process", "gpu_process", "parallel_cases", "resume_cases", "guard_cases"}
"""Modules of `support` that start a process with NeMo in it."""
_RUN_FIXTURES = {"whole", "start", "one_process_run", "one_process", "uninterrupted"}
_PURE = ("foundation", "configs", "tokenizer", "corpus/samples", "corpus/store", "corpus/exclusion", "launch/planning")


def _marker(item: pytest.Item) -> str:
    """`nemo` where a test starts a process that imports it, `parallel` where several, `fast` where all is pure."""
    names = getattr(item, "module", None)
    used = {getattr(value, "__module__", "") for value in vars(names).values()} if names is not None else set()
    if "parallel_cases" in used:
        return "parallel"
    if used & _RUNS or _RUN_FIXTURES & set(getattr(item, "fixturenames", ())):
        return "nemo"
    folder = Path(item.path).relative_to(Path(__file__).parent).as_posix()
    return "fast" if folder.startswith(_PURE) else ""


def _long_files_first(items: list[pytest.Item]) -> None:
    """Files that train, and those of whole commands: a process takes a file whole, and shall take no long one last."""
    marked = ("nemo", "parallel")
    long = {item.path for item in items if any(item.get_closest_marker(name) for name in marked)}
    items.sort(key=lambda item: item.path not in long and item.path.parent != Path(__file__).parent)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Markers by what a test uses; where TORTURE is set, what counts its cases belongs to the torture too."""
    for item in items:
        if marker := _marker(item):
            item.add_marker(marker)
        if LONG and "tally" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.torture)
    _long_files_first(items)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report = yield
    if report.when == "call":
        for one in item.stash.get(_TALLIES, []):
            one.losses += report.failed
            item.config.stash.setdefault(_ROWS, []).append(one.row(report.duration))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The table, on the terminal and in the file that TORTURE_TABLE names."""
    rows = config.stash.get(_ROWS, [])
    if not rows or "TORTURE" not in os.environ:
        return
    passed, failed = (len(terminalreporter.stats.get(outcome, [])) for outcome in ("passed", "failed"))
    lines = [
        f"# Torture, {datetime.date.today()}",
        "",
        f"`make torture`, TORTURE={os.environ['TORTURE']}: {passed} tests passed, {failed} failed. "
        f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}. A loss is a failed test.",
        "",
        "| promise | cases | of them | losses | seconds |",
        "| --- | ---: | --- | ---: | ---: |",
        *sorted(rows),
    ]
    terminalreporter.write_line("\n".join(lines))
    if table := os.environ.get("TORTURE_TABLE"):
        Path(table).write_text("\n".join(lines) + "\n", encoding="utf-8")
