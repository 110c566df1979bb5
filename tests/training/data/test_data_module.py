"""The data module under NeMo's own sampler, and Megatron's own reader on our files. Imports NeMo: some 30 s."""

import inspect
import itertools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from corpora import prepare
from refusal import refused

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


def module(corpus: Any, *, state: dict[str, Any] | None = None, step: int = 0, **fields: Any) -> Any:
    """A data module in the order that Lightning and NeMo call it: setup, limits, state, loaders."""
    from training.data.module import GenomicDataModule

    options = {"seq_length": LENGTH, "micro_batch_size": MICRO, "global_batch_size": GLOBAL}
    data = GenomicDataModule(corpus, **(options | fields))
    data.trainer = trainer(global_step=step)
    data.prepare_data()
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
        lengths = np.array([len(document) for document in documents])
        writer.add([np.frombuffer(b"".join(documents), dtype=np.uint8)], lengths)
    for mmap in (True, False):
        dataset = IndexedDataset(str(tmp_path / "train"), mmap=mmap)
        assert dataset.index.dtype == np.uint8
        marks = dataset.document_indices
        read = [b"".join(dataset[i].tobytes() for i in range(a, b)) for a, b in itertools.pairwise(marks)]
        assert read == documents


def test_batches(corpus: str) -> None:
    (batch,) = batches(module(corpus), "train", 1)
    assert {key: (value.dtype, tuple(value.shape)) for key, value in batch.items()} == {
        "tokens": (torch.uint8, (MICRO, LENGTH)),
        "labels": (torch.uint8, (MICRO, LENGTH)),
        "loss_mask": (torch.uint8, (MICRO, LENGTH)),
        "source": (torch.int64, (MICRO,)),
        "index": (torch.int64, (MICRO,)),
    }
    assert torch.equal(batch["tokens"][:, 1:], batch["labels"][:, :-1])


def test_packed_batches(corpus: str) -> None:
    """Samples of different numbers of documents make one list of where these begin, end to end."""
    data = module(corpus, mode="packed")
    assert {path.name for path in Path(corpus).glob("*.pack")} == {"train.32.pack", "validation.32.pack"}
    lengths = set()
    for batch in batches(data, "train", 30):
        ends = batch["cu_seqlens"]
        assert ends.dtype == torch.int32
        assert ends[0] == 0
        assert LENGTH in ends
        assert ends[-1] == MICRO * LENGTH
        assert batch["max_seqlen"] == ends.diff().max()
        assert ends.diff().min() > 0
        lengths.add(len(ends))
    assert len(lengths) > 1


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


def test_a_resumed_run_with_smaller_batches_reads_each_sample_once(corpus: str) -> None:
    """Ten of 100 steps are left, after 90 of 8 samples: they are of 4, which follow these."""
    before = module(corpus)
    whole = batches(before, "train", 10_000)
    before.trainer.global_step = 90
    after = module(corpus, state=before.state_dict(), step=90, global_batch_size=4)
    assert equal(batches(after, "train", 10_000), whole[360:380])


