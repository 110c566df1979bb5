"""Learning rates are their formulas to the last bit, and a schedule that cannot be is refused."""

import dataclasses
import math
import warnings

import pytest
from refusal import refused

from configs.compose import compose_config
from launch.planning.schedule import learning_rate
from launch.preflight.check import check_config

COSINE = {"schedule": "cosine", "lr": 2e-3, "min_lr": 2e-4, "warmup_steps": 20, "schedule_steps": 150}
WSD = {**COSINE, "schedule": "wsd", "decay_steps": 30}


def rates(values: dict[str, object], steps: int, decay: str = "minus_sqrt") -> list[float]:
    return [learning_rate(step, **{"decay_steps": 0, "decay": decay, **values}) for step in range(steps)]  # type: ignore[arg-type]


def test_cosine_is_nemos_own() -> None:
    """NeMo's CosineAnnealing, stepped; equal, not close."""
    import torch
    from nemo.core.optim.lr_scheduler import CosineAnnealing

    warnings.simplefilter("ignore")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=2e-3)
    theirs = CosineAnnealing(optimizer, max_steps=150, warmup_steps=20, constant_steps=0, min_lr=2e-4)
    expected = []
    for _ in range(160):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        theirs.step()
    assert rates(COSINE, 160) == expected


@pytest.mark.parametrize("decay", ["minus_sqrt", "linear"])
def test_wsd_is_megatron_cores_after_the_warm_up(decay: str) -> None:
    import torch
    from megatron.core.optimizer_param_scheduler import OptimizerParamScheduler

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=2e-3)
    theirs = OptimizerParamScheduler(
        optimizer,
        init_lr=0.0,
        max_lr=2e-3,
        min_lr=2e-4,
        lr_warmup_steps=20,
        lr_decay_steps=150,
        lr_decay_style="WSD",
        start_wd=0.0,
        end_wd=0.0,
        wd_incr_steps=150,
        wd_incr_style="constant",
        wsd_decay_steps=30,
        lr_wsd_decay_style=decay,
    )
    expected = []
    for _ in range(160):
        expected.append(theirs.get_lr({}))
        theirs.step(1)
    assert rates(WSD, 160, decay)[20:] == pytest.approx(expected[20:], rel=1e-12, abs=0)


def test_wsd_by_hand() -> None:
    found = rates(WSD, 152)
    assert found[0] == 2e-3 / 21
    assert found[9] == pytest.approx(2e-3 * 10 / 21)
    assert set(found[20:121]) == {2e-3}
    assert found[135] == pytest.approx(2e-4 + 1.8e-3 * (1 - math.sqrt(0.5)))
    assert found[150] == found[151] == 2e-4
    assert rates(WSD, 152, "linear")[135] == pytest.approx(1.1e-3)
    assert rates({**WSD, "warmup_steps": 0}, 1) == [2e-3]


REFUSED = {
    "optimizer.schedule=wds": ("optimizer.schedule=wds", "cosine, wsd"),
    "optimizer.schedule=wsd": ("optimizer.decay_steps=0", "130"),
    "optimizer.schedule=wsd optimizer.decay_steps=131": ("optimizer.decay_steps=131", "130"),
    "optimizer.decay_steps=10": ("optimizer.decay_steps=10", "optimizer.schedule=wsd"),
    "optimizer.decay=exponential": ("optimizer.decay=exponential", "minus_sqrt, linear"),
    "optimizer.min_lr=0.1": ("optimizer.min_lr=0.1", "min_lr"),
    "optimizer.warmup_steps=150": ("optimizer.warmup_steps=150", "warm-up"),
    "optimizer.clip_grad=-1": ("optimizer.clip_grad=-1", "0"),
    "optimizer.z_loss=-0.1": ("z_loss=-0.1", "0"),
    "optimizer.embedding_init_std=0": ("optimizer.embedding_init_std=0", "above 0"),
}


@pytest.mark.parametrize("override", REFUSED)
def test_what_cannot_be_is_refused_by_name(override: str) -> None:
    names, fix = REFUSED[override]
    with refused("settings-rule", names=names, fix=fix):
        check_config(compose_config("train_tiny", override.split()))


def test_the_shipped_schedule_is_a_schedule() -> None:
    config = compose_config("train_1b", ["optimizer=wsd"])
    check_config(config)
    values = dataclasses.asdict(config.optimizer)
    known = {key: values[key] for key in ("schedule", "lr", "min_lr", "warmup_steps", "schedule_steps", "decay_steps")}
    assert learning_rate(90_000, decay=values["decay"], **known) == 3e-4
    assert learning_rate(100_000, decay=values["decay"], **known) == 0.0
