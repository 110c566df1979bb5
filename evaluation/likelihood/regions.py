"""Sequence to read with a model: FASTA records, the documents of a corpus, or the regions of a BED file."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from corpus.letters import BAR
from corpus.markup import check_markup, is_markup, other_strand, split_tag
from evaluation.likelihood.bed import read_bed, warn_blocks
from evaluation.rna import AsDna
from foundation.errors import InputError
from foundation.spelling import option
from tokenizer.sequence import Ids, encode, foreign_letters, not_nucleotides, reverse_complement, to_upper


@dataclass(frozen=True, kw_only=True)
class Region:
    """The bases [start, start + len(ids)) of `contig`, case kept; `before` and `after` are context, never scored.

    `strand` is "-" where a BED file says so: then its forward reading is that of the reverse complement.
    `tag`: OpenGenome2's, bars included, which comes first whichever strand is read, and is context too.
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
    tag: Ids = field(default_factory=lambda: encode(b""))


def oriented(region: Region, *, reverse: bool) -> tuple[Ids, int]:
    """What the model reads, upper case, and where in it the region begins; `reverse` is seen from the region's strand.

    Errors: `InputError` for characters that are neither nucleotides nor markup.
    """
    minus = reverse != (region.strand == "-")
    context = reverse_complement(region.after) if minus else region.before
    ids = other_strand(region.ids) if minus else region.ids
    if not_nucleotides(ids[~is_markup(ids)].tobytes()):
        letters = foreign_letters(region.ids[~is_markup(region.ids)].tobytes())
        problem = f"has characters that are not nucleotides: {letters!r}"
        fix = "Remove the record, or repair the file."
        raise InputError(problem, where=f"record {region.name!r}", fix=fix, kind="not-dna")
    ahead = len(region.tag) + len(context)
    return to_upper(np.concatenate([region.tag, context, ids]) if ahead else ids), ahead


def bases_of(region: Region) -> int:
    """How many bases it has, without tags and joins."""
    return len(region.ids) - int(is_markup(region.ids).sum())


def letters_scored(region: Region) -> Ids:
    """The region with a bar in place of each letter of tags and joins: what else counts bases counts the same ones."""
    markup = is_markup(region.ids)
    ids = np.where(markup, np.uint8(BAR), region.ids) if markup.any() else region.ids
    return np.concatenate([region.tag[:1], ids]) if len(region.tag) else ids


def read_regions(
    source: Path,
    *,
    split: str | None = None,
    bed: Path | None = None,
    flank: int = 0,
    markup: bool = False,
    tag: Ids | None = None,
) -> Iterator[Region]:
    """Regions of a FASTA file (its records, or those of `bed`), or of one split of a prepared corpus, in order.

    With `markup` records may have OpenGenome2's tags and joins, as documents of a corpus may. `tag` comes before each.
    U of RNA is read as T, which is said.
    Errors: `InputError`, also for a record that has a tag of its own beside `tag`.
    """
    if bed is not None:
        regions = _bed_regions(source, bed, flank)
    elif split is not None:
        regions = _documents(source, split)
    else:
        regions = _tagged_records(source) if markup else _records(source)
    yield from with_tag(regions, tag)


def tag_of(text: str) -> Ids:
    """The tag that a user gives, with or without its bars. Errors: `InputError` if it is not a tag."""
    bars = "" if text.startswith("|") else "|"
    ids, fix = encode(f"{bars}{text}{bars}".encode("utf-8", "replace")), "Give one such as 'd__Bacteria;p__Bacillota'."
    tag, rest = split_tag(ids, "the tag", fix=fix)
    if len(rest) or len(tag) < 3:
        raise InputError(f"{text!r} is not a single tag", where="the tag", fix=fix, kind="not-a-tag")
    return tag


def check_markup_options(markup: bool, tag: str | None, *, bed: Path | None, is_corpus: bool) -> Ids | None:
    """The ids of `tag`, the user's, where it is given. Errors: `InputError` for what does not go together."""
    if markup and (bed is not None or is_corpus):
        which = ", and a corpus says itself" if is_corpus else ""
        problem = f"{option('markup')} goes with the records of a FASTA file{which}"
        raise InputError(problem, fix=f"Leave out {option('markup')}, or {option('bed')}.", kind="markup-without-fasta")
    return None if tag is None else tag_of(tag)


