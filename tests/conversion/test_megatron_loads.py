"""Megatron-Core loads what we write, under tensor parallelism 1 and 2, and NeMo's importer writes what we read."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from by_hand import SCALING, hf_tensors, megatron_tensors, same_bits, save_llama
from nemo_cases import import_and_export, load_under_tensor_parallelism
from nemo_process import run_in_process

from benchmarks.peers import nemo_import
from configs.rope import frequencies
from conversion.convert import convert
from conversion.formats import open_checkpoint


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_llama(tmp_path_factory.mktemp("source") / "hf", head_dim=8, rope_scaling=SCALING)


def shard(name: str, tensor: torch.Tensor, rank: int, size: int) -> torch.Tensor:
    """What rank `rank` of `size` has of Megatron's tensor."""
    if "norm" in name:
        return tensor
    if "linear_proj" in name or "linear_fc2" in name:
        return tensor.chunk(size, dim=1)[rank]
    if "linear_fc1" in name:
        return torch.cat([half.chunk(size)[rank] for half in tensor.chunk(2)])
    return tensor.chunk(size)[rank]


@pytest.mark.parametrize(("size", "to"), [(2, "nemo"), (2, "bridge"), (1, "bridge")])
def test_megatron_core_loads_it_under_tensor_parallelism(size: int, to: str, source: Path, tmp_path: Path) -> None:
    convert(source, tmp_path / "out", to=to)
    weights = tmp_path / "out" / ("weights" if to == "nemo" else "iter_0000000")
    prefix = "module." if to == "nemo" else ""

    def run(rank: int) -> int:
        log, store = tmp_path / f"log{rank}", tmp_path / "store"
        status = run_in_process(load_under_tensor_parallelism, rank, size, weights, prefix, store, tmp_path, log=log)
        assert status == 0, log.read_text()[-3000:]
        return status

    with ThreadPoolExecutor(size) as pool:
        list(pool.map(run, range(size)))
    whole = megatron_tensors(open_checkpoint(tmp_path / "out"), prefix="")
    for rank in range(size):
        loaded = torch.load(tmp_path / f"rank{rank}.pt", weights_only=True)
        assert same_bits(
            {name: tensor.contiguous() for name, tensor in loaded["parameters"].items()},
            {name: shard(name, tensor, rank, size).contiguous() for name, tensor in whole.items()},
        )
        torch.testing.assert_close(loaded["inv_freq"], transformers_inv_freq(source), rtol=1e-6, atol=0)
        a = open_checkpoint(source).architecture
        wanted = torch.tensor(frequencies(a.rope_theta, a.head_dim, a.rope_scaling))
        torch.testing.assert_close(loaded["inv_freq"], wanted, rtol=2e-6, atol=0)


def transformers_inv_freq(source: Path) -> torch.Tensor:
    from transformers import LlamaConfig
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

    frequencies: torch.Tensor = LlamaRotaryEmbedding(LlamaConfig.from_pretrained(source)).inv_freq
    return frequencies


def test_what_nemos_importer_writes_we_read_bit_for_bit(tmp_path: Path) -> None:
    source = save_llama(tmp_path / "hf", dtype="bfloat16")
    log = tmp_path / "log"
    status = run_in_process(nemo_import.main, str(source), str(tmp_path / "nemo"), log=log)
    assert status == 0, log.read_text()[-3000:]
    convert(tmp_path / "nemo", tmp_path / "back", to="hf")
    assert same_bits(hf_tensors(tmp_path / "back"), hf_tensors(source))
    assert open_checkpoint(tmp_path / "back").architecture == open_checkpoint(source).architecture


def test_nemos_commands_use_the_same_table(source: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert run_in_process(import_and_export, source, tmp_path, log=log) == 0, log.read_text()[-3000:]
    assert same_bits(hf_tensors(tmp_path / "hf"), hf_tensors(source))
    assert open_checkpoint(tmp_path / "hf").architecture == open_checkpoint(source).architecture
    assert (tmp_path / "nemo" / "conversion.json").is_file()
    assert (tmp_path / "hf" / "conversion.json").is_file()
