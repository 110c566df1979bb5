"""How time and memory grow: each kind of work at n, 10 n and 100 n, each in a process of its own.

    python -m benchmarks.growth [--directory /a/disk] [--only prepare]       all of it, about four minutes

Seconds are the processor's, after a run on a tenth of n that compiles and warms. The exponent is that between 10 n and
100 n: 1 is proportional. Memory is the peak of the process during the work, what was imported before included.
"""

import argparse
import contextlib
import io
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

Work = Callable[[], Any]
_LINE = 60
_CONTEXT = 512


class Case(NamedTuple):
    """`begin(folder, n)` makes the input, of `n` `unit`, and returns the work on it."""

    work: str
    unit: str
    n: int
    begin: Callable[[Path, int], Work]


def main() -> None:
    """Print the table; or, called with a case, a row of it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--directory", type=Path, help="where there is room for 2 GB")
    parser.add_argument("--only", default="", help="the works whose name has this in it")
    parser.add_argument("--case", nargs=2, metavar=("NUMBER", "SIZE"), type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.case:
        measure(CASES[given.case[0]], given.case[1], given.directory)
        return
    print("| work | n | seconds at n, 10 n, 100 n | exponent | peak memory, MB |\n| --- | --- | --- | ---: | --- |")
    for number, case in enumerate(CASES):
        if given.only not in case.work:
            continue
        rows = [_in_process(number, case.n * factor, given.directory) for factor in (1, 10, 100)]
        seconds = [row["seconds"] for row in rows]
        exponent = math.log10(seconds[2] / seconds[1])
        times, memory = (
            ", ".join(cells) for cells in ((f"{s:.3g}" for s in seconds), (f"{r['peak']:.0f}" for r in rows))
        )
        print(f"| {case.work} | {case.n:,} {case.unit} | {times} | {exponent:.2f} | {memory} |", flush=True)


def _in_process(number: int, size: int, directory: Path | None) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.growth", "--case", str(number), str(size)]
    command += ["--directory", str(directory)] if directory else []
    environment = os.environ | {"OMP_NUM_THREADS": "1"}  # threads that wait for each other use the processor too
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise RuntimeError(done.stderr[-3000:])
    row: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return row


def measure(case: Case, size: int, directory: Path | None) -> None:
    """Print the seconds and the peak of memory of one case, in JSON."""
    with tempfile.TemporaryDirectory(dir=directory) as name, contextlib.redirect_stderr(io.StringIO()):
        for folder, n in ((Path(name) / "warm", max(case.n // 10, 1)), (Path(name) / "real", size)):
            folder.mkdir()
            work = case.begin(folder, n)
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # forget the peak of memory so far
            began = time.process_time()
            work()
            seconds, peak = time.process_time() - began, _peak()
            del work
            shutil.rmtree(folder)
    print(json.dumps({"seconds": seconds, "peak": peak / 1e6}))


def _peak() -> int:
    """Bytes of memory at the most since it was forgotten."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def _letters(count: int) -> bytes:
    return bytes(np.frombuffer(b"ACGT", np.uint8)[np.random.default_rng(0).integers(0, 4, count, dtype=np.uint8)])


def _prepare(sources: list[Path], folder: Path) -> Work:
    from corpus.preparation.prepare import prepare
    from corpus.settings import Settings

    return lambda: prepare(sources, folder / "corpus", Settings())


