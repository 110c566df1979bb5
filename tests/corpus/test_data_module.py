"""The data module under NeMo's own sampler, and Megatron's own reader on our files. Imports NeMo: some 30 s."""

import inspect
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from conduct.errors import InputError
from corpus.preparation.prepare import prepare
from corpus.store.index_writer import IndexWriter

GLOBAL, MICRO, LENGTH = 8, 2, 32


@pytest.fixture(scope="module")
def parallel_state() -> Iterator[None]:
    """One gloo process with Megatron's groups and micro-batch calculator, as a strategy sets them up."""
    from megatron.core import num_microbatches_calculator, parallel_state
    from nemo.utils import AppState

    torch.distributed.init_process_group("gloo", rank=0, world_size=1, store=torch.distributed.HashStore())
    parallel_state.initialize_model_parallel()
    num_microbatches_calculator.init_num_microbatches_calculator(0, None, GLOBAL, MICRO, 1)
    AppState().data_parallel_size = 1
    yield
    AppState().data_parallel_size = None
    num_microbatches_calculator.destroy_num_microbatches_calculator()
    parallel_state.destroy_model_parallel()
    torch.distributed.destroy_process_group()


@pytest.fixture
def corpus(tmp_path: Path, write_fasta: Callable[..., Path], contigs: dict[str, bytes]) -> str:
    prepare([write_fasta(contigs)], tmp_path / "corpus", validation_fraction=0.2)
    return str(tmp_path / "corpus")


def trainer(**changes: Any) -> Any:
    from nemo.lightning import MegatronStrategy

    values = {
        "max_steps": 100,
        "global_step": 0,
        "limit_train_batches": 1.0,
        "limit_val_batches": 2,
        "limit_test_batches": 1.0,
        "num_sanity_val_steps": 0,
        "strategy": MegatronStrategy(),
    }
    return SimpleNamespace(**(values | changes))


def module(corpus: str, *, state: dict[str, Any] | None = None, step: int = 0, **fields: Any) -> Any:
    """A data module in the order that Lightning and NeMo call it: setup, limits, state, loaders."""
    from corpus.data_module import GenomicDataModule

    options = {"seq_length": LENGTH, "micro_batch_size": MICRO, "global_batch_size": GLOBAL}
    data = GenomicDataModule(corpus, **(options | fields))
    data.trainer = trainer(global_step=step)
    data.setup("fit")
    data.data_sampler.connect(data.trainer)
    data.reconfigure_limit_batches()
    if state is not None:
        data.load_state_dict(state)
    return data


def batches(data: Any, name: str, count: int) -> list[dict[str, torch.Tensor]]:
    loader = data.data_sampler.transform_dataloader(getattr(data, f"{name}_dataloader")())
    return list(itertools.islice(loader, count))


def equal(left: list[dict[str, torch.Tensor]], right: list[dict[str, torch.Tensor]]) -> bool:
    return len(left) == len(right) and all(
        a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a) for a, b in zip(left, right, strict=True)
    )


pytestmark = pytest.mark.usefixtures("parallel_state")


@pytest.mark.parametrize("longest_sequence", [2**31 - 1, 3])
def test_megatron_reads_the_index(tmp_path: Path, longest_sequence: int) -> None:
    from megatron.core.datasets.indexed_dataset import IndexedDataset

    documents = [bytes([65 + n % 20]) * (n % 7 + 1) + b"\0" for n in range(200)]
    with IndexWriter(tmp_path / "train", longest_sequence=longest_sequence) as writer:
        for document in documents:
            writer.add_document(document)
    for mmap in (True, False):
        dataset = IndexedDataset(str(tmp_path / "train"), mmap=mmap)
        assert dataset.index.dtype == np.uint8
        marks = dataset.document_indices
        read = [b"".join(dataset[i].tobytes() for i in range(a, b)) for a, b in itertools.pairwise(marks)]
        assert read == documents


def test_batches(corpus: str) -> None:
    (batch,) = batches(module(corpus), "train", 1)
    assert {key: (value.dtype, tuple(value.shape)) for key, value in batch.items()} == {
        "tokens": (torch.int64, (MICRO, LENGTH)),
        "labels": (torch.int64, (MICRO, LENGTH)),
        "loss_mask": (torch.float32, (MICRO, LENGTH)),
        "position_ids": (torch.int64, (MICRO, LENGTH)),
    }
    assert torch.equal(batch["tokens"][:, 1:], batch["labels"][:, :-1])


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_resumed_run_goes_on_at_the_next_sample(corpus: str, num_workers: int) -> None:
    whole = batches(module(corpus, reverse_complement=True), "train", 40)
    first = module(corpus, reverse_complement=True)
    batches(first, "train", 12)
    first.trainer.global_step = 3  # 12 micro-batches of 2 are 3 global batches of 8
    state = first.state_dict()
    assert state["consumed_samples"] == 24

    second = module(corpus, state=state, step=3, reverse_complement=True, num_workers=num_workers)
    assert equal(batches(second, "train", 28), whole[12:])
    second.trainer.global_step = 5
    assert second.state_dict()["consumed_samples"] == 40


