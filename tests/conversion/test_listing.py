"""The checkpoints of a run are listed while the run takes old ones away."""

import threading
from pathlib import Path

from conversion.listing import list_checkpoints


def test_one_that_is_taken_away_meanwhile_is_left_out(tmp_path: Path) -> None:
    names = ("step=1", "step=2")
    for name in names:
        (tmp_path / name / "weights").mkdir(parents=True)
        for number in range(20):
            (tmp_path / name / "weights" / f"{number}.distcp").touch()
    over = threading.Event()

    def run() -> None:
        while not over.is_set():
            (tmp_path / "step=1").rename(tmp_path / ".step=1")
            (tmp_path / ".step=1").rename(tmp_path / "step=1")

    thread = threading.Thread(target=run)
    thread.start()
    found = [[one.name for one in list_checkpoints(tmp_path)] for _ in range(200)]
    over.set()
    thread.join()
    assert all(one in (["step=2", "step=1"], ["step=2"]) for one in found)
    assert ["step=2"] in found
