"""The datasets of a prepared corpus: training without end, evaluation on the same samples every time."""

from pathlib import Path

from corpus.read import open_split
from corpus.samples.order import Shuffled, Spaced
from corpus.samples.windows import ConcatWindows, SampleDataset


def train_dataset(
    corpus: Path, *, seq_length: int, length: int, seed: int, soft_mask_weight: float, reverse_complement: bool
) -> SampleDataset:
    """`length` samples of the train split, epoch after shuffled epoch; sample i does not depend on `length`."""
    windows = ConcatWindows(open_split(corpus, "train"), seq_length)
    return SampleDataset(
        windows,
        Shuffled(samples=len(windows), seed=seed),
        length=length,
        seed=seed,
        soft_mask_weight=soft_mask_weight,
        reverse_complement=reverse_complement,
    )


def evaluation_dataset(
    corpus: Path, split: str, *, seq_length: int, limit: int | float, global_batch_size: int, soft_mask_weight: float
) -> SampleDataset:
    """Evenly spaced samples of `split`, forward strand, filled up with blank ones to whole global batches.

    `limit` is Lightning's: an int counts global batches, a float is a share of the split. At least one sample; never
    one twice, so a small split makes fewer batches than asked for.
    """
    windows = ConcatWindows(open_split(corpus, split), seq_length)
    wanted = limit * global_batch_size if isinstance(limit, int) else int(len(windows) * limit)
    count = min(max(wanted, 1), len(windows))
    return SampleDataset(
        windows,
        Spaced(samples=len(windows), count=count),
        length=-(-count // global_batch_size) * global_batch_size,
        soft_mask_weight=soft_mask_weight,
    )
