"""Numbers of hundreds of digits in the small files of a checkpoint are refused by the key that holds them."""

import re
from pathlib import Path

import pytest
from fuzz_seeds import TRAINED
from refusal import refused

from conversion.files.archive_writer import save
from conversion.formats import open_checkpoint
from conversion.megatron.common_state import read_common

LONG = 10**400


@pytest.mark.parametrize("written", [str(LONG), "eight", "[8.0]"])
def test_the_scaling_of_a_context(written: str, nemo: Path) -> None:
    path = nemo / "context" / "model.yaml"
    text = re.sub(r"(?m)^(  _target_: \S+llama\.)LlamaConfig$", r"\1Llama31Config", path.read_text(), count=1)
    assert "Llama31Config" in text
    path.write_text(
        re.sub(r"(?m)^  scale_factor: .*\n", "", text).replace("\nconfig:\n", f"\nconfig:\n  scale_factor: {written}\n")
    )
    with refused("config-value", where="model.yaml", names="factor"):
        open_checkpoint(nemo)


@pytest.mark.parametrize("key", ["min_lr", "base_lrs"])
def test_the_rates_of_an_optimizer(key: str, tmp_path: Path) -> None:
    schedule = {**TRAINED["lr_schedulers"][0], key: [LONG] if key == "base_lrs" else LONG}
    save(tmp_path / "common.pt", {**TRAINED, "lr_schedulers": [schedule]})
    with refused("common-state", where="common.pt", names=key):
        read_common(tmp_path / "common.pt", within=tmp_path)
