"""Sequence to read with a model: FASTA records, the documents of a corpus, or the regions of a BED file."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from corpus.letters import BAR, JOINS
from evaluation.likelihood.bed import read_bed, say_blocks
from evaluation.rna import AsDna
from foundation.errors import InputError
from tokenizer.sequence import Ids, encode, not_nucleotides, reverse_complement, to_upper


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

    Errors: `InputError` for characters that are not nucleotides.
    """
    minus = reverse != (region.strand == "-")
    context = reverse_complement(region.after) if minus else region.before
    ids = reverse_complement(region.ids) if minus else region.ids
    read = to_upper(np.concatenate([context, ids]) if len(context) else ids)
    if strange := not_nucleotides(read.tobytes().translate(None, JOINS)):
        shown, tags = strange[:10].decode("latin-1"), BAR in strange
        problem = "has tags of OpenGenome2" if tags else f"has characters that are not nucleotides: {shown!r}"
        fix = "Prepare the corpus from text without |...| tags." if tags else "Remove the record, or repair the file."
        raise InputError(problem, where=f"record {region.name!r}", fix=fix, kind="tags" if tags else "not-dna")
    return read, len(context)


def read_regions(
    source: Path, *, split: str | None = None, bed: Path | None = None, flank: int = 0
) -> Iterator[Region]:
    """Regions of a FASTA file (its records, or those of `bed`), or of one split of a prepared corpus, in order.

    U of RNA is read as T, which is said.
    """
    if bed is not None:
        yield from _bed_regions(source, bed, flank)
    elif split is not None:
        from corpus.read import read_documents

        for name, ids in read_documents(source, split):
            yield Region(name=name, contig=name, ids=ids)
    else:
        from corpus.readers.fasta import read_fasta

        as_dna = AsDna(source)
        for record in read_fasta(source):
            ids = as_dna(encode(record.sequence), record.name)
            yield Region(name=record.name, contig=record.name, ids=ids)


def load_contigs(fasta: Path, names: Iterable[str]) -> dict[str, Ids]:
    """The records of `fasta` that `names` names, with and without a leading "chr" taken for the same, under `names`.

    The very name wins over another's alias. Memory: their length. Missing ones are left out. U is read as T.
    Errors: `InputError` for a name that comes twice in the file.
    """
    from corpus.readers.fasta import read_fasta

    wanted: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        for alias in {name, f"chr{name}", name.removeprefix("chr")}:
            wanted.setdefault(alias, []).append(name)
    found: dict[str, Ids] = {}
    seen: set[str] = set()
    as_dna = AsDna(fasta)
    for record in read_fasta(fasta):
        if record.name in seen:
            problem = f"has two records {record.name!r}"
            raise InputError(problem, where=fasta, fix="Keep one of them.", kind="duplicate-name")
        if matches := wanted.get(record.name):
            seen.add(record.name)
            ids = as_dna(encode(record.sequence), record.name)
            found |= {name: ids for name in matches if name == record.name or name not in seen}
    return found


def check_names(fasta: Path, out: Path, *, bed: Path | None = None) -> None:
    """Refuse two records of `fasta`, or two regions of `bed`, of one name, for `out`, which has one value of a name.

    Standard input, which is read once, is not looked at. Errors: `InputError` with both places.
    """
    numbers: dict[str, int] = {}
    for number, name in _names(fasta, bed):
        first = numbers.setdefault(name, number)
        if first != number:
            where = f"{bed}, lines {first} and {number}" if bed else f"{fasta}, records {first} and {number}"
            problem = f"are both named {name!r}, and {out.name} needs names that differ"
            raise InputError(problem, where=where, fix="Name them apart, or write Parquet.", kind="duplicate-name")


def _names(fasta: Path, bed: Path | None) -> Iterator[tuple[int, str]]:
    from corpus.readers.fasta import read_fasta

    if bed is not None:
        yield from ((line.number, line.name) for line in read_bed(bed))
    elif fasta != Path("-"):
        yield from enumerate((record.name for record in read_fasta(fasta)), start=1)


def _bed_regions(fasta: Path, bed: Path, flank: int) -> Iterator[Region]:
    lines = list(read_bed(bed))
    say_blocks(bed, lines)
    contigs = load_contigs(fasta, {line.contig for line in lines})
    for line in lines:
        where = f"{bed}, line {line.number}"
        if line.contig not in contigs:
            problem, fix = f"{line.contig!r} is not a record of {fasta}", "Give the matching FASTA file."
            raise InputError(problem, where=where, fix=fix, kind="bed-contig")
        whole = contigs[line.contig]
        if line.end > len(whole):
            problem = f"ends at {line.end:,}, {line.contig} has {len(whole):,} bases"
            raise InputError(problem, where=where, fix="Give the genome that the regions are of.", kind="bed-end")
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