@pytest.mark.parametrize("mode", ["concat", "window", "packed"])
def test_ranks_share_out_what_one_reads_and_a_resume_may_change_their_number(corpus: str, mode: str) -> None:
    """Eight global batches on 1, 2 or 4 ranks, resumed after three on any other number: the same samples in turn."""
    from nemo.lightning.data import add_megatron_sampler

    data = module(corpus, reverse_complement=True, mode=mode)
    whole = batches(data, "train", 8 * GLOBAL // MICRO)

    def read(ranks: int, first: int, last: int) -> list[dict[str, torch.Tensor]]:
        options = {"micro_batch_size": MICRO, "global_batch_size": GLOBAL, "world_size": ranks}
        loaders = [
            add_megatron_sampler(data.train_dataloader(), rank=rank, consumed_samples=first * GLOBAL, **options)
            for rank in range(ranks)
        ]
        steps = (last - first) * GLOBAL // MICRO // ranks
        return [batch for turn in itertools.islice(zip(*loaders, strict=True), steps) for batch in turn]

    for before, after in itertools.permutations((1, 2, 4), 2):
        assert equal(read(before, 0, 3) + read(after, 3, 8), whole)


@pytest.mark.parametrize("mode", ["concat", "window", "packed"])
def test_every_sample_once_an_epoch(corpus: str, mode: str) -> None:
    """Through the loader, and a longer run serves no other samples than a shorter one did."""
    data = module(corpus, mode=mode)
    size = len(data._train.sources[0])
    epoch = [batch["labels"] for batch in batches(data, "train", -(-size // MICRO))]
    served = torch.cat(epoch)[:size]
    expected = [data._train.runs(0, sample) for sample in range(size)]
    tokens = [stored[before + 1 :].tobytes().upper() for runs in expected for stored, before in [*runs]]
    assert sum(map(len, tokens)) == int((served != 1).sum())
    counts = torch.bincount(served[served != 1].long(), minlength=256)
    assert counts.tolist() == np.bincount(np.frombuffer(b"".join(tokens), np.uint8), minlength=256).tolist()


def test_a_blend(corpus: str, tmp_path: Path) -> None:
    """Sources in their shares; validation has all of them; a resumed run needs the same ones."""
    other = shutil.copytree(corpus, tmp_path / "other")
    blend = [{"corpus": corpus, "weight": 0.25}, {"corpus": str(other), "weight": 0.75}]
    data = module(blend, mode="window")
    assert data.source_names == ["corpus", "other"]
    sources = torch.cat([batch["source"] for batch in batches(data, "train", 300)])
    assert abs(int((sources == 0).sum()) - 150) < 45
    validation = torch.cat([batch["source"] for batch in batches(data, "val", 100)])
    assert (validation == 0).sum() == 4
    assert len(validation) == 16

    state = data.state_dict()
    module(blend, mode="window", state=state)
    for change, names in (
        ([blend[0], blend[1] | {"weight": 0.5}], "[0.25, 0.5]"),
        ([blend[1], blend[0]], "[0.75, 0.25]"),
        (corpus, "1 corpora"),
    ):
        with refused("another-run", names=names):
            module(change, mode="window", state=state)


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


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"seed": 1}, "seed is 1"),
        ({"seq_length": 16}, "seq_length is 16"),
        ({"mode": "packed"}, "mode is 'packed'"),
        ({"mode": "window", "stride": 16}, "mode is 'window'"),
    ],
)
def test_resuming_with_other_samples(corpus: str, change: dict[str, Any], names: str) -> None:
    state = module(corpus).state_dict()
    with refused("another-run", where=corpus, names=names):
        module(corpus, state=state, **change)


def test_resuming_with_another_corpus(corpus: str, tmp_path: Path, write_fasta: Callable[..., Path]) -> None:
    state = module(corpus).state_dict()
    others = {f"contig{number}": b"ACGT" * 50 + b"A" * number for number in range(30)}
    prepare([write_fasta(others, "others.fa")], tmp_path / "others", validation_fraction=0.2)
    with refused("another-run", where="others", names="train split"):
        module(str(tmp_path / "others"), state=state)


def test_resuming_with_another_tokenizer(corpus: str) -> None:
    from tokenizer.nucleotide import NucleotideTokenizer
    from training.data.order import NUCLEOTIDE_IDS, special_ids

    tokenizer = NucleotideTokenizer()
    assert special_ids(tokenizer) == NUCLEOTIDE_IDS
    state = module(corpus, tokenizer=tokenizer).state_dict()
    module(corpus, tokenizer=tokenizer, state=state)
    tokenizer.eos_id = 5
    with refused("another-run", where=corpus, names="'eos_id': 5"):
        module(corpus, tokenizer=tokenizer, state=state)


def test_a_damaged_corpus(corpus: str) -> None:
    path = Path(corpus) / "train-00000.bin"
    path.write_bytes(path.read_bytes()[:-5])
    with refused("corpus-file-size", where="train-00000.bin"):
        module(corpus)


def test_no_validation_split(tmp_path: Path, write_fasta: Callable[..., Path], contigs: dict[str, bytes]) -> None:
    from training.data.module import GenomicDataModule

    prepare([write_fasta(contigs)], tmp_path / "corpus", validation_fraction=0)
    data = GenomicDataModule(str(tmp_path / "corpus"), seq_length=LENGTH)
    data.trainer = trainer()
    with refused("no-split", where="corpus", names="validation", fix="trainer.limit_val_batches=0"):
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
