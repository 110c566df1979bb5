"""Cases of every target in a process that can be lost, one after the other, or a coverage-guided search of each.

    python tests/support/fuzz.py mutate  FOLDER SEED COUNT [TARGET ...]
    python tests/support/fuzz.py atheris FOLDER SEED COUNT [TARGET ...]

COUNT is for each target. The last line is the summary, in JSON; `FOLDER/failures` gets the bytes of each kind of
failure: another exception than `InputError`, a process that died, a hang, more memory than `MEMORY`.
"""

import contextlib
import importlib
import json
import os
import random
import resource
import signal
import sys
import time
import traceback
import types
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

CPU_SECONDS, SECONDS = 20, 600
"""Of one case, after which it counts as a hang: computing, or waiting (the machine may be busy)."""

MEMORY = 3 << 30
"""Bytes of address space of a case, beyond what the imports take."""

_PACKAGES = ["foundation", "configs", "conversion", "corpus", "evaluation", "tokenizer"]


def main() -> None:
    """Run all, and print what was found."""
    way, folder, seed, count, *names = sys.argv[1:]
    os.environ["OMP_NUM_THREADS"] = "1"  # threads of torch do not survive the fork, and who waits for them hangs
    fuzz_targets = _instrumented() if way == "atheris" else importlib.import_module("fuzz_targets")
    began = time.monotonic()
    targets = fuzz_targets.targets(Path(folder))
    Path(folder, "failures").mkdir()
    for name in names or targets:  # so that no case waits for Numba to compile
        for data in targets[name].seeds:
            with contextlib.suppress(ValueError):
                targets[name].call(data)
    run = _search if way == "atheris" else _mutate
    cases = {name: run(targets[name], Path(folder), int(seed), int(count)) for name in names or targets}
    failures = Counter(path.stem.rpartition("-")[0] for path in Path(folder, "failures").iterdir())
    summary = {"cases": sum(cases.values()), "targets": len(cases), "failures": dict(failures), "by_target": cases}
    print(json.dumps(summary | {"seconds": round(time.monotonic() - began)}))


def _instrumented() -> Any:
    """`fuzz_targets`, with all of our code reporting where it goes; but what Numba compiles has to be as it is."""
    import atheris

    compiled = [name for name in _modules() if "numba" in Path(*name.split(".")).with_suffix(".py").read_text()]
    with atheris.instrument_imports(include=_PACKAGES, exclude=compiled):
        targets = importlib.import_module("fuzz_targets")
    for name in compiled:
        for value in vars(sys.modules[name]).values() if name in sys.modules else ():
            if isinstance(value, types.FunctionType) and value.__module__ == name:
                atheris.instrument_func(value)
    return targets


def _modules() -> list[str]:
    return [".".join(path.with_suffix("").parts) for package in _PACKAGES for path in Path(package).rglob("*.py")]


def _mutate(target: Any, folder: Path, seed: int, count: int) -> int:
    from fuzz_mutation import mutate

    def work(start: int) -> None:
        run = _case_runner(target, folder)
        for number in range(start, count):
            run(number, mutate(target.seeds, random.Random(f"{seed}:{target.name}:{number}")))

    start = 0
    while start < count and (died := _forked(folder, work, start)):
        start = _lost(target, folder, died)
    return count


def _search(target: Any, folder: Path, seed: int, count: int) -> int:
    """libFuzzer, fed with the seeds; it keeps what reaches new code."""
    kept = folder / "coverage" / target.name.replace("/", "_")
    kept.mkdir(parents=True)
    for number, data in enumerate(target.seeds):
        (kept / str(number)).write_bytes(data)

    def work(start: int) -> None:
        import atheris

        run, number = _case_runner(target, folder), start

        def one(data: bytes) -> None:
            nonlocal number
            number += 1
            run(number, data)

        options = [f"-runs={count - start}", f"-seed={seed + start}", "-max_len=65536", "-rss_limit_mb=0", "-timeout=0"]
        atheris.Setup(["fuzz", *options, "-verbosity=0", f"-artifact_prefix={folder}/", str(kept)], one)
        atheris.Fuzz()

    start = 0
    while start < count and (died := _forked(folder, work, start)):
        start = _lost(target, folder, died)
    return count


def _forked(folder: Path, work: Callable[[int], None], start: int) -> int:
    """Run `work` in a child of this process; its wait status, 0 where it came to its end."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        log = os.open(folder / "child_log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        try:
            _limit_memory()
            work(start)
        except SystemExit as end:
            os._exit(int(end.code or 0))
        except BaseException:
            traceback.print_exc()
            os._exit(77)
        os._exit(0)
    return os.waitpid(child, 0)[1]


def _case_runner(target: Any, folder: Path) -> Callable[[int, bytes], None]:
    journal = folder / "case"
    for number in (signal.SIGPROF, signal.SIGALRM):
        signal.signal(number, signal.SIG_DFL)  # which ends the process

    def run(number: int, data: bytes) -> None:
        journal.write_bytes(b"%d\n" % number + data)
        signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
        signal.alarm(SECONDS)
        try:
            target.call(data)
        except Exception as error:
            if type(error).__name__ != "InputError":
                _keep(target, folder, f"{type(error).__name__}-{_place(error)}", data, str(error))
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.alarm(0)

    return run


def _lost(target: Any, folder: Path, status: int) -> int:
    """Keep the case at which a child ended with `status`; the number of the next one."""
    number, _, data = (folder / "case").read_bytes().partition(b"\n")
    how = f"signal{os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"exit{os.WEXITSTATUS(status)}"
    _keep(
        target,
        folder,
        f"{how}-died",
        data,
        ((folder / "child_log").read_text(errors="replace"))[-2000:],
    )
    return int(number) + 1


def _keep(target: Any, folder: Path, kind: str, data: bytes, message: str) -> None:
    name = f"{target.name.replace('/', '_').replace('*', '')}-{kind}"
    for number in range(3):
        path = folder / "failures" / f"{name}-{number}.bin"
        if not path.exists():
            path.write_bytes(data)
            print(json.dumps({"failure": name, "message": message[-500:], "bytes": str(path)}), file=sys.__stderr__)
            (folder / "messages").open("a").write(f"{name}: {message[-1000:]}\n")
            return


def _place(error: Exception) -> str:
    """Where in our code it came from."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if ".venv" not in frame.filename and "/support/" not in frame.filename]
    place = (ours or frames)[-1]
    return f"{Path(place.filename).stem}.{place.lineno}"


def _limit_memory() -> None:
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main()
