"""The fields of `common.pt`, each missing, of another type, or beyond what it can be."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conversion.files.archive_writer import Tensor, save
from conversion.megatron.common_state import read_common
from foundation.errors import InputError

SCHEDULER = {"base_lrs": [0.1, 0.2], "min_lr": 0.01, "warmup_steps": 2, "max_steps": 9}
NEMO: dict[str, Any] = {
    "optimizer": [{"param_groups": [{"lr": 0.1, "weight_decay": 0.0}, {"lr": 0.1, "weight_decay": 0.1}]}],
    "global_step": 3,
    "lr_schedulers": [SCHEDULER],
    "datamodule": {"consumed_samples": 12},
}


def read(content: Any, folder: Path) -> Any:
    save(folder / "common.pt", content)
    return read_common(folder / "common.pt", within=folder)


def test_nemos_schedule_becomes_megatrons(tmp_path: Path) -> None:
    state = read(NEMO, tmp_path)
    assert state.step == 3
    assert state.optimizer == NEMO["optimizer"][0]
    assert state.schedule == {
        "max_lr": 0.2,
        "min_lr": 0.01,
        "lr_warmup_steps": 8,
        "lr_decay_steps": 36,
        "lr_decay_style": "cosine",
        "num_steps": 12,
        "start_wd": 0.1,
        "end_wd": 0.1,
        "wd_incr_style": "constant",
        "wd_incr_steps": 36,
    }


def test_the_groups_of_a_distributed_optimizer_are_found(tmp_path: Path) -> None:
    state = read({**NEMO, "optimizer": {"optimizer": NEMO["optimizer"][0]}}, tmp_path)
    assert state.schedule["end_wd"] == 0.1


def test_megatrons_schedule_stays_as_it_is(tmp_path: Path) -> None:
    schedule = {"max_lr": 0.1, "num_steps": 12, "lr_decay_style": "WSD", "wsd_decay_steps": None}
    assert read({**NEMO, "opt_param_scheduler": schedule}, tmp_path).schedule == schedule


@pytest.mark.parametrize("absent", ["lr_schedulers", "datamodule"])
def test_no_schedule_where_the_run_had_none(absent: str, tmp_path: Path) -> None:
    assert read({key: value for key, value in NEMO.items() if key != absent}, tmp_path).schedule == {}


NO_NUMBER = ["x", "x" * 1_000, None, True, [1], {"a": 1}, float("nan"), float("inf")]
NO_COUNT = ["x", "x" * 1_000, None, True, [1], 1.5, -1, 1 << 70]
WRONG = [
    *(("global_step", value) for value in [*NO_COUNT, 1 << 31]),
    *(("optimizer", value) for value in (None, 7, "x", [], [1], [{"a": 1}, {"b": 1}], {1: 2})),
    *(("lr_schedulers", value) for value in (7, "x", {"warmup_steps": 1}, [7], [None], [{1: 2}])),
    *(("lr_schedulers.0.base_lrs", value) for value in (None, 7, [], ["x"], {}, *([x] for x in NO_NUMBER))),
    *(("lr_schedulers.0.min_lr", value) for value in NO_NUMBER),
    *((f"lr_schedulers.0.{key}", value) for key in ("warmup_steps", "max_steps") for value in NO_COUNT),
    *(("optimizer.0.param_groups", value) for value in (None, 7, [], [7], ["x"], {"a": 1}, [{1: 2}])),
    *(("optimizer.0.param_groups.0.weight_decay", value) for value in NO_NUMBER),
    *(("datamodule.consumed_samples", value) for value in NO_COUNT),
    *(("opt_param_scheduler", value) for value in (None, 7, "x", [1], {1: 2}, {"a": [1]}, {"a": "x" * 1_000})),
]


@pytest.mark.parametrize(("place", "value"), WRONG, ids=lambda value: str(value)[:30])
def test_a_field_of_another_type_is_named(place: str, value: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read(changed(NEMO, place.split("."), value), tmp_path)
    assert (caught.value.where, caught.value.kind) == (tmp_path / "common.pt", "common-state")
    assert place.split(".")[-1] in caught.value.problem or "many digits" in caught.value.problem
    assert len(caught.value.problem) < 1_000


def changed(content: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    if isinstance(content, list):
        return [changed(item, path[1:], value) if n == int(path[0]) else item for n, item in enumerate(content)]
    return {**content, path[0]: changed(content.get(path[0]), path[1:], value)}


@pytest.mark.parametrize("content", [None, 7, "x", [], [NEMO], {}, {1: 2}])
def test_something_else_than_a_state(content: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read(content, tmp_path)
    assert caught.value.kind == "common-state"


def test_a_value_many_times_does_not_become_many(tmp_path: Path) -> None:
    """Ten shared references deep: a hundred numbers that would be written 10**10 times."""
    import pickle
    import zipfile

    value: Any = ["x" * 100]
    for _ in range(10):
        value = [value] * 10
    with zipfile.ZipFile(tmp_path / "common.pt", "w") as file:
        file.writestr("archive/data.pkl", pickle.dumps({**NEMO, "optimizer": {"a": value}}, protocol=2))
    with pytest.raises(InputError) as caught:
        read_common(tmp_path / "common.pt", within=tmp_path)
    assert "stands for more" in caught.value.problem


def test_tensors_in_it_are_kept(tmp_path: Path) -> None:
    step = Tensor(dtype="float32", shape=(), rows=[np.zeros((), "<u4")])
    state = read({**NEMO, "optimizer": {"param_groups": [{"step": step}]}}, tmp_path)
    assert state.optimizer["param_groups"][0]["step"].shape == ()
