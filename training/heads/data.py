"""The NeMo rim: labelled sequences as the `data` of `llm.finetune`."""

from functools import partial
from pathlib import Path
from typing import Any, Optional

from configs.schema import HeadConfig
from foundation.errors import InputError
from training.data.module import GenomicDataModule
from training.data.sources import Source
from training.heads.batches import EveryExample, LabelledDataset, LabelledOrder, collate
from training.heads.order import head_order_settings
from training.heads.resolve import resolve_head, splits_of, standardised
from training.metrics.live_config import live_architecture


class LabelledDataModule(GenomicDataModule):
    """Batches of the sequences that `configs.schema.HeadConfig` names, as `training.heads.batches.collate` makes them.

    Training serves shuffled epochs without end; validation serves every sequence once, on both strands where
    `both_strands` is set. The test sequences are only checked. `labels`, `sequence`, ...: see `HeadConfig`.
    """

    def __init__(
        self,
        train: str,
        kind: str,
        labels: Optional[list[str]] = None,  # noqa: UP045 (NeMo-Run's parser does not know `list | None`)
        sequence: str = "sequence",
        validation: Optional[str] = None,  # noqa: UP045
        test: Optional[str] = None,  # noqa: UP045
        split_column: Optional[str] = None,  # noqa: UP045
        genome: Optional[str] = None,  # noqa: UP045
        bigwig: Optional[str] = None,  # noqa: UP045
        bigwig_fill: Optional[float] = None,  # noqa: UP045
        validation_fraction: float = 0.1,
        truncate: str = "refuse",
        both_strands: bool = False,
        tokenizer: Any = None,
        seq_length: int = 8192,
        micro_batch_size: int = 1,
        global_batch_size: int = 8,
        num_workers: int = 0,
        seed: int = 1234,
    ) -> None:
        super().__init__(
            corpus=train,
            tokenizer=tokenizer,
            seq_length=seq_length,
            micro_batch_size=micro_batch_size,
            global_batch_size=global_batch_size,
            num_workers=num_workers,
            seed=seed,
        )
        self.train, self.kind, self.labels, self.sequence = train, kind, labels or ["label"], sequence
        self.validation, self.test, self.split_column = validation, test, split_column
        self.genome, self.bigwig, self.bigwig_fill = genome, bigwig, bigwig_fill
        self.validation_fraction, self.truncate = validation_fraction, truncate
        self.both_strands = both_strands

    @property
    def head(self) -> HeadConfig:
        """The settings of which the sequences follow."""
        files = ("train", "validation", "test", "genome", "bigwig", "bigwig_fill")
        names = ("kind", "sequence", "labels", "split_column", "validation_fraction", "truncate", "both_strands")
        return HeadConfig(**{name: getattr(self, name) for name in (*files, *names)})

    @property
    def sources(self) -> tuple[Source, ...]:
        """The training file."""
        return (Source(corpus=Path(self.train)),)

    @property
    def work_unit(self) -> tuple[str, int]:
        """What progress is counted in, and how many there are in a sample."""
        return "samples", 1

    def prepare_data(self) -> None:
        """Nothing: the files are read as they are."""

    def setup(self, stage: str = "") -> None:
        """Read the sequences. Errors: `InputError`, also if their labels differ from those of the model."""
        if self.trainer is self._prepared_for:
            return
        splits = splits_of(self.head, self.seq_length)
        head = resolve_head(self.head, self.seq_length)
        there = live_architecture(self.trainer.lightning_module).head
        if there is not None and (there.labels, there.mean, there.std) != (head.labels, head.mean, head.std):
            fix = "Give the same files to the recipe and to NeMo's own overrides."
            raise InputError("has other labels than the model", where=self.train, fix=fix, kind="other-labels")
        train, validation = standardised(splits.train, head), standardised(splits.validation, head)
        order = LabelledOrder(
            [len(one.ids) for one in train],
            batch=self.global_batch_size,
            seed=self.seed,
            both_strands=self.both_strands,
        )
        self._per_base = head.per_base
        self._train = LabelledDataset(train, order, self.trainer.max_steps * self.global_batch_size)
        self._validation = EveryExample(
            validation,
            batch=self.global_batch_size,
            most=int(self.trainer.limit_val_batches),
            both_strands=self.both_strands,
        )
        self._test = None
        self.splits = splits

    def sample_record(self, index: int) -> dict[str, Any]:
        """Where the training sample of an index comes from."""
        return {**self._train.describe(index), "split": "train"}

    def order_settings(self) -> dict[str, Any]:
        """What a run that resumes must have in common with the one before."""
        return head_order_settings(
            self.head,
            splits_of(self.head, self.seq_length),
            global_batch_size=self.global_batch_size,
            seq_length=self.seq_length,
            seed=self.seed,
        )

    @property
    def collate_fn(self) -> Any:
        """What makes a micro-batch of samples."""
        return partial(collate, per_base=self._per_base)
