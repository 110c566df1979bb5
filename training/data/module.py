"""The NeMo rim: prepared corpora as the `data` of `llm.pretrain` and `llm.finetune`."""

from typing import Any, Optional, Union

import torch
from lightning.pytorch import LightningDataModule
from lightning.pytorch.utilities.types import EVAL_DATALOADERS, TRAIN_DATALOADERS
from nemo.lightning.data import WrappedDataLoader
from nemo.lightning.io import IOMixin
from nemo.lightning.pytorch.plugins import MegatronDataSampler

from corpus.manifest import read_manifest, verify
from corpus.samples.dataset import SampleDataset
from corpus.samples.datasets import Cutting, evaluation_dataset, train_dataset
from foundation.errors import InputError
from training.data.collate import collate
from training.data.order import check_same, consumed_state, document_multiple, order_settings, special_ids
from training.data.prepared import prepare_sources
from training.data.sources import Source, parse_sources, source_names


class GenomicDataModule(LightningDataModule, IOMixin):  # type: ignore[misc]
    """Batches of corpora that `genomic-llama prepare` made, as `collate` makes them; `training.forward` widens them.

    Training serves shuffled epochs without end, a pure function of `seed` and the number of samples consumed, so that a
    resumed run continues with the next sample. Validation and test serve the same evenly spaced samples every time.

    Parameters
    ----------
    corpus : str or list of {"corpus": str, "weight": float}
        Folder with `manifest.json`; or "synthetic": a built-in genome, prepared at first use (`corpus.synthetic`); or
        several, with the share of the samples that each has.
    tokenizer : TokenizerSpec, optional
        Handed to NeMo, which stores it with each checkpoint.
    seq_length, micro_batch_size, global_batch_size : int
        Tokens a sample, samples a forward pass and rank, samples an optimizer step.
    mode, stride
        How documents become samples: `concat`, `window` or `packed`; see `corpus.samples`.
    soft_mask_weight, markup_weight, reverse_complement
        See `SampleDataset`; validation and test read the forward strand.
    """

    def __init__(
        self,
        corpus: Union[str, list[dict[str, Any]]],  # noqa: UP007 (NeMo-Run's parser does not know `str | list`)
        tokenizer: Any = None,
        seq_length: int = 8192,
        micro_batch_size: int = 1,
        global_batch_size: int = 8,
        num_workers: int = 0,
        seed: int = 1234,
        mode: str = "concat",
        stride: Optional[int] = None,  # noqa: UP045
        soft_mask_weight: float = 0.1,
        markup_weight: float = 0.0,
        reverse_complement: bool = False,
    ) -> None:
        super().__init__()
        self.corpus = corpus
        self.tokenizer = tokenizer
        self.seq_length = seq_length
        self.micro_batch_size = micro_batch_size
        self.global_batch_size = global_batch_size
        self.num_workers = num_workers
        self.seed = seed
        self.mode = mode
        self.stride = stride
        self.soft_mask_weight = soft_mask_weight
        self.markup_weight = markup_weight
        self.reverse_complement = reverse_complement
        self.data_sampler = MegatronDataSampler(
            seq_len=seq_length, micro_batch_size=micro_batch_size, global_batch_size=global_batch_size
        )
        self._resumed_at_step = 0
        self._prepared_for: object = None

    @property
    def sources(self) -> tuple[Source, ...]:
        """The corpora and their weights."""
        return parse_sources(self.corpus)

    @property
    def source_names(self) -> list[str]:
        """The sources that `source` in a batch indexes."""
        return source_names(self.sources)

    @property
    def work_unit(self) -> tuple[str, int]:
        """What progress is counted in, and how many there are in a sample."""
        return "tokens", self.seq_length

    @property
    def collate_fn(self) -> Any:
        """What makes a micro-batch of samples."""
        return collate

    def prepare_data(self) -> None:
        """Make the built-in corpus where it was asked for, compare checksums, pack; on one rank, before `setup`.

        Errors: `InputError` for a corpus that was changed since it was prepared.
        """
        prepare_sources(self.sources, mode=self.mode, seq_length=self.seq_length, multiple=self._multiple)

    def setup(self, stage: str = "") -> None:
        """Check the corpora against their manifests and cut them into samples. Errors: `InputError`."""
        trainer = self.trainer
        if trainer is self._prepared_for:
            return  # a later stage of the same trainer, whose limits are already in micro-batches
        if trainer.max_steps <= 0:
            raise InputError(
                f"is {trainer.max_steps}", where="trainer.max_steps", fix="Give a number of steps.", kind="max-steps"
            )
        for source in self.sources:
            verify(source.corpus)
        self._train: Any = train_dataset(
            [source.corpus for source in self.sources],
            [source.weight for source in self.sources],
            self._cutting(),
            length=trainer.max_steps * self.global_batch_size,
            seed=self.seed,
            soft_mask_weight=self.soft_mask_weight,
            markup_weight=self.markup_weight,
            reverse_complement=self.reverse_complement,
        )
        self._validation: Any = self._evaluation("validation", trainer.limit_val_batches)
        self._test: Any = self._evaluation("test", trainer.limit_test_batches)

    def train_dataloader(self) -> TRAIN_DATALOADERS:
        """Batches from the first sample not yet consumed. NeMo puts its own sampler under it."""
        self._resumed_at_step = self.data_sampler.init_global_step = self.trainer.global_step
        # A finished run that is resumed asks for a loader too, and NeMo's sampler refuses an empty one. Steps before
        # this one may have consumed batches of another size.
        steps = max(1, self.trainer.max_steps - self._resumed_at_step)
        self._train.length = self.data_sampler.init_consumed_samples + steps * self.global_batch_size
        return self._loader(self._train, "train")

    def val_dataloader(self) -> EVAL_DATALOADERS:
        """The fixed validation samples, from the first one."""
        return self._loader(self._validation, "validation") if self._validation else []

    def test_dataloader(self) -> EVAL_DATALOADERS:
        """The fixed test samples, from the first one."""
        return self._loader(self._test, "test") if self._test else []

    def reconfigure_limit_batches(self) -> None:
        """Called by NeMo's strategy: Lightning counts micro-batches, the user's limits are global batches."""
        trainer = self.trainer
        if trainer is self._prepared_for:
            return
        self._prepared_for = trainer
        micro_batches = self.data_sampler.num_microbatches
        if isinstance(trainer.limit_train_batches, int):
            trainer.limit_train_batches *= micro_batches
        else:
            trainer.limit_train_batches = int(len(self._train) * trainer.limit_train_batches)
        trainer.limit_val_batches = self._global_batches(self._validation) * micro_batches
        trainer.limit_test_batches = self._global_batches(self._test) * micro_batches
        trainer.num_sanity_val_steps *= micro_batches

    def sample_record(self, index: int) -> dict[str, Any]:
        """Where the training sample of an index comes from: `SampleDataset.describe`, and its `corpus`."""
        record = self._train.describe(index)
        return {**record, "corpus": str(self.sources[record["source"]].corpus), "split": "train"}

    def order_settings(self) -> dict[str, Any]:
        """What a resumed run must have in common with the one before: `training.data.order.order_settings`."""
        return order_settings(
            self.sources,
            mode=self.mode,
            stride=self.stride,
            seq_length=self.seq_length,
            multiple=self._multiple,
            seed=self.seed,
            tokenizer=special_ids(self.tokenizer) if self.tokenizer else None,
        )

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps: the samples consumed, and what their order came from."""
        steps = self.trainer.global_step - self._resumed_at_step
        return consumed_state(self.data_sampler.compute_consumed_samples(steps), self.order_settings())

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue after the samples that a checkpoint had consumed.

        Errors: `InputError` for another corpus, weight, mode, stride, seq_length, seed or tokenizer.
        """
        from megatron.core.num_microbatches_calculator import update_num_microbatches

        check_same(state_dict, self.order_settings(), where=self.corpus, sources=self.sources)
        consumed = int(state_dict["consumed_samples"])
        self.data_sampler.init_consumed_samples = self.data_sampler.prev_consumed_samples = consumed
        self.data_sampler.if_first_step = 1
        update_num_microbatches(consumed_samples=consumed, consistency_check=False)

    def _cutting(self) -> Cutting:
        return Cutting(seq_length=self.seq_length, mode=self.mode, stride=self.stride, multiple=self._multiple)

    @property
    def _multiple(self) -> int:
        """What packed documents are padded to for the context-parallel ranks of the trainer."""
        ranks = getattr(self.trainer.strategy, "context_parallel_size", 1) if self.mode == "packed" else 1
        return document_multiple(ranks)

    def _evaluation(self, split: str, limit: int | float) -> SampleDataset | None:
        having = [source for source in self.sources if read_manifest(source.corpus).split(split)]
        if not limit or (split == "test" and len(having) < len(self.sources)):
            return None
        if missing := [source for source in self.sources if source not in having]:
            fix = f"Prepare the corpus with a {split} fraction, or set trainer.limit_val_batches=0."
            raise InputError(f"has no {split} split", where=missing[0].corpus, fix=fix, kind="no-split")
        return evaluation_dataset(
            [source.corpus for source in self.sources],
            [source.weight for source in self.sources],
            split,
            self._cutting(),
            limit=limit,
            global_batch_size=self.global_batch_size,
            soft_mask_weight=self.soft_mask_weight,
            markup_weight=self.markup_weight,
        )

    def _global_batches(self, dataset: SampleDataset | None) -> int:
        return len(dataset) // self.global_batch_size if dataset else 0

    def _loader(self, dataset: SampleDataset, mode: str) -> WrappedDataLoader:
        return WrappedDataLoader(
            mode=mode,
            dataset=dataset,
            num_workers=self.num_workers,
            collate_fn=self.collate_fn,
            pin_memory=torch.cuda.is_available(),
            persistent_workers=self.num_workers > 0,
        )
