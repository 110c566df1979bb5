"""Which format a source has, how it is cut for several processes, and its records."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from corpus.markup import check_markup
from corpus.readers.fasta import read_fasta_stream
from corpus.readers.fastq import read_fastq_stream
from corpus.readers.jsonl import read_jsonl_stream
from corpus.readers.megatron import cut_documents, is_megatron, read_megatron
from corpus.readers.parquet import read_parquet, row_group_bytes
from corpus.readers.sharded_eden import read_sharded_eden
from corpus.readers.twobit import SIGNATURE, read_table, read_twobit
from corpus.scan.batch import Batch
from corpus.source_format import Format
from corpus.streams.compression import STANDARD_INPUT, Look, Observe, look_at, open_source
from foundation.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Slice:
    """A part of a source that is read by itself.

    `start` to `stop`, in units of the format: stored bytes of an uncompressed FASTA or JSONL file, row groups of a
    Parquet file, sequences of a 2bit file, documents of a Megatron dataset; 0 and None for the whole of any. A record
    belongs to the slice in which its first byte lies.
    """

    path: Path
    format: Format
    start: int = 0
    stop: int | None = None


def detect_format(path: Path, look: Look | None = None) -> Format:
    """The format that the first bytes of `path` show; where they show none, that of its extension, whose reader says
    what is wrong. Of a Megatron dataset the `.idx` shows it. `look`: one that was taken before.

    Errors: `InputError` where neither shows one, or `open_source`'s.
    """
    if is_megatron(path):
        return Format.MEGATRON
    look = look or look_at(path)
    head, compressed = look.head, look.compressed
    if not head and not compressed:
        raise InputError("is empty", where=path, fix="Leave it out, or fetch it again.", kind="empty-file")
    format = next((format for magic, format in _MAGIC.items() if head.startswith(magic)), None)
    if format and compressed:
        raise InputError(
            f"is compressed {format.value}", where=path, fix="Decompress it first.", kind="compressed-format"
        )
    format = format or _MARKS.get(head.lstrip()[:1]) or _EXTENSIONS.get(_extension(path))
    if format is None and path.suffix == ".bin":
        fix = f"A Megatron dataset needs {path.with_suffix('.idx').name} beside it."
        raise InputError("has no known format", where=path, fix=fix, kind="bin-without-idx")
    if format is None:
        raise InputError(
            f"has no known format: it starts with {head[:16]!r}", where=path, fix=_FIX, kind="unknown-format"
        )
    if path == STANDARD_INPUT and format in _SEEKING:
        raise InputError(
            f"is {format.value}, which is not read from a pipe",
            where="standard input",
            fix="Name a file.",
            kind="format-from-pipe",
        )
    return format


def slices(path: Path, format: Format, target_bytes: int, look: Look | None = None) -> list[Slice]:
    """`path` in parts of about `target_bytes` stored bytes, in order; one part where the format cannot be cut.

    `look`: one that was taken before.
    """
    cuts = [0, *_cuts(path, format, target_bytes, look)]
    stops = [*cuts[1:], None]
    return [Slice(path=path, format=format, start=a, stop=b) for a, b in zip(cuts, stops, strict=True)]


def read_slice(slice: Slice, *, field: str | None, markup: bool, observe: Observe | None = None) -> Iterator[Batch]:
    """The records of `slice`, numbered from 1.

    Letters are not checked, but for text with `markup`: `corpus.scan.foreign_letters` makes the error of a record that
    has others than nucleotides.

    Parameters
    ----------
    field : str, optional
        The field or column of the sequences in JSONL and Parquet.
    markup : bool
        Whether the text of JSONL, Parquet and Megatron datasets may have OpenGenome2's tags and joins; then all of it
        is checked here.
    observe : callable, optional
        Gets each block of stored bytes that is read, in the order of reading.
    """
    if not (markup and slice.format in TEXT):
        yield from _batches(slice, field, observe)
        return
    for batch in _batches(slice, field, observe):
        check_markup(batch, slice.path)
        yield batch


def _batches(slice: Slice, field: str | None, observe: Observe | None) -> Iterator[Batch]:
    path, start, stop = slice.path, slice.start, slice.stop
    whole = not start and stop is None  # no other process reads the rest
    match slice.format:
        case Format.FASTA:
            where = f"{path}, from byte {start:,}" if start else str(path)
            with open_source(path, observe, start=max(start - 1, 0), ahead=whole) as stream:
                yield from read_fasta_stream(stream, where, start=start, stop=stop)
        case Format.FASTQ:
            with open_source(path, observe, ahead=whole) as stream:
                yield from read_fastq_stream(stream, path)
        case Format.JSONL:
            with open_source(path, observe, start=max(start - 1, 0), ahead=whole) as stream:
                yield from read_jsonl_stream(stream, path, field=field, start=start, stop=stop)
        case Format.PARQUET:
            yield from read_parquet(path, field=field, start=start, stop=stop, observe=observe)
        case Format.TWOBIT:
            yield from read_twobit(path, start=start, stop=stop, observe=observe)
        case Format.SHARDED_EDEN:
            yield from read_sharded_eden(path, observe=observe)
        case Format.MEGATRON:
            yield from read_megatron(path, start=start, stop=stop, observe=observe)


def _cuts(path: Path, format: Format, target: int, look: Look | None) -> list[int]:
    """Where to cut, in units of the format."""
    if path == STANDARD_INPUT:
        return []
    if format in (Format.FASTA, Format.JSONL):
        look = look or look_at(path)
        parts = 1 if look.compressed else max(-(-look.bytes // target), 1)
        return [look.bytes * part // parts for part in range(1, parts)]
    if format is Format.PARQUET:
        return _grouped(row_group_bytes(path), target)
    if format is Format.TWOBIT:
        offsets = [entry.offset for entry in read_table(path)]
        return _grouped([max(after - before, 0) for before, after in itertools.pairwise(offsets)] + [0], target)
    if format is Format.MEGATRON:
        return cut_documents(path, target)
    return []


def _grouped(sizes: list[int], target: int) -> list[int]:
    """Indices at which to cut a sequence of `sizes`, so that each part has about `target`."""
    cuts, gathered = [], 0
    for index, size in enumerate(sizes):
        if gathered and gathered + size > target:
            cuts.append(index)
            gathered = 0
        gathered += size
    return cuts


def _extension(path: Path) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() not in _COMPRESSED]
    return suffixes[-1] if suffixes else ""


TEXT = (Format.JSONL, Format.PARQUET, Format.MEGATRON)
"""The formats whose text may have markup."""

_SEEKING = (Format.PARQUET, Format.TWOBIT, Format.SHARDED_EDEN, Format.MEGATRON)
_MAGIC = {
    b"PAR1": Format.PARQUET,
    SIGNATURE.to_bytes(4, "little"): Format.TWOBIT,
    SIGNATURE.to_bytes(4, "big"): Format.TWOBIT,
    b"SQLite format 3\0": Format.SHARDED_EDEN,
}
_MARKS = {b">": Format.FASTA, b"@": Format.FASTQ, b"{": Format.JSONL}
_COMPRESSED = {".gz", ".bgz", ".bgzf", ".zst", ".zstd"}
_EXTENSIONS = {
    ".fa": Format.FASTA,
    ".fasta": Format.FASTA,
    ".fna": Format.FASTA,
    ".fq": Format.FASTQ,
    ".fastq": Format.FASTQ,
    ".json": Format.JSONL,
    ".jsonl": Format.JSONL,
    ".ndjson": Format.JSONL,
    ".parquet": Format.PARQUET,
    ".2bit": Format.TWOBIT,
    ".sqlite": Format.SHARDED_EDEN,
    ".db": Format.SHARDED_EDEN,
}
_FIX = "Give FASTA, FASTQ, JSON lines, Parquet, 2bit, a ShardedEden database or a Megatron .bin with its .idx."
