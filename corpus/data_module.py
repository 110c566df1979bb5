"""The NeMo rim: a prepared corpus as the `data` of `llm.pretrain` and `llm.finetune`."""

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningDataModule
from lightning.pytorch.utilities.types import EVAL_DATALOADERS, TRAIN_DATALOADERS
from nemo.lightning.data import WrappedDataLoader
from nemo.lightning.io import IOMixin
from nemo.lightning.pytorch.plugins import MegatronDataSampler

from conduct.errors import InputError
from corpus import synthetic
from corpus.manifest import Manifest, read_manifest, verify
from corpus.resume import check_same_order, consumed_state
from corpus.samples.datasets import evaluation_dataset, train_dataset
from corpus.samples.windows import SampleDataset

CHECKSUM_LIMIT = 16 * 2**30
"""Bytes of a corpus up to which a run compares checksums at its start: some seconds. Of a larger one, sizes alone."""


class GenomicDataModule(LightningDataModule, IOMixin):  # type: ignore[misc]
    """Batches of a corpus that `genomic-llama prepare` made: tokens, labels, loss_mask and position_ids, no mask.

    Training serves shuffled epochs without end, a pure function of `seed` and the number of samples consumed, so that a
    resumed run goes on at the very next sample. Validation and test serve the same evenly spaced samples every time.

    Parameters
    ----------
    corpus : str
        Folder with `manifest.json`; or "synthetic": a built-in genome, prepared at first use (`corpus.synthetic`).
    tokenizer : TokenizerSpec, optional
        Handed to NeMo, which stores it with each checkpoint.
    seq_length, micro_batch_size, global_batch_size : int
        Tokens a sample, samples a forward pass and rank, samples an optimizer step.
    soft_mask_weight, reverse_complement
        See `SampleDataset`; validation and test read the forward strand.
    """

    def __init__(
        self,
        corpus: str,
        tokenizer: Any = None,
        seq_length: int = 8192,
        micro_batch_size: int = 1,
        global_batch_size: int = 8,
        num_workers: int = 0,
        seed: int = 1234,
        soft_mask_weight: float = 1.0,
        reverse_complement: bool = False,
    ) -> None:
        super().__init__()
        self.corpus = synthetic.CORPUS if corpus == "synthetic" else corpus
        self.tokenizer = tokenizer
        self.seq_length = seq_length
        self.micro_batch_size = micro_batch_size
        self.global_batch_size = global_batch_size
        self.num_workers = num_workers
        self.seed = seed
        self.soft_mask_weight = soft_mask_weight
        self.reverse_complement = reverse_complement
        self.data_sampler = MegatronDataSampler(
            seq_len=seq_length, micro_batch_size=micro_batch_size, global_batch_size=global_batch_size
        )
        self._resumed_at_step = 0
        self._prepared_for: object = None
        self._manifest: Manifest | None = None

    def prepare_data(self) -> None:
        """Make the built-in corpus where it was asked for, and compare checksums; on one rank, before `setup`.

        Errors: `InputError` for a corpus that was changed since it was prepared.
        """
        if self.corpus == synthetic.CORPUS:
            synthetic.ensure_synthetic_corpus(Path(self.corpus))
        size = sum(file.bytes for file in read_manifest(Path(self.corpus)).files())
        verify(Path(self.corpus), full=size <= CHECKSUM_LIMIT)

    def setup(self, stage: str = "") -> None:
        """Check the corpus against its manifest and cut it into samples. Errors: `InputError`."""
        trainer = self.trainer
        if trainer is self._prepared_for:
            return  # a later stage of the same trainer, whose limits are in micro-batches by now
        if trainer.max_steps <= 0:
            raise InputError(f"is {trainer.max_steps}", where="trainer.max_steps", fix="Give a number of steps.")
        self._manifest = verify(Path(self.corpus))
        self._train = train_dataset(
            Path(self.corpus),
            seq_length=self.seq_length,
            length=trainer.max_steps * self.global_batch_size,
            seed=self.seed,
            soft_mask_weight=self.soft_mask_weight,
            reverse_complement=self.reverse_complement,
        )
        self._validation = self._evaluation("validation", trainer.limit_val_batches)
        self._test = self._evaluation("test", trainer.limit_test_batches)

    def train_dataloader(self) -> TRAIN_DATALOADERS:
        """Batches from the first sample not yet consumed. NeMo puts its own sampler under it."""
        self._resumed_at_step = self.data_sampler.init_global_step = self.trainer.global_step
        # A finished run that is resumed asks for a loader too, and NeMo's sampler refuses an empty one.
        consumed = self.data_sampler.init_consumed_samples
        self._train.length = max(self._train.length, consumed + self.global_batch_size)
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

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps: the samples consumed, and what their order came from."""
        steps = self.trainer.global_step - self._resumed_at_step
        return consumed_state(self.data_sampler.compute_consumed_samples(steps), self._order_settings())

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on after the samples that a checkpoint had consumed.

        Errors: `InputError` where the corpus, seq_length or seed is another, as the samples would be others too.
        """
        from megatron.core.num_microbatches_calculator import update_num_microbatches

        check_same_order(state_dict, self._order_settings(), self.corpus)
        consumed = int(state_dict["consumed_samples"])
        self.data_sampler.init_consumed_samples = self.data_sampler.prev_consumed_samples = consumed
        self.data_sampler.if_first_step = 1
        update_num_microbatches(consumed_samples=consumed, consistency_check=False)

    def _order_settings(self) -> dict[str, Any]:
        assert self._manifest is not None, "setup() comes first"
        train = self._manifest.split("train")
        assert train is not None
        return {"train_digest": train.digest(), "seq_length": self.seq_length, "seed": self.seed}

    def _evaluation(self, split: str, limit: int | float) -> SampleDataset | None:
        assert self._manifest is not None
        if not limit or (split == "test" and self._manifest.split(split) is None):
            return None
        if self._manifest.split(split) is None:
            fix = f"Prepare the corpus with a {split} fraction, or set trainer.limit_val_batches=0."
            raise InputError(f"has no {split} split", where=self.corpus, fix=fix)
        return evaluation_dataset(
            Path(self.corpus),
            split,
            seq_length=self.seq_length,
            limit=limit,
            global_batch_size=self.global_batch_size,
            soft_mask_weight=self.soft_mask_weight,
        )

    def _global_batches(self, dataset: SampleDataset | None) -> int:
        return len(dataset) // self.global_batch_size if dataset else 0

    def _loader(self, dataset: SampleDataset, mode: str) -> WrappedDataLoader:
        return WrappedDataLoader(
            mode=mode,
            dataset=dataset,
            num_workers=self.num_workers,
            pin_memory=torch.cuda.is_available(),
            persistent_workers=self.num_workers > 0,
        )
