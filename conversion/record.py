"""`conversion.json`: where a converted checkpoint came from, and the checksums of what it holds."""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from configs.llama import LlamaArchitecture
from conversion.checkpoint import check_inside
from foundation.checksum import ALGORITHM, xxh3_128
from foundation.errors import InputError
from foundation.sealed import difference
from foundation.typed import from_settings
from foundation.untrusted import read_json
from foundation.versions import version_shown

NAME = "conversion.json"
LIMIT = 1 << 28
_FIX = "Delete it."


@dataclasses.dataclass(frozen=True, kw_only=True)
class TensorRecord:
    """`checksum` is that of the numbers in C order, whatever file and layout they are in."""

    shape: tuple[int, ...]
    dtype: str
    checksum: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class FileRecord:
    """`checksum` of a small file; a file of tensors has none, since its tensors have theirs."""

    bytes: int
    checksum: str | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Conversion:
    """What was converted. `tensors` are named as in Hugging Face, so that they compare between formats.

    `source` is what was asked for, `checkpoint` the one that was taken for it; None in records that do not say.
    `optimizer` has the chunks of its tensors, where its state came along. `adapter_base` is the checkpoint that
    adapters were merged into, `adapter_checksum` that of their tensors, if PEFT wrote them. `not_finite` counts the
    values that are NaN or infinite, by tensor. `run` and `step`: of the training run that the weights are of, where
    known (`conversion.origin`).
    """

    format: str
    source: str
    source_format: str
    parameters: int
    bytes: int
    architecture: dict[str, Any]
    tensors: dict[str, TensorRecord]
    optimizer: dict[str, TensorRecord]
    files: dict[str, FileRecord]
    algorithm: str
    versions: dict[str, str]
    checkpoint: str | None = None
    adapter_base: str | None = None
    adapter_checksum: str | None = None
    not_finite: dict[str, int] = dataclasses.field(default_factory=dict)
    run: str | None = None
    step: int | None = None


def write_record(
    directory: Path,
    *,
    format: str,
    source: Path,
    checkpoint: Path,
    source_format: str,
    architecture: LlamaArchitecture,
    tensors: Mapping[str, TensorRecord],
    optimizer: Mapping[str, TensorRecord],
    size: int,
    large: frozenset[Path],
    run: str | None,
    step: int | None,
    not_finite: Mapping[str, int],
    adapter_base: Path | None,
    adapter_checksum: str | None = None,
) -> Conversion:
    """Write `conversion.json` into `directory`; the files `large` hold tensors.

    It holds no date, so that equal conversions give equal files.
    """
    conversion = Conversion(
        format=format,
        source=str(source),
        checkpoint=str(checkpoint),
        source_format=source_format,
        parameters=architecture.parameters,
        bytes=size,
        optimizer=dict(optimizer),
        adapter_base=None if adapter_base is None else str(adapter_base),
        adapter_checksum=adapter_checksum,
        not_finite=dict(not_finite),
        architecture=dataclasses.asdict(architecture),
        tensors=dict(tensors),
        files={
            path.relative_to(directory).as_posix(): FileRecord(
                bytes=path.stat().st_size, checksum=None if path in large else xxh3_128(path)
            )
            for path in sorted(directory.rglob("*"))
            if path.is_file()
        },
        algorithm=ALGORITHM,
        versions={name: version_shown(name) for name in ("genomic-llama", "numpy", "xxhash")},
        run=run,
        step=step,
    )
    content = json.dumps(dataclasses.asdict(conversion), indent=1)
    (directory / NAME).write_text(content + "\n", encoding="utf-8")
    return conversion


def read_record(directory: Path) -> Conversion | None:
    """The record in `directory`, or None where there is none. Errors: `InputError` for one that is damaged."""
    path = directory / NAME
    if not path.is_file():
        return None
    check_inside(path, directory)
    record = from_settings(Conversion, read_json(path, limit=LIMIT), str(path), fix=_FIX)
    if record.algorithm != ALGORITHM:
        raise InputError(
            f"its checksums are {record.algorithm!r}, not {ALGORITHM}", where=path, fix=_FIX, kind="checksum-algorithm"
        )
    return record


def check_files(directory: Path, record: Conversion) -> Iterator[str]:
    """What is wrong with the files that `record` names, a sentence each."""
    for name, file in record.files.items():
        try:
            problem = _problem(directory / name, name, file)
        except (OSError, ValueError) as error:  # a name that is too long, or has a NUL
            problem = f"cannot be read ({error})"
        if problem:
            yield f"{name[:200]}: {problem}"


def _problem(path: Path, name: str, file: FileRecord) -> str | None:
    if Path(name).is_absolute() or ".." in Path(name).parts:
        return "leads outside of the checkpoint"
    what = difference(path, bytes=file.bytes, xxh3=file.checksum)
    if what == "size":
        return f"has {path.stat().st_size:,} bytes, {file.bytes:,} were written"
    return {None: None, "missing": "is missing", "checksum": "was changed"}[what]
