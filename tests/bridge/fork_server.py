"""Runs Megatron-Bridge in processes forked from one that has imported it, which takes ten seconds.

A line of JSON on its input starts one: `arguments` (`train …`, or a case of bridge_cases.py), `env` and `log`. It
answers with the process id; the exit status is in LOG.status when the process has ended.
"""

import json
import multiprocessing
import os
import sys
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

_FORK = multiprocessing.get_context("fork")


def main() -> None:
    _import()
    running: dict[Any, tuple[Any, Path]] = {}
    print("ready", flush=True)
    while True:
        for ready in wait([sys.stdin.fileno(), *running]):
            if ready != sys.stdin.fileno():
                process, log = running.pop(ready)
                process.join()
                _write(log, process.exitcode)
                continue
            line = sys.stdin.readline()
            if not line:
                return
            process = _FORK.Process(target=_run, kwargs=(asked := json.loads(line)))
            process.start()
            running[process.sentinel] = process, Path(asked["log"])
            print(process.pid, flush=True)


def _import() -> None:
    from training.bridge.packages import mended_packages

    with mended_packages():
        import megatron.bridge.models.gpt_provider
        import megatron.bridge.training.pretrain  # noqa: F401

        import training.bridge.checkpoints
        import training.bridge.guard
        import training.bridge.log  # noqa: F401


def _run(arguments: list[str], env: dict[str, str], log: str) -> None:
    os.environ |= env
    with open(log, "wb") as file, open(os.devnull, "rb") as nothing:
        for number, opened in ((0, nothing), (1, file), (2, file)):
            os.dup2(opened.fileno(), number)
    first, *others = arguments
    if first == "train":
        from recipes.train import main as train

        if "lora.dim=4" in others:
            from one_start import one_start

            one_start()
        sys.exit(train(others))
    from bridge_cases import main as case

    case(arguments)


def _write(log: Path, status: int) -> None:
    written = log.with_suffix(".writing")
    written.write_text(str(status))
    written.rename(f"{log}.status")


if __name__ == "__main__":
    main()
