"""Sequence to read with a model: FASTA records, the documents of a corpus, or the regions of a BED file."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np

from foundation.errors import InputError
from tokenizer.sequence import Ids, encode, not_nucleotides, reverse_complement, to_upper

_JOINTS = b"@#"  # OpenGenome2 joins stitched pieces and contigs with them


@dataclass(frozen=True, kw_only=True)
class Region:
    """The bases [start, start + len(ids)) of `contig`, case kept; `before` and `after` are context, never scored.

    `strand` is "-" where a BED file says so: then its forward reading is that of the reverse complement.
    `contig_length`: bases of the whole contig; None where the region is the whole.
    """

    name: str
    ids: Ids
    contig: str = ""
    start: int = 0
    strand: str = "+"
    before: Ids = field(default_factory=lambda: encode(b""))
    after: Ids = field(default_factory=lambda: encode(b""))
    contig_length: int | None = None


def oriented(region: Region, *, reverse: bool) -> tuple[Ids, int]:
    """What the model reads, upper case, and where in it the region begins; `reverse` is seen from the region's strand.

    Errors: `InputError` for characters that are no nucleotides.
    """
    minus = reverse != (region.strand == "-")
    context = reverse_complement(region.after) if minus else region.before
    ids = reverse_complement(region.ids) if minus else region.ids
    read = to_upper(np.concatenate([context, ids]) if len(context) else ids)
    if strange := not_nucleotides(read.tobytes().translate(None, _JOINTS)):
        shown = strange[:10].decode("latin-1")
        raise InputError(f"has characters that are no nucleotides: {shown!r}", where=f"record {region.name!r}")
    return read, len(context)


def read_regions(
    source: Path, *, split: str | None = None, bed: Path | None = None, flank: int = 0
) -> Iterator[Region]:
    """Regions of a FASTA file (its records, or those of `bed`), or of one split of a prepared corpus, in order."""
    if bed is not None:
        yield from _bed_regions(source, bed, flank)
    elif split is not None:
        from corpus.read import read_documents

        for name, ids in read_documents(source, split):
            yield Region(name=name, contig=name, ids=ids)
    else:
        from corpus.readers.fasta import read_fasta

        for record in read_fasta(source):
            yield Region(name=record.name, contig=record.name, ids=encode(record.sequence))


def load_contigs(fasta: Path, names: Iterable[str]) -> dict[str, Ids]:
    """The records of `fasta` that `names` names, with and without a leading "chr" taken for the same, under `names`.

    The very name wins over another's alias. Memory: their length. Missing ones are left out.
    Errors: `InputError` for a name that comes twice in the file.
    """
    from corpus.readers.fasta import read_fasta

    wanted: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        for alias in {name, f"chr{name}", name.removeprefix("chr")}:
            wanted.setdefault(alias, []).append(name)
    found: dict[str, Ids] = {}
    seen: set[str] = set()
    for record in read_fasta(fasta):
        if record.name in seen:
            raise InputError(f"has two records {record.name!r}", where=fasta, fix="Keep one of them.")
        if matches := wanted.get(record.name):
            seen.add(record.name)
            ids = encode(record.sequence)
            found |= {name: ids for name in matches if name == record.name or name not in seen}
    return found


def check_disjoint(bed: Path, out: Path) -> None:
    """Refuse a BED file whose regions overlap, for `out`, which holds one value a base. Errors: `InputError`."""
    lines = sorted(_bed_lines(bed), key=lambda line: (line.contig, line.start, line.end))
    for one, other in pairwise(lines):
        if one.contig == other.contig and other.start < one.end:
            where = f"{bed}, lines {one.number} and {other.number}"
            problem = f"two regions of {one.contig} overlap at {other.start:,}, which {out.name} cannot hold"
            raise InputError(problem, where=where, fix="Merge the regions, or write Parquet.")


@dataclass(frozen=True, kw_only=True)
class _Line:
    number: int
    contig: str
    start: int
    end: int
    name: str
    strand: str


def _bed_regions(fasta: Path, bed: Path, flank: int) -> Iterator[Region]:
    lines = list(_bed_lines(bed))
    contigs = load_contigs(fasta, {line.contig for line in lines})
    for line in lines:
        where = f"{bed}, line {line.number}"
        if line.contig not in contigs:
            raise InputError(
                f"{line.contig!r} is no record of {fasta}", where=where, fix="Give the matching FASTA file."
            )
        whole = contigs[line.contig]
        if line.end > len(whole):
            problem = f"ends at {line.end:,}, {line.contig} has {len(whole):,} bases"
            raise InputError(problem, where=where, fix="Give the genome that the regions are of.")
        yield Region(
            name=line.name,
            contig=line.contig,
            start=line.start,
            strand=line.strand,
            ids=whole[line.start : line.end],
            before=whole[max(0, line.start - flank) : line.start],
            after=whole[line.end : line.end + flank],
            contig_length=len(whole),
        )


def _bed_lines(bed: Path) -> Iterator[_Line]:
    """The regions of a BED3 to BED6+ file, plain or gzip; comments, `track` and `browser` lines are left out."""
    from corpus.streams.compression import open_source

    empty = True
    with open_source(bed) as stream:
        for number, raw in enumerate(stream, start=1):
            text = raw.decode("utf-8", "backslashreplace").rstrip("\r\n")
            fields = text.split("\t") if "\t" in text else text.split()
            if not text.strip() or text.startswith("#") or fields[0].split()[:1] in (["track"], ["browser"]):
                continue
            empty = False
            yield _bed_line(fields, f"{bed}, line {number}", number)
    if empty:
        raise InputError("holds no region", where=bed, fix="Give a BED file: contig, start, end.")


def _bed_line(fields: list[str], where: str, number: int) -> _Line:
    if len(fields) < 3 or not all(re.fullmatch("[0-9]{1,15}", field) for field in fields[1:3]):
        raise InputError("is not BED", where=where, fix="A line has a contig, a start from 0 and an end, with tabs.")
    contig, start, end = fields[0], int(fields[1]), int(fields[2])
    if start >= end:
        raise InputError(f"is empty: [{start}, {end})", where=where, fix="The start, from 0, must be below the end.")
    strand = fields[5] if len(fields) > 5 and fields[5] in "+-" else "+"
    name = fields[3] if len(fields) > 3 and fields[3] not in ("", ".") else f"{contig}:{start}-{end}"
    return _Line(number=number, contig=contig, start=start, end=end, name=name, strand=strand)
