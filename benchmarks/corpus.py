"""Preparing a corpus: bases per second from FASTA to .bin/.idx, beside other ways to do the same.

    python benchmarks/corpus.py                            the table, in two minutes
    python benchmarks/corpus.py --megabases 400 --json corpus.json

One process, unless said otherwise. Two clocks: the processor's time of the process and of the system on its behalf,
which a busy machine harms less, and the wall's, which wants a quiet machine. Files are in memory (`--folder`, by
default /dev/shm). The peers are what others run for each record: Megatron-LM's
`preprocess_data.py` (a line of JSON, a tokenizer, `IndexedDatasetBuilder`) with the Hugging Face tokenizer of this
vocabulary and with `ord`, and the loop of BioNeMo's `preprocess_evo2` (a record, a tokenizer, a tensor, the same
builder). They get a part of the bases, since they would take hours. Compare within a table alone.
"""

import argparse
import contextlib
import gzip
import io
import itertools
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from configs.locate import CONFIGS
from corpus.preparation.prepare import prepare
from corpus.readers.fasta import read_fasta
from corpus.settings import Settings
from corpus.splits.rule import SplitRule
from corpus.store.index_format import bin_path
from tokenizer.sequence import encode

WINDOW = 8192


@dataclass(frozen=True, kw_only=True)
class Seconds:
    """What something took: of the processor, children not counted, and by the clock on the wall."""

    processor: float
    wall: float


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measurement: bases, and the seconds that they took."""

    work: str
    who: str
    bases: int
    seconds: Seconds

    @property
    def rate(self) -> float:
        """Megabases a second of the processor."""
        return self.bases / self.seconds.processor / 1e6

    @property
    def wall_rate(self) -> float:
        """Megabases a second by the wall clock."""
        return self.bases / self.seconds.wall / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabases", type=int, default=200, help="bases for us and for the limits")
    parser.add_argument("--peer-megabases", type=float, default=2, help="bases for the peers")
    parser.add_argument("--repeats", type=int, default=3, help="the fastest of so many counts")
    parser.add_argument("--folder", type=Path, default=Path("/dev/shm"), help="where files are written")
    parser.add_argument("--json", type=Path, help="also write the rows here")
    given = parser.parse_args()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        genome, small = Path(folder) / "genome.fa", Path(folder) / "small.fa"
        bases, few = write_genome(genome, given.megabases * 1e6), write_genome(small, given.peer_megabases * 1e6)
        for row in itertools.chain(
            plain(genome, bases, given.repeats),
            compressed(genome, bases, given.repeats),
            peers(small, few),
            tokenizing(given.repeats),
        ):
            rows.append(row)
            print(f"{row.work:22} {row.who:58} {row.rate:12,.4g} {row.wall_rate:12,.4g} Mb/s", flush=True)
    if given.json:
        table = [asdict(row) | {"rate": row.rate, "wall_rate": row.wall_rate} for row in rows]
        given.json.write_text(json.dumps(table, indent=2) + "\n")


def write_genome(path: Path, bases: float) -> int:
    """Contigs of metagenome lengths (median 2,200, mean 4,000), a third soft-masked in runs, 60 columns a line."""
    random, written = np.random.default_rng(1), 0
    with open(path, "wb") as file:
        for number in itertools.count():
            length = int(random.lognormal(np.log(2200), 1.093)) + 2
            masked = np.repeat(random.random(length // 256 + 1) < 1 / 3, 256)[:length]
            letters = np.frombuffer(b"ACGT", np.uint8)[random.integers(0, 4, size=length)]
            text = (letters | (32 * masked).astype(np.uint8)).tobytes()
            lines = b"\n".join(text[start : start + 60] for start in range(0, length, 60))
            file.write(b">contig_%d length=%d\n%b\n" % (number, length, lines))
            written += length
            if written >= bases:
                return written
    raise AssertionError("unreachable")


def plain(genome: Path, bases: int, repeats: int) -> Iterator[Row]:
    """From FASTA to .bin/.idx; and what writing the same bytes costs by itself."""
    out = genome.parent / "corpus"
    for who, share in (("genomic-llama prepare", 0.05), ("genomic-llama prepare, without a validation split", 0.0)):
        settings = Settings(split=SplitRule(validation_fraction=share))
        seconds = best_preparation(repeats, genome, out, settings)
        yield Row(work="FASTA to .bin/.idx", who=who, bases=bases, seconds=seconds)
    tokens = bin_path(out / "train-00000").read_bytes()
    copy = genome.parent / "copy"

    def write() -> None:
        with open(copy, "wb") as file:
            for start in range(0, len(tokens), 1 << 20):
                file.write(tokens[start : start + (1 << 20)])

    yield Row(work="limit", who="writing the same bytes to new pages", bases=bases, seconds=best(repeats, write))
    copy.unlink()
    yield Row(
        work="limit",
        who="SHA-256 of the source, which the manifest has",
        bases=bases,
        seconds=best(repeats, lambda: sha256_of(genome)),
    )


def compressed(genome: Path, bases: int, repeats: int) -> Iterator[Row]:
    """From FASTA.gz; and what decompressing costs by itself."""
    from isal import igzip

    path, out = genome.with_suffix(".fa.gz"), genome.parent / "corpus"
    with open(genome, "rb") as source, gzip.open(path, "wb", compresslevel=6) as target:
        while block := source.read(1 << 24):
            target.write(block)
    settings = Settings(split=SplitRule(validation_fraction=0.05))
    seconds = best_preparation(repeats, path, out, settings)
    yield Row(work="FASTA.gz to .bin/.idx", who="genomic-llama prepare", bases=bases, seconds=seconds)

    def decompress() -> None:
        with igzip.open(path) as file:
            while file.read(1 << 20):
                pass

    yield Row(work="limit", who="isal, decompressing alone", bases=bases, seconds=best(repeats, decompress))


def peers(genome: Path, bases: int) -> Iterator[Row]:
    """What others run for each record."""
    import torch
    from megatron.core.datasets.indexed_dataset import DType, IndexedDatasetBuilder
    from transformers import AutoTokenizer

    hugging_face = AutoTokenizer.from_pretrained(CONFIGS / "example_checkpoint")
    records = [record.sequence.decode() for record in read_fasta(genome)]
    lines = [json.dumps({"text": text}) for text in records]
    prefix = genome.parent / "peer"

    def build(documents: Iterator[list[int]]) -> None:
        builder = IndexedDatasetBuilder(str(bin_path(prefix)), dtype=DType.optimal_dtype(256))
        for ids in documents:
            builder.add_document(torch.tensor(ids), [len(ids)])
        builder.finalize(str(prefix.with_name("peer.idx")))

    ways: dict[str, Callable[[], Iterator[list[int]]]] = {
        "Megatron preprocess, Hugging Face tokenizer": lambda: (
            [*hugging_face(json.loads(x)["text"]).input_ids, 0] for x in lines
        ),
        "BioNeMo preprocess_evo2's loop": lambda: ([*hugging_face(x.upper())["input_ids"], 0] for x in records),
        "Megatron preprocess, ord": lambda: ([*(ord(letter) for letter in json.loads(x)["text"]), 0] for x in lines),
    }
    for who, documents in ways.items():
        seconds = timed(lambda documents=documents: build(documents()))
        yield Row(work="FASTA to .bin/.idx", who=who, bases=bases, seconds=seconds)


def tokenizing(repeats: int) -> Iterator[Row]:
    """Windows of 8,192 bases to ids."""
    from transformers import AutoTokenizer

    hugging_face = AutoTokenizer.from_pretrained(CONFIGS / "example_checkpoint")
    random = np.random.default_rng(0)
    windows = [bytes(np.frombuffer(b"ACGT", np.uint8)[random.integers(0, 4, size=WINDOW)]) for _ in range(2048)]
    texts = [window.decode() for window in windows[:128]]
    seconds = best(repeats, lambda: [encode(window) for window in windows])
    yield Row(work="tokenizing windows", who="genomic-llama encode", bases=len(windows) * WINDOW, seconds=seconds)
    seconds = best(repeats, lambda: hugging_face(texts))
    who = "Hugging Face AutoTokenizer, 128 at a time"
    yield Row(work="tokenizing windows", who=who, bases=len(texts) * WINDOW, seconds=seconds)


def sha256_of(path: Path) -> str:
    from foundation.checksum import sha256

    return sha256(path)


def best(repeats: int, work: Callable[[], Any]) -> Seconds:
    """The fewest seconds, by each clock, after a run that compiles and warms."""
    work()
    return fewest(timed(work) for _ in range(repeats))


def best_preparation(repeats: int, source: Path, out: Path, settings: Settings) -> Seconds:
    """The fewest seconds, by each clock; what was there before is removed beforehand."""

    def once() -> Seconds:
        shutil.rmtree(out, ignore_errors=True)
        return timed(lambda: quietly(lambda: prepare([source], out, settings)))

    once()
    return fewest(once() for _ in range(repeats))


def fewest(measured: Iterable[Seconds]) -> Seconds:
    """By each clock."""
    every = list(measured)
    return Seconds(processor=min(each.processor for each in every), wall=min(each.wall for each in every))


def timed(work: Callable[[], Any]) -> Seconds:
    """What `work` takes."""
    processor, wall = time.process_time(), time.perf_counter()
    work()
    return Seconds(processor=time.process_time() - processor, wall=time.perf_counter() - wall)


def quietly(work: Callable[[], Any]) -> None:
    """Without its progress bar."""
    with contextlib.redirect_stderr(io.StringIO()):
        work()


if __name__ == "__main__":
    main()
