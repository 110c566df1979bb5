"""The datasets of prepared corpora: training without end, evaluation on the same samples every time."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from corpus.manifest import read_manifest
from corpus.read import open_split
from corpus.samples.blend import Blend, apportion, exact_shares
from corpus.samples.dataset import SampleDataset
from corpus.samples.order import Consecutive, EvenlySpaced, Order, Shuffled
from corpus.samples.packed import PackedWindows, ensure_packed, pack_path
from corpus.samples.windows import ConcatWindows, DocumentWindows, Windows, check_length, check_stride
from foundation.errors import InputError, nearest

Mode = Literal["concat", "window", "packed"]
MODES: tuple[Mode, ...] = get_args(Mode)


@dataclass(frozen=True, kw_only=True)
class Cutting:
    """How splits are cut into samples: a mode of `MODES`, tokens a sample and, for windows, from one to the next.

    `multiple`: of tokens, that each packed document is padded to. Errors: `InputError` for an unknown mode, a bad
    length, or a stride where there is none.
    """

    seq_length: int
    mode: str = "concat"
    stride: int | None = None
    multiple: int = 1

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise InputError(
                f"is {self.mode!r}", where="dataset.mode", fix=nearest(self.mode, MODES), kind="sample-mode"
            )
        check_length("dataset.sequence_length", self.seq_length)
        if self.stride is None:
            return
        if self.mode != "window":
            raise InputError(
                f"is {self.stride}",
                where="dataset.stride",
                fix="Use it only with dataset.mode=window.",
                kind="stride-without-window",
            )
        check_stride(self.stride, self.seq_length)

    def windows(self, corpus: Path, split: str) -> Windows:
        """The samples of a split of a prepared corpus; packed ones after `pack`."""
        stream = open_split(corpus, split)
        if self.mode == "concat":
            return ConcatWindows(stream, self.seq_length)
        if self.mode == "window":
            return DocumentWindows(stream, self.seq_length, self.stride)
        path = pack_path(corpus, split, self.seq_length, self.multiple)
        return PackedWindows(stream, path, self.seq_length, split_digest(corpus, split), self.multiple)


def pack_corpus(corpus: Path, seq_length: int, multiple: int = 1) -> list[Path]:
    """Pack every split of a prepared corpus for samples of `seq_length` tokens; what is packed already stays.

    Returns the files. Errors: `InputError` where the corpus cannot be written to, or `multiple` does not divide the
    length.
    """
    if seq_length % multiple:
        raise InputError(
            f"sequence length {seq_length} is not a multiple of {multiple}, to which documents are padded",
            fix=f"Give {seq_length + -seq_length % multiple}.",
            kind="document-multiple",
        )
    splits = [split.name for split in read_manifest(corpus).splits]
    paths = [pack_path(corpus, split, seq_length, multiple) for split in splits]
    for split, path in zip(splits, paths, strict=True):
        ensure_packed(open_split(corpus, split), path, seq_length, split_digest(corpus, split), multiple)
    return paths


def split_digest(corpus: Path, split: str) -> bytes:
    """32 bytes that stand for the content of a split, from the manifest."""
    row = read_manifest(corpus).split(split)
    assert row is not None, "open_split comes first"
    return row.digest().encode()


def train_dataset(
    corpora: Sequence[Path],
    weights: Sequence[float],
    cutting: Cutting,
    *,
    length: int,
    seed: int,
    soft_mask_weight: float,
    markup_weight: float,
    reverse_complement: bool,
) -> SampleDataset:
    """`length` samples of the train splits, epoch after shuffled epoch; sample i does not depend on `length`.

    Of several corpora each has its share of the samples, by `weights`, and epochs of its own.
    """
    sources = [_not_empty(cutting.windows(corpus, "train"), corpus, "train") for corpus in corpora]
    orders = tuple(Shuffled(samples=len(source), seed=seed, source=n) for n, source in enumerate(sources))
    order: Order = orders[0] if len(orders) == 1 else Blend(weights=tuple(weights), orders=orders, seed=seed)
    return SampleDataset(
        sources,
        order,
        length=length,
        seed=seed,
        soft_mask_weight=soft_mask_weight,
        markup_weight=markup_weight,
        reverse_complement=reverse_complement,
    )


def evaluation_dataset(
    corpora: Sequence[Path],
    weights: Sequence[float],
    split: str,
    cutting: Cutting,
    *,
    limit: int | float,
    global_batch_size: int,
    soft_mask_weight: float,
    markup_weight: float,
) -> SampleDataset:
    """Evenly spaced samples of `split`, forward strand, filled up with blank ones to whole global batches.

    `limit` is Lightning's: an int counts global batches, which several corpora share by `weights`; a float is a share
    of each split. At least one sample of each; never one twice, so a small split makes fewer batches than asked for.
    """
    sources = [_not_empty(cutting.windows(corpus, split), corpus, split) for corpus in corpora]
    if isinstance(limit, int):
        wanted = apportion(limit * global_batch_size, exact_shares(weights))
    else:
        wanted = tuple(int(len(source) * limit) for source in sources)
    orders = [
        EvenlySpaced(samples=len(source), count=min(max(count, 1), len(source)), source=number)
        for number, (source, count) in enumerate(zip(sources, wanted, strict=True))
    ]
    count = sum(order.count for order in orders)
    return SampleDataset(
        sources,
        Consecutive(orders=orders),
        length=-(-count // global_batch_size) * global_batch_size,
        soft_mask_weight=soft_mask_weight,
        markup_weight=markup_weight,
    )


def _not_empty(windows: Windows, corpus: Path, split: str) -> Windows:
    if not len(windows):
        raise InputError(
            f"has a {split} split without a single label",
            where=corpus,
            fix="Prepare it again.",
            kind="split-without-labels",
        )
    return windows
