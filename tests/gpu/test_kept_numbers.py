"""Gradients, moments and master weights have the formats that a precision says, in the live objects of a run."""

import functools
import json
from pathlib import Path
from typing import Any

import pytest
from gpu_cases import arguments
from gpu_process import BLACKWELL, HOPPER, train_on_gpus
from number_cases import write_kept

NARROW: dict[str, Any] = {
    "gradients": ["bfloat16"],
    "moments": ["float32"],
    "adam": ["int16"],
    "megatron": [],
    "gathered while computing": True,
    "gathered in gradients": False,
    "collects by itself": False,
    "collected every": [100, 100],
}
"""bf16 as the GPU layouts have it: a master weight is the 16 bits that its bf16 weight lacks."""

CASES: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "bf16": (("precision=bf16",), {}),
    "gradients in fp32": (("precision.grad_reduce_in_fp32=true",), {"gradients": ["float32"]}),
    "moments in bf16": (("precision.moments=bfloat16",), {"moments": ["bfloat16"]}),
    "fp8_delayed": (("precision=fp8_delayed",), {"adam": ["float32"]}),
    "fp8_current": (("precision=fp8_current",), {"adam": [], "megatron": ["float32"]}),
    "mxfp8": (
        ("precision=mxfp8",),
        {
            "adam": [],
            "megatron": ["float32"],
            "gathered while computing": False,
            "gathered in gradients": True,
        },
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_numbers_are_kept_as_the_precision_says(name: str, corpus: Path, tmp_path: Path) -> None:
    values, other = CASES[name]
    capability = BLACKWELL if name == "mxfp8" else HOPPER
    out, log = tmp_path / "kept", tmp_path / "log"
    words = arguments(tmp_path / "run", corpus, *values, "trainer.validate_every=100", steps=1, capability=capability)
    target = functools.partial(write_kept, out)
    assert train_on_gpus(1, *words, log=log, capability=capability, target=target) == 0, log.read_text()[-3000:]
    assert json.loads(out.read_text()) == {**NARROW, **other}
