"""`--verify logits`: both models run, and it notices what checksums cannot: a layout or RoPE setting that is wrong."""

import itertools
from pathlib import Path
from typing import Any

import pytest
import torch
from by_hand import SCALING, edit_json, save_llama
from refusal import refused
from typer.testing import CliRunner

from conversion import weight_table
from conversion.convert import convert
from conversion.formats import NAMES, open_checkpoint
from conversion.logits import compare_logits, logits
from genomic_llama.cli.main import app

CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "scaled, tied": {"rope_scaling": SCALING, "rope_theta": 10_000.0, "tie_word_embeddings": True},
    "one key-value head": {"num_key_value_heads": 1, "dtype": "bfloat16"},
}


@pytest.mark.parametrize("case", CASES)
def test_every_format_gives_the_logits_of_transformers(case: str, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    source = save_llama(tmp_path / "source", head_dim=8, max_position_embeddings=600, **CASES[case])
    tokens = torch.randint(0, 256, (1, 600), generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        expected = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32)(tokens).logits
        assert torch.equal(logits(open_checkpoint(source), tokens), expected)
        for name in NAMES:
            convert(source, tmp_path / name, to=name)
            found = logits(open_checkpoint(tmp_path / name), tokens)
            torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-4 * float(expected.abs().max()))


def test_a_wrong_order_of_heads_is_noticed(square_hf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The table's mistake would be made by writer and reader alike; the models do not go through it."""

    def wrong(weight: Any, parts: Any) -> Any:
        blocks = [rows if len(rows) == weight.blocks else weight_table._blocks(weight, rows[0]) for rows in parts]
        order = reversed(blocks) if weight.blocks > 1 else blocks
        return itertools.chain.from_iterable(zip(*order, strict=True))

    monkeypatch.setattr("conversion.megatron.megatron_directory.fuse", wrong)
    with refused("tensor-differs", names="q_proj"):
        convert(square_hf, tmp_path / "checked", to="nemo")
    monkeypatch.setattr("conversion.convert.read_back", lambda *_: None)
    convert(square_hf, tmp_path / "nemo", to="nemo")
    with refused("logits-differ", where="nemo"):
        compare_logits(open_checkpoint(square_hf), open_checkpoint(tmp_path / "nemo"), cast=False)


def test_a_scaling_that_got_lost_is_noticed(tmp_path: Path) -> None:
    source = save_llama(tmp_path / "source", rope_scaling={**SCALING, "original_max_position_embeddings": 32})
    convert(source, tmp_path / "hf", to="hf")
    config = {"rope_scaling": None, "rope_parameters": {"rope_theta": 500000.0, "rope_type": "default"}}
    edit_json(tmp_path / "hf" / "config.json", **config)
    with refused("logits-differ", where="hf"):
        compare_logits(open_checkpoint(source), open_checkpoint(tmp_path / "hf"), cast=False)


def test_on_the_command_line(square_hf: Path, tmp_path: Path) -> None:
    arguments = ["convert", square_hf, tmp_path / "nemo", "--to", "nemo", "--verify", "logits"]
    result = CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)
    assert result.exit_code == 0
    assert float(result.stdout.split("largest difference of the logits in fp32: ")[1].split()[0]) < 1e-3
    arguments = ["convert", square_hf, tmp_path / "hf", "--to", "hf", "--verify", "logits", "--dtype", "bfloat16"]
    result = CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)
    assert result.exit_code == 0
    assert float(result.stdout.split("largest difference of the logits in fp32: ")[1].split()[0]) > 1e-3