def _documents(corpus: Path, split: str) -> Iterator[Region]:
    from corpus.read import documents_of

    as_dna = AsDna(corpus)
    for document in documents_of(corpus, split):
        region = _region(document.name, document.ids, as_dna, corpus)
        yield replace(region, contig=document.record, start=document.start)


def _records(fasta: Path) -> Iterator[Region]:
    from corpus.readers.fasta import read_fasta

    as_dna = AsDna(fasta)
    for record in read_fasta(fasta):
        ids = as_dna(encode(record.sequence), record.name)
        yield Region(name=record.name, contig=record.name, ids=ids)


def _tagged_records(fasta: Path) -> Iterator[Region]:
    from corpus.readers.fasta import read_fasta_stream
    from corpus.streams.compression import open_source

    as_dna = AsDna(fasta)
    with open_source(fasta) as stream:
        for batch in read_fasta_stream(stream, fasta):
            check_markup(batch, fasta)
            for number, name in enumerate(batch.names):
                yield _region(name, batch.sequence(number), as_dna, fasta)


def _region(name: str, text: Ids, as_dna: AsDna, where: object) -> Region:
    """One whole document or record: the tags that it begins with, and the rest, in which there may be more."""
    tag, ids = (
        split_tag(text, f"{where}, record {name!r}", fix="Repair the record.") if text[0] == BAR else (_NONE, text)
    )
    return Region(name=name, contig=name, ids=as_dna(ids, name), tag=tag)


def with_tag(regions: Iterable[Region], tag: Ids | None) -> Iterator[Region]:
    """`regions` after `tag`, where there is one. Errors: `InputError` for a region that has a tag of its own."""
    for region in regions:
        if tag is None:
            yield region
            continue
        if len(region.tag):
            fix = f"Leave {option('tag')} out, or the record."
            where = f"record {region.name!r}"
            raise InputError("has a tag of its own", where=where, fix=fix, kind="two-tags")
        yield replace(region, tag=tag)


_NONE = encode(b"")


def check_source(source: Path, bed: Path | None) -> None:
    """Before anything slow. Errors: `InputError` for a file that is missing or empty, and for BED without names."""
    from corpus.streams.compression import check_opens

    check_opens(source)
    if source.is_dir() and bed is not None:
        from corpus.records import check_named

        check_named(source)


def load_contigs(fasta: Path, names: Iterable[str]) -> dict[str, Ids]:
    """The records that `names` names, with and without a leading "chr" taken for the same, under `names`.

    `fasta` is a FASTA file, or a corpus that keeps the names of its records. The very name wins over another's alias.
    Memory: their length. Missing ones are left out. U is read as T.
    Errors: `InputError` for a name that comes twice.
    """
    wanted: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        for alias in {name, f"chr{name}", name.removeprefix("chr")}:
            wanted.setdefault(alias, []).append(name)
    found: dict[str, Ids] = {}
    seen: set[str] = set()
    for record, ids in _named_records(fasta, wanted):
        if record in seen:
            problem = f"has two records {record!r}"
            raise InputError(problem, where=fasta, fix="Keep one of them.", kind="duplicate-name")
        seen.add(record)
        found |= {name: ids for name in wanted[record] if name == record or name not in seen}
    return found


def _named_records(source: Path, names: Collection[str]) -> Iterator[tuple[str, Ids]]:
    """The records of a FASTA file, or of a corpus, that have one of `names`."""
    if source.is_dir():
        from corpus.records import read_records

        yield from read_records(source, names)
        return
    from corpus.readers.fasta import read_fasta

    as_dna = AsDna(source)
    for record in read_fasta(source):
        if record.name in names:
            yield record.name, as_dna(encode(record.sequence), record.name)


def _bed_regions(fasta: Path, bed: Path, flank: int) -> Iterator[Region]:
    lines = list(read_bed(bed))
    warn_blocks(bed, lines)
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
