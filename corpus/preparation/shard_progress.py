"""The progress of shards, as their workers note it, shown on standard error."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from corpus.preparation.plan import Plan, read_plan
from corpus.preparation.work_folder import WorkFolder
from foundation.progress import Advance, progress_bar

_LOOK = 0.2
"""Seconds between two looks at the progress of the workers."""


@contextmanager
def show_shards(work: WorkFolder, plan: Plan, shards: Sequence[int]) -> Iterator[Callable[[int], None]]:
    """A progress bar over the stored bytes of `shards`; yields what is to be called with each that is finished."""
    sizes = {shard: sum(part.bytes for part in plan.shards[shard].parts) for shard in shards}
    finished: set[int] = set()
    stop = threading.Event()

    def watch(advance: Advance) -> None:
        shown_bytes = shown_bases = 0
        more = True
        while more:
            more = not stop.wait(_LOOK)  # one last look when all is done
            at_work = {shard: read for shard, read in work.progress().items() if shard in sizes}
            read = {shard: min(done, sizes[shard]) for shard, (done, _) in at_work.items()}
            now = sum((read | {shard: sizes[shard] for shard in finished & sizes.keys()}).values())
            bases = sum(bases for _, bases in at_work.values())
            advance(now - shown_bytes, bases - shown_bases)
            shown_bytes, shown_bases = now, bases

    with progress_bar("prepare", total=sum(sizes.values()) or None, unit="B", rate="bases") as advance:
        watcher = threading.Thread(target=watch, args=(advance,), daemon=True)
        watcher.start()
        try:
            yield finished.add
        finally:
            stop.set()
            watcher.join()


@contextmanager
def show_shard(folder: Path, shard: int) -> Iterator[None]:
    """The progress of one shard, which this process prepares in the working folder at `folder`; others may be at work.

    Errors: `InputError` where there is no plan.
    """
    work = WorkFolder(path=Path(folder).absolute())
    plan = read_plan(work.plan)
    with show_shards(work, plan, [shard] if 0 <= shard < len(plan.shards) else []) as done:
        yield
        done(shard)
