"""Each emulated kernel computes its plain formula in fp64, and takes the arguments of the real one."""

import inspect
from pathlib import Path

import kernel_cases
import pytest
from gpu_process import run_on_gpus

from benchmarks.emulated_gpu.extension import interface, load
from benchmarks.emulated_gpu.kernels.registry import KERNELS


@pytest.mark.parametrize("name", [case.__name__ for case in kernel_cases.CASES])
def test_a_kernel_computes_its_formula(name: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert run_on_gpus(kernel_cases.run, name, log=log) == 0, log.read_text()[-3000:]


def test_the_benchmark_compares_them(tmp_path: Path) -> None:
    """On a GPU with the real ones; here with themselves, so that its code is known to run."""
    log = tmp_path / "log"
    assert run_on_gpus(kernel_cases.compare_with_itself, log=log) == 0, log.read_text()[-3000:]


def test_each_has_the_arguments_of_the_real_one() -> None:
    """As Transformer Engine's source at v2.9 has them (`interface.txt`), by name where it takes names."""
    load()
    assert KERNELS.keys() <= interface().keys()
    for name, function in KERNELS.items():
        assert arguments(function) == interface()[name], name


def arguments(function: object) -> list[str]:
    """The arguments, written as `interface` does."""
    words = []
    for parameter in inspect.signature(function).parameters.values():  # type: ignore[arg-type]
        if parameter.kind is parameter.KEYWORD_ONLY:
            words.append("*")
        words.append(parameter.name + ("=" if parameter.default is not parameter.empty else ""))
    positional = [one for one in inspect.signature(function).parameters.values() if one.kind is one.POSITIONAL_ONLY]  # type: ignore[arg-type]
    return words + (["/"] if positional else [])
