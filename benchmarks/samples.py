"""Samples of a corpus: how fast they are served, packed and opened, beside Megatron-Core and NeMo on the same work.

    python benchmarks/samples.py                                 the table, in two minutes
    python benchmarks/samples.py --documents 1000000 --reopen 100000000 --json samples.json

Peers run in the same process on the same documents, whose lengths are those of metagenomes: median 2,200, mean 4,000.
One process, and the processor's time of it, so that a busy machine does less harm; files are in the page cache. Tokens
are slots of samples of 8,192, padding included. Compare within a table alone.
"""

import argparse
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from corpus.samples.dataset import SampleDataset
from corpus.samples.order import Shuffled
from corpus.samples.packed import PackedWindows, write_packing
from corpus.samples.packing import cut, pack
from corpus.samples.windows import ConcatWindows, DocumentWindows, Windows
from corpus.store.index_format import HEADER, MAGIC, UINT8, VERSION, bin_path, idx_path
from corpus.store.stream import TokenStream

SEQ_LENGTH = 8192


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measurement."""

    work: str
    who: str
    value: float
    unit: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=100_000, help="documents that are served and packed")
    parser.add_argument("--reopen", type=int, default=10_000_000, help="documents of the index that is reopened")
    parser.add_argument("--seconds", type=float, default=3, help="time of each measurement of serving")
    parser.add_argument(
        "--peer-documents", type=int, default=8_000, help="documents for NeMo's packing, which is O(n^2)"
    )
    parser.add_argument("--json", type=Path, help="also write the rows here")
    given = parser.parse_args()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        lengths = document_lengths(given.documents)
        write_corpus(Path(folder) / "train", lengths)
        for row in itertools.chain(
            reopening(Path(folder) / "many", given.reopen),
            serving(Path(folder) / "train", given.seconds),
            packing(document_lengths(1_000_000), given.peer_documents),
        ):
            rows.append(row)
            print(f"{row.work:32} {row.who:44} {row.value:14,.4g} {row.unit}", flush=True)
    if given.json:
        given.json.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")


def document_lengths(documents: int) -> Any:
    """Tokens of each, EOS included."""
    return np.random.default_rng(0).lognormal(np.log(2200), 1.093, size=documents).astype(np.int64) + 2


def write_index(prefix: Path, lengths: Any) -> None:
    """The .idx of documents of one sequence each, and a .bin of the right size without data."""
    with open(idx_path(prefix), "wb") as file:
        file.write(HEADER.pack(MAGIC, VERSION, UINT8, len(lengths), len(lengths) + 1))
        lengths.astype("<i4").tofile(file)
        ends = np.cumsum(lengths)
        total = int(ends[-1])
        ends -= lengths
        ends.tofile(file)
        del ends
        np.arange(len(lengths) + 1, dtype="<i8").tofile(file)
    with open(bin_path(prefix), "wb") as file:
        file.truncate(total)


def write_corpus(prefix: Path, lengths: Any) -> None:
    """Random bases, a third of them soft-masked in runs, an EOS after each document."""
    write_index(prefix, lengths)
    random, block = np.random.default_rng(1), 1 << 20
    masked = np.repeat(random.random(block // 256) < 1 / 3, 256)
    bases = np.frombuffer(b"ACGT", np.uint8)[random.integers(0, 4, size=block)] | (32 * masked).astype(np.uint8)
    tokens = np.memmap(bin_path(prefix), dtype=np.uint8, mode="r+")
    for start in range(0, len(tokens), block):
        tokens[start : start + block] = bases[: len(tokens) - start]
    tokens[np.cumsum(lengths) - 1] = 0
    tokens.flush()


def serving(prefix: Path, seconds: float) -> Iterator[Row]:
    """Random samples, ours from the other strand every other time and with soft-mask weights."""
    stream, path = TokenStream([prefix]), prefix.with_name("train.8192.pack")
    write_packing(stream, path, SEQ_LENGTH, bytes(32))
    cuts: dict[str, Callable[[], Windows]] = {
        "concat": lambda: ConcatWindows(stream, SEQ_LENGTH),
        "window": lambda: DocumentWindows(stream, SEQ_LENGTH),
        "packed": lambda: PackedWindows(stream, path, SEQ_LENGTH, bytes(32)),
    }
    for mode, opened in cuts.items():
        opened()  # compiled
        took, dataset = timed(lambda opened=opened: ours(opened()))  # type: ignore[misc]
        used = (stream.tokens - stream.documents) / (len(dataset.sources[0]) * SEQ_LENGTH)
        yield Row(work="serve", who=f"{mode}: strand, weights, case", value=rate(dataset, seconds), unit="Mtok/s")
        if mode == "window":
            yield Row(
                work="serve", who="window, widened on the CPU", value=rate(Widened(dataset), seconds), unit="Mtok/s"
            )
        yield Row(work="open", who=mode, value=took, unit="s")
        yield Row(work="useful", who=mode, value=used, unit="of all slots")
    import megatron.core.datasets.gpt_dataset  # noqa: F401 (before the clock starts)

    for name, options in (
        ("Megatron GPTDataset, nothing masked", {"eod_mask_loss": False, "reset_position_ids": False}),
        ("Megatron GPTDataset, EOS mask, positions", {"eod_mask_loss": True, "reset_position_ids": True}),
    ):
        took, peer = timed(lambda options=options: gpt_dataset(prefix, options))  # type: ignore[misc]
        yield Row(work="serve", who=name, value=rate(peer, seconds), unit="Mtok/s")
        yield Row(work="open", who=name, value=took, unit="s")


def ours(windows: Windows) -> SampleDataset:
    order = Shuffled(samples=len(windows), seed=1)
    return SampleDataset([windows], order, length=10**12, soft_mask_weight=0.1, reverse_complement=True)


class Widened:
    """What the device does in training, on the CPU: the arrays that GPTDataset makes."""

    def __init__(self, dataset: SampleDataset) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> dict[str, Any]:
        example = self.dataset[index]
        return {
            "tokens": example["tokens"].astype(np.int64),
            "labels": example["labels"].astype(np.int64),
            "loss_mask": example["loss_mask"].astype(np.float32),
            "position_ids": np.arange(SEQ_LENGTH),
        }


def gpt_dataset(prefix: Path, options: dict[str, bool]) -> Any:
    """One epoch of Megatron's own dataset over the same files."""
    from megatron.core.datasets.gpt_dataset import GPTDataset, GPTDatasetConfig
    from megatron.core.datasets.indexed_dataset import IndexedDataset
    from megatron.core.datasets.utils import Split

    class Tokenizer:
        eod, pad, unique_identifiers = 0, 1, {"class": "bytes"}

    config = GPTDatasetConfig(
        random_seed=1,
        sequence_length=SEQ_LENGTH,
        blend=([str(prefix)], None),
        split="1",
        tokenizer=Tokenizer(),
        create_attention_mask=False,
        reset_attention_mask=False,
        **options,
    )
    indexed = IndexedDataset(str(prefix))
    documents = np.arange(len(indexed.document_indices) - 1, dtype=np.int32)
    return GPTDataset(indexed, str(prefix), documents, None, Split.train, config)


