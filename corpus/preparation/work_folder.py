"""Where a preparation keeps what is finished until all is: a hidden folder beside the corpus to be.

.NAME.prepare/plan.json       what there is to do
.NAME.prepare/shards/00003/   a finished shard: its files, and `result.json`; it has this name when it is durable
.NAME.prepare/progress/00003  stored bytes and bases read so far
.NAME.prepare/corpus/         the corpus, put together from links to the files of the shards
"""

import contextlib
import fcntl
import os
import shutil
import struct
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from foundation.disk import sync
from foundation.errors import InputError
from foundation.temporary import locked

_PROGRESS = struct.Struct("<qq")
_PAUSE = 0.05  # seconds between two notes of a worker's progress


@dataclass(frozen=True, kw_only=True)
class WorkFolder:
    """The working folder at `path`."""

    path: Path

    @classmethod
    def of_output(cls, out: Path) -> "WorkFolder":
        """The one of the corpus `out`."""
        out = out.absolute()
        return cls(path=out.parent / f".{out.name}.prepare")

    @property
    def out(self) -> Path:
        """The corpus to be."""
        return self.path.parent / self.path.name.removeprefix(".").removesuffix(".prepare")

    @property
    def plan(self) -> Path:
        return self.path / "plan.json"

    @property
    def corpus(self) -> Path:
        return self.path / "corpus"

    def shard(self, shard: int) -> Path:
        """Where a finished shard is."""
        return self.path / "shards" / f"{shard:05d}"

    def redrawn(self, shard: int) -> Path:
        """Where a shard is whose documents were drawn again."""
        return self.path / "redrawn" / f"{shard:05d}"

    @property
    def has_shards(self) -> bool:
        """Whether there is a finished shard, of this plan or of an earlier one."""
        return any((self.path / "shards").glob("[!.]*"))

    @contextmanager
    def new_shard(self, shard: int) -> Iterator[Path]:
        """An empty folder that becomes the finished `shard`, durable first, when the context ends without an error.

        What workers that were killed left of the same shard is removed; one that is at work is left in peace.
        """
        final = self.shard(shard)
        for left in final.parent.glob(f".{final.name}.*"):
            with locked(left) as stale:
                if stale:
                    shutil.rmtree(left, ignore_errors=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{final.name}.", dir=final.parent))
        try:
            with locked(temporary):
                yield temporary
                for path in (*temporary.iterdir(), temporary):
                    sync(path)
                shutil.rmtree(final, ignore_errors=True)
                temporary.replace(final)
                sync(final.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def remove(self) -> None:
        """Remove it with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Make it where it is not there, and hold it for one preparation; it goes at an error if no shard is finished.

        Errors: `InputError` where another one holds it, on this machine.
        """
        try:
            for folder in (self.path / "shards", self.path / "progress"):
                folder.mkdir(parents=True, exist_ok=True)
            with self._lock() as acquired:
                if not acquired:
                    fix = "Wait for it, or choose another output."
                    raise InputError(
                        "is being prepared by another process", where=self.path, fix=fix, kind="prepared-by-another"
                    )
                yield
        except BaseException:
            with contextlib.suppress(FileNotFoundError), self._lock() as acquired:
                if acquired and not self.has_shards:
                    self.remove()
            raise

    @contextmanager
    def _lock(self) -> Iterator[bool]:
        """Whether it is held by this context; by a file opened to write, which NFS asks for."""
        with open(self.path / "lock", "w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                acquired = True
            except OSError:
                acquired = False
            yield acquired

    def progress(self) -> dict[int, tuple[int, int]]:
        """Stored bytes and bases read so far of each shard that was begun since `forget_progress`."""
        contents = {int(path.name): path.read_bytes() for path in (self.path / "progress").iterdir()}
        return {shard: _PROGRESS.unpack(content) for shard, content in contents.items() if content}

    def forget_progress(self) -> None:
        """Forget what an earlier run did."""
        for path in (self.path / "progress").iterdir():
            path.unlink()

    @contextmanager
    def reporting(self, shard: int) -> Iterator["Report"]:
        """For the worker of a shard: a function that notes its progress."""
        handle = os.open(self.path / "progress" / f"{shard:05d}", os.O_WRONLY | os.O_CREAT, 0o666)
        try:
            report = Report(handle)
            yield report
            report.write()
        finally:
            os.close(handle)


class Report:
    """Call with stored bytes and bases just read, from any thread; they are written at most twenty times a second."""

    def __init__(self, handle: int) -> None:
        self._handle, self._bytes, self._bases, self._written = handle, 0, 0, 0.0
        self._lock = threading.Lock()

    def __call__(self, stored_bytes: int, bases: int) -> None:
        with self._lock:
            self._bytes, self._bases = self._bytes + stored_bytes, self._bases + bases
            if time.monotonic() - self._written > _PAUSE:
                self.write()

    def write(self) -> None:
        """Write what is known now."""
        os.pwrite(self._handle, _PROGRESS.pack(self._bytes, self._bases), 0)
        self._written = time.monotonic()