def test_two_ranks_share_out_what_one_reads(corpus: str) -> None:
    from nemo.lightning.data import add_megatron_sampler

    data = module(corpus, reverse_complement=True)
    whole = batches(data, "train", 16)
    options = {"micro_batch_size": MICRO, "global_batch_size": GLOBAL, "consumed_samples": 8, "world_size": 2}
    ranks = [add_megatron_sampler(data.train_dataloader(), rank=rank, **options) for rank in (0, 1)]
    in_turn = [batch for pair in itertools.islice(zip(*ranks, strict=True), 6) for batch in pair]
    assert equal(in_turn, whole[4:])


def test_a_longer_run_begins_like_a_shorter_one(corpus: str) -> None:
    short, long = module(corpus), module(corpus)
    long.trainer = trainer(max_steps=10**9)
    long.setup("fit")
    assert equal(batches(short, "train", 20), batches(long, "train", 20))


def test_validation_is_the_same_every_time(corpus: str) -> None:
    data = module(corpus)
    before = batches(data, "val", 100)
    assert len(before) == 2 * GLOBAL // MICRO
    batches(data, "train", 12)
    data.trainer.global_step = 3
    assert equal(batches(data, "val", 100), before)
    assert data.state_dict()["consumed_samples"] == 24  # a validation loader made at step 3 changes no count

    resumed = module(corpus, state=data.state_dict(), step=3)
    assert equal(batches(resumed, "val", 100), before)


def test_limits_become_micro_batches_once(corpus: str) -> None:
    data = module(corpus)
    expected = (100 * GLOBAL, 2 * GLOBAL // MICRO, 0)
    for _ in range(2):
        limits = data.trainer.limit_train_batches, data.trainer.limit_val_batches, data.trainer.limit_test_batches
        assert limits == expected
        data.setup("test")
        data.reconfigure_limit_batches()
    assert data.test_dataloader() == []


def test_a_finished_run_can_be_resumed(corpus: str) -> None:
    state = module(corpus).state_dict() | {"consumed_samples": 100 * GLOBAL}
    assert len(batches(module(corpus, state=state, step=100), "train", 1)) == 1


@pytest.mark.parametrize(("change", "problem"), [({"seed": 1}, "seed is 1"), ({"seq_length": 16}, "seq_length is 16")])
def test_resuming_with_other_samples(corpus: str, change: dict[str, int], problem: str) -> None:
    state = module(corpus).state_dict()
    with pytest.raises(InputError, match=f"{problem}, but the checkpoint was trained with"):
        module(corpus, state=state, **change)


def test_a_damaged_corpus(corpus: str) -> None:
    path = Path(corpus) / "train.bin"
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(InputError, match=r"train\.bin: has .* bytes, its manifest says"):
        module(corpus)


def test_no_validation_split(tmp_path: Path, write_fasta: Callable[..., Path], contigs: dict[str, bytes]) -> None:
    from corpus.data_module import GenomicDataModule

    prepare([write_fasta(contigs)], tmp_path / "corpus", validation_fraction=0)
    data = GenomicDataModule(str(tmp_path / "corpus"), seq_length=LENGTH)
    data.trainer = trainer()
    with pytest.raises(InputError, match=r"has no validation split.*trainer\.limit_val_batches=0"):
        data.setup("fit")
    data.trainer = trainer(limit_val_batches=0)
    data.setup("fit")
    assert data.val_dataloader() == []


def test_nemo_can_store_and_rebuild_it(corpus: str, tmp_path: Path) -> None:
    from nemo.lightning import io

    data = module(corpus, num_workers=0, seed=5)
    assert next(iter(inspect.signature(type(data).__init__).parameters)) == "self"
    data.io_dump(tmp_path / "context", yaml_attrs=[])
    again = io.load(tmp_path / "context", type(data))
    assert (again.corpus, again.seed, again.seq_length) == (corpus, 5, LENGTH)
