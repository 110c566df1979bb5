"""Speeds and MFU, against published figures and arithmetic by hand."""

import pytest

from configs.compose import compose_config
from configs.llama import read_architecture
from launch.planning.throughput import peak_tflops
from training.metrics.flops import flops_per_token
from training.metrics.rates import Work


@pytest.fixture(scope="module")
def flops() -> int:
    return flops_per_token(read_architecture("llama3_8b_genomic_config"), 8192)


def test_a_published_row(flops: int) -> None:
    """BioNeMo, OpenGenome2, 48 H100, bf16: 9,927 tokens/s on each, 480 TFLOP/s causal; of 989, 48.5%."""
    rates = Work(devices=48, flops_per_token=flops, peak_tflops=989).rates(
        tokens=384 * 8192, bases=384 * 8000, seconds=384 * 8192 / (9_927 * 48)
    )
    assert rates["tokens_per_second"] == pytest.approx(9_927 * 48)
    assert rates["bases_per_second"] == pytest.approx(9_927 * 48 * 8000 / 8192)
    assert rates["tflops_per_device"] == pytest.approx(480, abs=0.5)
    assert rates["mfu"] == pytest.approx(0.485, abs=5e-4)


def test_what_is_not_known_is_not_made_up() -> None:
    some = Work(devices=1, flops_per_token=100, peak_tflops=None).rates(tokens=10, bases=9, seconds=2.0)
    assert some == {"tokens_per_second": 5.0, "bases_per_second": 4.5, "tflops_per_device": 5e-10, "mfu": None}


def test_the_peak_is_of_the_precision() -> None:
    name = "train_8b_opengenome2"
    assert peak_tflops(compose_config(name)) == 989.4  # h100, bf16
    assert peak_tflops(compose_config(name, ["precision=fp8_current"])) == 1978.9
    assert peak_tflops(compose_config(name, ["precision=fp32"])) is None
    assert peak_tflops(compose_config("train_tiny")) is None
