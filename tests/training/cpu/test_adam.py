"""Optimizer state of an earlier version is refused by name."""

from typing import Any

import pytest
import torch
from refusal import refused

from training.cpu.adam import CpuAdamW, check_steps


def stepped() -> dict[str, Any]:
    weight = torch.nn.Parameter(torch.ones(3))
    weight.grad = torch.ones(3)
    adam = CpuAdamW([weight], lr=0.1, weight_decay=0.0, betas=(0.9, 0.95), eps=1e-8, adam_w_mode=True)
    adam.step()
    return dict(adam.state_dict())


@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: [s], lambda s: [{"optimizer": s}], lambda s: [{0: s, 1: s}]])
def test_steps_of_groups_are_asked_for(wrap: Any) -> None:
    check_steps(wrap(stepped()))
    old = stepped()
    for group in old["param_groups"]:
        del group["step"]
    with refused("optimizer-without-step", fix="init_from=CHECKPOINT"):
        check_steps(wrap(old))


def test_no_state_is_no_error() -> None:
    check_steps(None)
    check_steps([{"param_groups": [{"params": [], "lr": 0.1}]}])
