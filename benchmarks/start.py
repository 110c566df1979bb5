"""From the command to the first step of training: `genomic-llama train` and NeMo's own command, on the same recipe.

    python -m benchmarks.start                      five rounds, about four minutes on two cores

Both take turns. The end is the first line of `metrics.jsonl`; then the process is stopped. Processor seconds are those
of all its threads.
"""

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import psutil

RECIPE = "llama3_tiny_genomic"
BIN = Path(sys.executable).parent
_LOOK = 0.02  # seconds between two looks for the first step


class Start(NamedTuple):
    """Seconds to the first step, on the clock and of the processor."""

    clock: float
    processor: float


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        corpus = prepared(folder)
        commands = {"`genomic-llama train`": ours(corpus), "`nemo llm pretrain`": nemos(corpus)}
        for number, command in enumerate(commands.values()):
            first_step(command, folder / f"warm{number}")
        starts: dict[str, list[Start]] = {who: [] for who in commands}
        for number in range(given.rounds):
            for who in commands if number % 2 else reversed(commands):
                starts[who].append(first_step(commands[who], folder / f"{len(starts[who])}{who[1:5]}"))
    show(starts)


def prepared(folder: Path) -> Path:
    """A small corpus."""
    genome, corpus = folder / "genome.fa", folder / "corpus"
    for words in (("simulate", genome, "--contigs", 20), ("prepare", genome, "--out", corpus)):
        subprocess.run([BIN / "genomic-llama", *map(str, words)], check=True, capture_output=True)
    return corpus


def ours(corpus: Path) -> list[str]:
    """The command, without the directory of the run."""
    return [str(BIN / "genomic-llama"), "train", RECIPE, f"dataset.corpus={corpus}", "run_dir={run}"]


def nemos(corpus: Path) -> list[str]:
    """Likewise."""
    factory = f"{RECIPE}(run_dir={{run}})"
    return [str(BIN / "nemo"), "llm", "pretrain", "--factory", factory, "-y", f"data.corpus={corpus}"]


def first_step(command: Sequence[str], run: Path) -> Start:
    """Run `command` in the directory `run`, up to its first step. Errors: `RuntimeError` with its output."""
    metrics, log = run / "metrics.jsonl", run.with_suffix(".log")
    words = [word.format(run=run) for word in command]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    began = time.perf_counter()
    with open(log, "wb") as output:
        process = psutil.Popen(words, stdout=output, stderr=output, env=environment, start_new_session=True)
    try:
        while not (metrics.exists() and metrics.read_bytes().count(b"\n")):
            if process.poll() is not None:
                raise RuntimeError(f"{' '.join(words)}\n{log.read_text()}")
            time.sleep(_LOOK)
        clock = time.perf_counter() - began
        family = [process, *process.children(recursive=True)]
        return Start(clock, sum(sum(member.cpu_times()[:2]) for member in family))
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def show(starts: dict[str, list[Start]]) -> None:
    """The table, in Markdown."""
    print("| command to first step | seconds: median (range) | processor seconds | ours to NeMo's |")
    print("| --- | ---: | ---: | ---: |")
    (mine, own), (theirs, other) = starts.items()
    ratio = statistics.median(a.clock / b.clock for a, b in zip(own, other, strict=True))
    processor = statistics.median(a.processor / b.processor for a, b in zip(own, other, strict=True))
    for who, rows, last in ((mine, own, f"**{ratio:.2f}**; processor {processor:.2f}"), (theirs, other, "")):
        clocks = [row.clock for row in rows]
        spread = f"{statistics.median(clocks):.1f} ({min(clocks):.1f} to {max(clocks):.1f})"
        print(f"| {who} | {spread} | {statistics.median(row.processor for row in rows):.1f} | {last} |")


if __name__ == "__main__":
    main()
