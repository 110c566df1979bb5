"""A bound on memory, so that a file that asks for more than there is gives an error, and not the end of the process."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from foundation.errors import InputError

_CGROUP = Path("/sys/fs/cgroup")
_UNBOUNDED = 1 << 62


@contextmanager
def bounded_memory(where: object) -> Iterator[None]:
    """While it lasts, memory ends where that of the machine does: an allocation beyond it fails, in any library.

    Without it Linux lets an allocation pass, and kills the process when it is used. Files that are mapped do not count.
    Errors: `InputError` with `where`, in place of `MemoryError`.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    free = available_memory()
    bound = _data() + free
    limits = [bound, *(limit for limit in (soft, hard) if limit != resource.RLIM_INFINITY)]
    resource.setrlimit(resource.RLIMIT_DATA, (min(limits), hard))
    try:
        yield
    except MemoryError as error:
        problem = f"needs more memory than the {free / 1e9:.1f} GB that are free"
        fix = "Check how it was made; if it is right, use a machine with more memory."
        raise InputError(problem, where=where, fix=fix, kind="not-enough-memory") from error
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def available_memory() -> int:
    """Bytes that can still be taken of the machine's memory and of the control group's (a container, a job)."""
    return max(min(_machine(), _control_group()), 0)


def _machine() -> int:
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:")), _UNBOUNDED)


def _control_group() -> int:
    try:
        most = (_CGROUP / "memory.max").read_text(encoding="ascii").strip()
        used = int((_CGROUP / "memory.current").read_text(encoding="ascii"))
        stat = (_CGROUP / "memory.stat").read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):  # in none, or in one of version 1
        return _UNBOUNDED
    cached = sum(int(line.split()[1]) for line in stat if line.startswith(("inactive_file ", "active_file ")))
    return _UNBOUNDED if most == "max" else int(most) - used + cached


def _data() -> int:
    """Bytes of this process that the limit counts: private and writable."""
    lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("VmData:")), 0)
