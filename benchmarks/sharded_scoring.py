"""`score --processes 2` against one process with two threads: the same model, windows of 512 bases and bytes.

python -m benchmarks.sharded_scoring [--model demo/model] [--bases 1000000] [--rounds 3]

Whole commands, on the clock, in turns. Random bases: speed does not depend on them.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

CONTEXT = 512
WAYS = {"one process, two threads": ({"OMP_NUM_THREADS": "2"}, ()), "--processes 2": ({}, ("--processes", "2"))}


def main() -> None:
    """Print a row of a table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--model", type=Path, default=Path("demo/model"))
    options.add_argument("--bases", type=int, default=1_000_000)
    options.add_argument("--rounds", type=int, default=3)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        genome = write_genome(Path(folder) / "genome.fa", given.bases)
        seconds, contents = play(given.model, genome, given.rounds)
    assert len(contents) == 1, "other bytes"
    one, two = seconds.values()
    ratios = sorted(theirs / ours for theirs, ours in zip(one, two, strict=True))
    rates = " | ".join(f"{given.bases / statistics.median(some):,.0f} bases/s" for some in (one, two))
    print("| work | one process, two threads | --processes 2 | ratio: median (range) | bytes |")
    print("| --- | ---: | ---: | ---: | --- |")
    shown = f"**{statistics.median(ratios):.2f} x** ({ratios[0]:.2f} to {ratios[-1]:.2f})"
    print(f"| score, windows of {CONTEXT} | {rates} | {shown} | identical |")


def write_genome(path: Path, bases: int) -> Path:
    """Ten records of random bases."""
    letters = np.frombuffer(b"ACGT", dtype=np.uint8)
    random = np.random.default_rng(0)
    records = (letters[random.integers(0, 4, bases // 10)].tobytes() for _ in range(10))
    path.write_bytes(b"".join(b">%d\n%s\n" % record for record in enumerate(records)))
    return path


def play(model: Path, genome: Path, rounds: int) -> tuple[dict[str, list[float]], set[bytes]]:
    """Seconds of each way, a value a round; and the contents of all results, which should be one."""
    seconds: dict[str, list[float]] = {name: [] for name in WAYS}
    contents = set()
    out = genome.with_name("scores.json")
    command = [Path(sys.executable).with_name("genomic-llama"), "score", model, genome, "--out", out, "--overwrite",
               "--context-length", str(CONTEXT), "--stride", str(CONTEXT)]  # fmt: skip
    for number in range(rounds):
        for name in WAYS if number % 2 else reversed(WAYS):
            environment, more = WAYS[name]
            started = time.perf_counter()
            without = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}
            subprocess.run([*command, *more], check=True, capture_output=True, env={**without, **environment})
            seconds[name].append(time.perf_counter() - started)
            contents.add(out.read_bytes())
    return seconds, contents


if __name__ == "__main__":
    main()
