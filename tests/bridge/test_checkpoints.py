"""The real Megatron-Bridge loads what `convert` writes, and `convert` reads what it writes."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from by_hand import hf_tensors, same_bits
from formula_weights import SCALING, save_formula_llama

from conversion.convert import convert
from conversion.formats import open_checkpoint


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_formula_llama(tmp_path_factory.mktemp("source") / "hf", num_hidden_layers=2, rope_scaling=SCALING)


@pytest.mark.parametrize("ranks", [1, 2])
def test_it_computes_what_transformers_computes(
    ranks: int, source: Path, bridge: Callable[..., None], tmp_path: Path
) -> None:
    from transformers import LlamaForCausalLM

    convert(source, tmp_path / "bridge", to="bridge")
    bridge("load", tmp_path / "bridge" / "iter_0000000", tmp_path / "out.pt", ranks=ranks)
    out = torch.load(tmp_path / "out.pt", weights_only=True)
    bases = torch.tensor(list(b"ACGT"))[torch.randint(0, 4, (2, 64), generator=torch.Generator().manual_seed(0))]
    with torch.no_grad():
        wanted = LlamaForCausalLM.from_pretrained(source).eval()(bases).logits
    torch.testing.assert_close(out["logits"], wanted, rtol=2e-5, atol=2e-5)
    assert out["tokens"] == list(b"ACGTacgtN")


def test_what_it_writes_is_read(source: Path, bridge: Callable[..., None], tmp_path: Path) -> None:
    bridge("plain", source, tmp_path / "plain")
    convert(tmp_path / "plain", tmp_path / "hf", to="hf")
    assert same_bits(hf_tensors(tmp_path / "hf"), hf_tensors(source))
    assert open_checkpoint(tmp_path / "hf").architecture == open_checkpoint(source).architecture