def packing(lengths: Any, peer_documents: int) -> Iterator[Row]:
    """Time a document, on documents of up to 8,192 labels each or pieces of such."""
    starts = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths)])
    chunk = 20_000  # about 10,000 windows
    parts = [starts[first : first + chunk + 1] for first in range(0, len(lengths), chunk)]
    pack(cut(parts[0], SEQ_LENGTH)[1], SEQ_LENGTH)  # compiled
    took, windows = timed(lambda: sum(len(pack(cut(part, SEQ_LENGTH)[1], SEQ_LENGTH).first) - 1 for part in parts))
    labels = int((lengths - 1).sum())
    yield Row(
        work="pack", who=f"best fit decreasing, {len(lengths):,}", value=took / len(lengths) * 1e6, unit="us/document"
    )
    yield Row(work="useful", who="best fit decreasing", value=labels / (windows * SEQ_LENGTH), unit="of all slots")

    from nemo.utils.sequence_packing_utils import first_fit_decreasing

    for count in (peer_documents // 4, peer_documents // 2, peer_documents):
        pieces = cut(starts[: count + 1], SEQ_LENGTH)[1].tolist()
        took, bins = timed(lambda pieces=pieces: first_fit_decreasing(pieces, SEQ_LENGTH))  # type: ignore[misc]
        name = f"NeMo first_fit_decreasing, {count:,}"
        yield Row(work="pack", who=name, value=took / count * 1e6, unit="us/document")
        yield Row(work="useful", who=name, value=sum(pieces) / (len(bins) * SEQ_LENGTH), unit="of all slots")


def reopening(prefix: Path, documents: int) -> Iterator[Row]:
    """The cost of `window` on a large corpus, whose index is in the page cache."""
    write_index(prefix, np.full(2, 300))
    DocumentWindows(TokenStream([prefix]), SEQ_LENGTH).spans(0)  # compiled
    write_index(prefix, np.arange(documents, dtype=np.int64) * 2654435761 % 8001 + 301)
    peak_memory()  # from here on
    before = peak_memory()
    took, windows = timed(lambda: DocumentWindows(TokenStream([prefix]), SEQ_LENGTH))
    name = f"window, {documents:,} documents"
    yield Row(work="open", who=name, value=took, unit="s")
    yield Row(work="memory to open", who=name, value=peak_memory() - before, unit="MB")
    order = Shuffled(samples=len(windows), seed=1)
    took, _ = timed(lambda: [windows.spans(order(index).sample) for index in range(2000)])
    yield Row(work="find a sample", who=name, value=took / 2000 * 1e6, unit="us")


def rate(dataset: Any, seconds: float) -> float:
    """Million tokens per second of samples in random order; the better of two halves of the time."""
    random, best = np.random.default_rng(0), 0.0
    limit = min(len(dataset), 10**6)
    dataset[0]
    for _ in range(2):
        done, began = 0, time.process_time()
        while (spent := time.process_time() - began) < seconds / 2:
            for index in random.integers(0, limit, size=50).tolist():
                dataset[index]
            done += 50
        best = max(best, done * SEQ_LENGTH / spent / 1e6)
    return best


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of the processor, and the result."""
    began = time.process_time()
    result = work()
    return time.process_time() - began, result


def peak_memory() -> float:
    """Largest resident set since the last call, in MB. Linux alone."""
    status = Path("/proc/self/status").read_text().split("VmHWM:")[1].split()
    Path("/proc/self/clear_refs").write_text("5")
    return int(status[0]) / 1024


if __name__ == "__main__":
    main()
