"""Which layers have adapters, and of what rank."""

import pytest
from refusal import refused

from configs.lora import MODULES, adapter_ranks


def test_ranks() -> None:
    assert adapter_ranks(8) == dict.fromkeys(MODULES, 8)
    assert adapter_ranks(0) == {}
    assert adapter_ranks(8, ["linear_fc2", "linear_qkv"], ["linear_qkv:16"]) == {"linear_qkv": 16, "linear_fc2": 8}


@pytest.mark.parametrize(
    ("targets", "pattern", "kind"),
    [
        (["q_proj"], [], "lora-module"),
        ([], [], "lora-module"),
        (["linear_fc1"], ["linear_qkv:4"], "lora-module"),
        (MODULES, ["linear_qkv"], "lora-rank-pattern"),
        (MODULES, ["linear_qkv:0"], "lora-rank-pattern"),
        (MODULES, ["linear_qkv:x"], "lora-rank-pattern"),
        (MODULES, ["q_proj:4"], "lora-rank-pattern"),
    ],
)
def test_what_is_not_a_layer_or_a_rank(targets: list[str], pattern: list[str], kind: str) -> None:
    with refused(kind, where="target_modules" if kind == "lora-module" and not pattern else "rank_pattern"):
        adapter_ranks(8, targets, pattern)
