"""One share of the units of a job, of as much work as every other; it is known without asking the others."""

import heapq
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from evaluation.sharding.job import Item, Job
from foundation.errors import InputError, shown

MOST = 1_000_000
_FORM = re.compile("([0-9]{1,9})/([0-9]{1,9})")


@dataclass(frozen=True, kw_only=True)
class Shard:
    """Shard `number` of `count`, from 1."""

    number: int
    count: int

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def part(self, out: Path) -> Path:
        """Where this shard keeps what it computes for the output `out`."""
        out = out if out.name else out.absolute()  # of a folder: .
        number = f"{self.number:0{len(str(self.count))}}"
        return out.with_name(f"{out.name}.{number}-of-{self.count}.part")


def parse_shard(text: str) -> Shard:
    """Parse a shard from the command line, such as 3/64. Errors: `InputError`."""
    found = _FORM.fullmatch(text)
    if not found:
        fix = "Give its number, from 1, and how many there are: --shard 3/64."
        raise InputError(f"--shard {shown(text)} is not a shard", fix=fix, kind="shard-form")
    number, count = int(found[1]), int(found[2])
    if not 1 <= count <= MOST:
        raise InputError(f"--shard {text}: {count} shards", fix=f"Give 1 to {MOST:,}.", kind="shard-count")
    if not 1 <= number <= count:
        fix = f"Give 1/{count} to {count}/{count}; in a job array of Slurm, use --array=1-{count}."
        raise InputError(f"--shard {text}: there is no shard {number} of {count}", fix=fix, kind="shard-number")
    return Shard(number=number, count=count)


def share(job: Job[Item, object], shard: Shard) -> Iterator[tuple[int, list[Item], bool]]:
    """Every unit of `job` with its number, and whether it is the shard's.

    Each unit goes to the shard that has had the least work so far, the first of several.
    """
    loads = [(0, number) for number in range(1, shard.count + 1)]
    for number, unit in enumerate(job.units()):
        load, owner = loads[0]
        heapq.heapreplace(loads, (load + sum(map(job.work, unit)), owner))
        yield number, unit, owner == shard.number
