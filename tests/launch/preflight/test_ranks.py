"""A world of another size than the configuration's is refused before anything heavy is imported."""

import os

import pytest

from configs.schema import HardwareConfig
from foundation.errors import InputError
from launch.preflight.machine import check_ranks

TWO_NODES = HardwareConfig(accelerator="cpu", devices=2, num_nodes=2)
STEP = {"SLURM_JOB_ID": "7", "SLURM_JOB_NAME": "x", "SLURM_STEP_ID": "0", "SLURM_PROCID": "1"}
BATCH = {"SLURM_JOB_ID": "7", "SLURM_JOB_NAME": "x", "SLURM_PROCID": "0"}
TORCHRUN = {"TORCHELASTIC_RUN_ID": "x", "RANK": "0"}


@pytest.mark.parametrize(
    ("environment", "kind"),
    [
        ({}, None),
        ({**STEP, "SLURM_NTASKS": "4"}, None),
        ({**STEP, "SLURM_NTASKS": "1"}, "world-size"),
        ({**STEP, "SLURM_NTASKS": "8"}, "world-size"),
        ({**BATCH, "SLURM_NTASKS": "1"}, "world-size"),
        ({**BATCH, "SLURM_NTASKS": "4"}, "outside-srun"),
        ({**BATCH, "SLURM_NTASKS": "1", "SLURM_JOB_NAME": "interactive"}, None),
        ({**TORCHRUN, "WORLD_SIZE": "4"}, None),
        ({**TORCHRUN, "WORLD_SIZE": "2"}, "world-size"),
        ({**BATCH, "SLURM_NTASKS": "1", **TORCHRUN, "WORLD_SIZE": "4"}, None),
        ({"LOCAL_RANK": "1", "WORLD_SIZE": "2"}, None),
    ],
)
def test_ranks(environment: dict[str, str], kind: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("SLURM_", "TORCHELASTIC", "LOCAL_RANK")):
            monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    if kind is None:
        check_ranks(TWO_NODES)
        return
    with pytest.raises(InputError) as refused:
        check_ranks(TWO_NODES)
    assert (refused.value.kind, refused.value.where) == (kind, "hardware.devices=2 with hardware.num_nodes=2")


def test_a_machine_of_one_rank_needs_no_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**BATCH, "SLURM_NTASKS": "1"}.items():
        monkeypatch.setenv(name, value)
    check_ranks(HardwareConfig(accelerator="cpu", devices=1))
