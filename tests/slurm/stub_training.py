"""Stands in for `python` in the scripts of the tests: ends as a training run ends, within seconds.

The signals, the words to the script and the decision to be started again are the real ones (`training.stops`). Loading
takes half a second, a step a tenth, and collectives go through files: a rank whose neighbour has died fails in them, as
gloo's do. `STUB` says what happens, by `attempt:what`: 0:crash-load, 0:segv-load, 0:crash-3, 0:guard-3, 0:hang-3,
0:status-75, ask-load, ask-2 (USR1 to itself after two steps), wait (trains until it is asked), full.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from training.ranks import started_ranks
from training.status import HUNG, STOP_SIGNALS, STOPPED
from training.stops import install_signal_handlers, newest_step, record_stop, report_status, request_restart

STEPS = 10

ranks = started_ranks()
assert ranks is not None
run_dir = Path(next(word for word in sys.argv if word.startswith("run_dir=")).partition("=")[2])
attempt = os.environ.get("SLURM_RESTART_COUNT", "0")
told = [one.partition(":") for one in os.environ.get("STUB", "").split(",")]
what = [second or first for first, colon, second in told if not colon or first == attempt]
asked: int = 0


class DeadNeighbourError(RuntimeError):
    """A collective in which a rank did not take part."""


def main() -> int:
    install_signal_handlers(run_dir)
    if "ask-load" in what:
        os.kill(os.getpid(), signal.SIGUSR1)
    time.sleep(0.5)
    misbehave("load")
    if "wait-load" in what:
        meet("loading")  # all ranks listen
        (run_dir / "loading").touch()
        time.sleep(100)
    meet("start")
    for one in STOP_SIGNALS:
        signal.signal(one, listen)
    step = newest_step(run_dir)
    last = max(STEPS, step + 2)
    while step < last or "wait" in what:
        step += 1
        time.sleep(0.1)
        misbehave(str(step))
        if f"ask-{step}" in what:
            os.kill(os.getpid(), signal.SIGUSR1)
        if signum := max(meet(f"step={step}", asked)):
            save(step)
            return leave(f"{signal.Signals(signum).name} after step {step}")
        if ranks.rank == 0:
            (run_dir / "steps").open("a").write(f"{attempt} {step}\n")
    save(step)
    return 0


def misbehave(when: str) -> None:
    """Only the last rank crashes; what a guard or the hang watch finds is known to all."""
    last = ranks.rank == ranks.world - 1
    if f"crash-{when}" in what and last:
        raise RuntimeError("crashed")
    if f"segv-{when}" in what and last:
        os.kill(os.getpid(), signal.SIGSEGV)
    for name, status in (("guard", STOPPED), ("hang", HUNG)):
        if f"{name}-{when}" in what:
            if ranks.rank == 0:
                record_stop(run_dir, f"a {name} at step {when}", status)
            meet(name)
            sys.exit(status)
    if "status-75" in what:
        sys.exit(75)


def listen(signum: int, frame: Any) -> None:
    global asked
    asked = signum


def leave(reason: str) -> int:
    status = request_restart(run_dir, reason) if ranks.rank == 0 else 0
    return max(meet("leave", status))


def save(step: int) -> None:
    if ranks.rank == 0:
        folder = run_dir / "checkpoints" / f"step={step}"
        folder.mkdir(parents=True)
        if "full" in what:
            (folder / "weights").write_bytes(bytes(1 << 30))
        (folder / "manifest.json").write_text("{}")
    meet(f"save={step}")


def meet(name: str, value: int = 0) -> list[int]:
    """An all-gather. A neighbour is dead after half a minute: machines of tests may be slow."""
    folder = run_dir / "meeting" / attempt / name
    folder.mkdir(parents=True, exist_ok=True)
    own = folder / f".{ranks.rank}"
    own.write_text(json.dumps(value))
    own.rename(folder / str(ranks.rank))
    deadline = time.monotonic() + 30
    while len(found := [path for path in folder.iterdir() if path.name[0] != "."]) < ranks.world:
        if time.monotonic() > deadline:
            raise DeadNeighbourError(name)
        time.sleep(0.02)
    return [json.loads(path.read_text()) for path in found]


if __name__ == "__main__":
    run_dir.mkdir(parents=True, exist_ok=True)
    try:
        status = main()
    except Exception:
        report_status(1)  # as `recipes.train.main` does
        raise
    sys.exit(status)
