"""Time and peak anonymous memory of a process with its children."""

import os
import resource
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

_PAUSE = 0.02  # seconds between two looks at the memory


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """Wall-clock `seconds`, and the peak of `anonymous` memory in bytes."""

    seconds: float
    anonymous: int


def measure(command: list[str], *, limit: int | None = None) -> Measurement:
    """Run `command` to its end. Its private memory is limited to `limit` bytes (RLIMIT_DATA), where given.

    Errors: `RuntimeError` with its output where it fails.
    """

    def bound() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))

    with tempfile.TemporaryFile() as output:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, preexec_fn=bound)
        peak = 0
        while process.poll() is None:
            peak = max(peak, _anonymous(process.pid))
            time.sleep(_PAUSE)
        seconds = time.perf_counter() - start
        if process.returncode:
            output.seek(0)
            raise RuntimeError(f"{command} failed:\n{output.read().decode(errors='replace')[-3000:]}")
    return Measurement(seconds=seconds, anonymous=peak)


def _anonymous(pid: int) -> int:
    """RssAnon of the process and of its children, in bytes."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()
    except OSError:  # it has just ended
        return 0
    own = sum(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("RssAnon"))
    return own + sum(_anonymous(int(child)) for child in children if os.path.exists(f"/proc/{child}"))
