"""The part of a shard: a file of the payloads that it has computed, which grows by one unit at a time.

::

    magic | record* | record          number u64 | bytes u64 | XXH3-128 of both and the content | content
            ^header, units             ^end: how many units there are in all

A killed process leaves a truncated record; the next process removes it and continues after the last complete one.
"""

import fcntl
import json
import os
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import xxhash

from evaluation.sharding.job import Payload
from foundation.disk import full_disk, sync
from foundation.errors import InputError
from foundation.regular_file import opener

SUFFIX = ".part"
_MAGIC = b"GLLPART1"
_RECORD = struct.Struct("<QQ16s")
_HEADER, _END = (1 << 64) - 2, (1 << 64) - 1

Header = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Place:
    """A record in a file: its content is [offset, offset + size)."""

    number: int
    offset: int
    size: int
    checksum: bytes


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part on disk. `units`: of all shards together; None while it is not finished."""

    path: Path
    header: Header
    places: Mapping[int, Place]
    units: int | None
    end: int

    def payload(self, unit: int) -> Payload:
        """What was computed of a unit. Errors: `InputError` for damage."""
        from safetensors.numpy import load

        place = self.places[unit]
        with open(self.path, "rb", opener=opener) as file:
            file.seek(place.offset)
            content = file.read(place.size)
        if _checksum(place.number, content) != place.checksum:
            raise _damaged(self.path)
        arrays: Payload = load(content)
        return arrays


def read_part(path: Path, *, check: bool = False) -> Part:
    """The part in a file; the contents of its units are read, and compared with their checksums, where `check` is set.

    A record that is cut off, or with `check` a damaged one, ends it.
    Errors: `InputError` for another file, and for a damaged header.
    """
    places: dict[int, Place] = {}
    header, units = None, None
    try:
        file = open(path, "rb", opener=opener)  # noqa: SIM115 (closed below)
    except OSError as error:
        raise InputError(
            f"cannot be read: {error.strerror}", where=path, fix="Check the path.", kind="cannot-be-read"
        ) from None
    with file:
        if file.read(len(_MAGIC)) != _MAGIC:
            fix = f"Give what a command with --shard wrote, a file that ends in {SUFFIX}."
            raise InputError("is not the part of a shard", where=path, fix=fix, kind="not-a-part")
        end = file.tell()
        for place, content in _records(file, check):
            if header is None:
                header = _json(path, place, content)
            elif place.number == _END:
                units, end = int(_json(path, place, content)["units"]), place.offset + place.size
                break
            else:
                places[place.number] = place
            end = place.offset + place.size
    if header is None:
        raise _damaged(path)
    return Part(path=path, header=header, places=places, units=units, end=end)


def _records(file: BinaryIO, check: bool) -> Iterator[tuple[Place, bytes]]:
    """Whole records from here on, with their contents: of the units where `check` is set."""
    size = os.fstat(file.fileno()).st_size
    while len(head := file.read(_RECORD.size)) == _RECORD.size:
        number, length, checksum = _RECORD.unpack(head)
        place = Place(number=number, offset=file.tell(), size=length, checksum=checksum)
        if place.offset + length > size:
            return
        wanted = check or number in (_HEADER, _END)
        content = file.read(length) if wanted else b""
        if wanted and _checksum(number, content) != checksum:
            return
        file.seek(place.offset + length)
        yield place, content


def _json(path: Path, place: Place, content: bytes) -> Any:
    if place.number not in (_HEADER, _END):
        raise _damaged(path)
    return json.loads(content)


class PartWriter:
    """A part that is open for more. `done`: units that it has; `finished`: all of its shard."""

    def __init__(self, file: BinaryIO, part: Part | None) -> None:
        self._file, self._part = file, part
        self.done = frozenset(part.places) if part else frozenset()
        self.finished = part is not None and part.units is not None

    def payload(self, unit: int) -> Payload:
        """What was computed of a unit that was there when it was opened."""
        assert self._part is not None
        return self._part.payload(unit)

    def add(self, unit: int, payload: Payload) -> None:
        """Write what was computed of a unit, and have it on disk."""
        from safetensors.numpy import save

        self._write(unit, save(dict(payload)))

    def end(self, units: int) -> None:
        """The shard is finished, of a job of so many `units`."""
        self._write(_END, json.dumps({"units": units}).encode())
        self.finished = True

    def begin(self, header: Header) -> None:
        """Write the header of a new part."""
        self._file.write(_MAGIC)
        self._write(_HEADER, json.dumps(header).encode())

    def _write(self, number: int, content: bytes) -> None:
        self._file.write(_RECORD.pack(number, len(content), _checksum(number, content)) + content)
        self._file.flush()
        os.fsync(self._file.fileno())


@contextmanager
def open_part(path: Path, header: Header) -> Iterator[PartWriter]:
    """Open the part at `path` for more units, or begin it.

    Errors: `InputError` for a part of another run or shard, one that another process writes, and a full disk.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    header = json.loads(json.dumps(header))
    with full_disk(path), open(path, "a+b") as file:
        _lock(file, path)
        begun = os.fstat(file.fileno()).st_size > len(_MAGIC) + _RECORD.size
        part = _unless_cut_off(path) if begun else None
        if part is not None:
            _check_same(part, header)
        file.truncate(part.end if part else 0)
        writer = PartWriter(file, part)
        if part is None:
            writer.begin(header)
            sync(path.parent)
        yield writer


def _check_same(part: Part, header: Header) -> None:
    changed = difference(part.header, header) or ("shard" if part.header["shard"] != header["shard"] else None)
    if changed:
        fix = "Give the settings of that run, or remove the file."
        problem = f"belongs to another run, with another {changed}"
        raise InputError(problem, where=part.path, fix=fix, kind="part-of-another-run")


def _unless_cut_off(path: Path) -> Part | None:
    """The part; None where a kill cut off its header."""
    try:
        return read_part(path, check=True)
    except InputError as error:
        if error.kind == "part-damaged":
            return None
        raise


def _lock(file: BinaryIO, path: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        fix = "Wait for it; one process works on a shard."
        raise InputError("is being written by another process", where=path, fix=fix, kind="part-in-use") from None
    except OSError:  # a file system without locks
        return


def difference(one: Header, other: Header) -> str | None:
    """The first thing in which two headers are of different runs, wherever the files of both lie; None of one run."""
    mine, its = _decisive(one), _decisive(other)
    return next((key for key in mine if mine[key] != its.get(key)), None)


def _decisive(header: Header) -> dict[str, Any]:
    """What decides the numbers, by the word for it."""
    made = header["made_from"]
    sources = {name: digest for name, (_, digest) in made["sources"].items()}
    settings = {f"--{name.replace('_', '-')}": value for name, value in made["settings"].items()}
    return {
        "command": made["command"], "model": made["model"][1], "adapter": made.get("adapter", [None])[-1],
        **sources, **settings, "--batch-size": header["batch_size"], "software": made["versions"],
    }  # fmt: skip


def _checksum(number: int, content: bytes) -> bytes:
    digest = xxhash.xxh3_128(struct.pack("<Q", number))
    digest.update(content)
    return digest.digest()


def _damaged(path: Path) -> InputError:
    fix = "Copy it again, or remove it and compute its shard again."
    return InputError("is damaged: its checksum does not match", where=path, fix=fix, kind="part-damaged")
