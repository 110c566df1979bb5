"""What `--engine vllm` refuses; vLLM itself is not at hand."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from refusal import refused

from evaluation.generation.sampling import Sampling
from evaluation.generation.vllm import check_vllm


def test_what_vllm_cannot_do_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with refused("vllm-not-installed", fix="pip install vllm"):
        check_vllm(Sampling(length=5))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    check_vllm(Sampling(length=5, top_p=0.5, min_p=0.1, samples=3))
    options: dict[str, dict[str, Any]] = {
        "--forbid": {"forbid": ("GAATTC",)},
        "--gc": {"gc": (0.4, 0.6)},
        "--repetition-penalty": {"repetition_penalty": 1.5},
    }
    for name, given in options.items():
        with refused("engine-option", fix=name):
            check_vllm(Sampling(length=5, **given))
    with refused("engine-option", fix="--batch-size"):
        check_vllm(Sampling(length=5), 8)
    with refused("engine-option", fix="--adapter"):
        check_vllm(Sampling(length=5), None, Path("adapter"))