def _bases(folder: Path, n: int) -> Work:
    """One file, records of 100,000 bases."""
    record = _letters(100_000)
    lines = b"\n".join(record[start : start + _LINE] for start in range(0, len(record), _LINE))
    with open(folder / "genome.fa", "wb") as file:
        for number in range(max(n // len(record), 20)):
            file.write(b">%d\n%b%b\n" % (number, _letters(10 + number % 50), lines))
    return _prepare([folder / "genome.fa"], folder)


def _records(folder: Path, n: int) -> Work:
    """One file, records of 200 bases."""
    letters = _letters(1_000_000)
    with open(folder / "records.fa", "wb") as file:
        for number in range(n):
            start = 7919 * number % (len(letters) - 200)
            file.write(b">%d\n%b\n" % (number, letters[start : start + 200]))
    return _prepare([folder / "records.fa"], folder)


def _files(folder: Path, n: int) -> Work:
    """Files of one record of 20 bases to 1 kb."""
    letters = _letters(1_000_000)
    paths = [folder / f"{number}.fa" for number in range(n)]
    for number, path in enumerate(paths):
        start = 7919 * number % (len(letters) - 1000)
        path.write_bytes(b">%d\n%b\n" % (number, letters[start : start + 20 + 37 * number % 980]))
    return _prepare(paths, folder)


def _open(folder: Path, n: int) -> Work:
    """`window` over so many documents."""
    from benchmarks.samples import document_lengths, write_index
    from corpus.samples.windows import DocumentWindows
    from corpus.store.stream import TokenStream

    write_index(folder / "train", document_lengths(n))
    return lambda: DocumentWindows(TokenStream([folder / "train"]), 8192)


def _serve(folder: Path, n: int) -> Work:
    """So many samples of 8,192 tokens of 100,000 documents."""
    from benchmarks.samples import document_lengths, ours, write_corpus
    from corpus.samples.windows import DocumentWindows
    from corpus.store.stream import TokenStream

    write_corpus(folder / "train", document_lengths(20_000))
    dataset = ours(DocumentWindows(TokenStream([folder / "train"]), 8192))
    return lambda: [None for index in range(n) if not dataset[index]]


def _convert(folder: Path, n: int) -> Work:
    """Hugging Face to NeMo, so many layers of 1.8 million parameters."""
    from benchmarks.conversion import write_random_model
    from conversion.convert import convert

    small = {"hidden_size": 384, "intermediate_size": 1024, "num_attention_heads": 4, "num_key_value_heads": 4}
    write_random_model(folder / "hf", n, small | {"head_dim": 96})
    return lambda: convert(folder / "hf", folder / "nemo", to="nemo")


def _model(folder: Path) -> Any:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from evaluation.likelihood.model import load_model

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=256,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=_CONTEXT,
        eos_token_id=0,
        pad_token_id=1,
        bos_token_id=None,
    )
    LlamaForCausalLM(config).save_pretrained(folder / "model")
    return load_model(folder / "model", device="cpu")


def _variants(folder: Path, n: int) -> Work:
    """Single-base variants, one in 100 bases of a contig."""
    from pandas import DataFrame

    import genomic_llama as gl

    contig, model = _letters(100 * n + 2000).decode(), _model(folder)
    positions = [1000 + 100 * number for number in range(n)]
    rows = [("c", place + 1, contig[place], "CA"[contig[place] == "C"]) for place in positions]
    table = DataFrame(rows, columns=["contig", "position", "ref", "alt"])
    return lambda: gl.variants(model, {"c": contig}, table)


def _score(folder: Path, n: int) -> Work:
    """Sequences of 1,000 bases."""
    import genomic_llama as gl

    letters, model = _letters(1_000_000).decode(), _model(folder)
    sequences = {str(number): letters[number : number + 1000] for number in range(n)}
    return lambda: gl.score(model, sequences)


CASES = (
    Case("prepare, one file", "bases", 5_000_000, _bases),
    Case("prepare, records of 200 bases", "records", 10_000, _records),
    Case("prepare, small files", "files", 500, _files),
    Case("open, `window`", "documents", 1_000_000, _open),
    Case("serve, `window`", "samples", 400, _serve),
    Case("convert, Hugging Face to NeMo", "layers", 1, _convert),
    Case("variants", "variants", 10, _variants),
    Case("score", "sequences of 1 kb", 5, _score),
)


if __name__ == "__main__":
    main()
