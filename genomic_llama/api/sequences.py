"""What callers have as sequence, read as regions: text, files, and the records of Biopython, pysam, pyfaidx and pandas.

None of these is imported: objects are recognised by their attributes.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from corpus.markup import split_tag
from evaluation.likelihood.regions import Region, load_contigs, read_regions
from evaluation.rna import AsDna
from foundation.errors import InputError, shown
from genomic_llama.api.paths import read_path
from genomic_llama.api.tables import check_present, is_missing, one_column
from tokenizer.sequence import Ids, encode, foreign_letters, not_nucleotides

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from pandas import DataFrame, Series

    Sequences: TypeAlias = (
        "str | bytes | Path | Mapping[str, Any] | Iterable[Any] | DataFrame | Series[str] | Region | Any"
    )

_TEXT = (str, bytes, bytearray)
_COLUMNS = ("sequence", "seq"), ("name", "id")
_FIX = "Give str, bytes, a pathlib.Path of a FASTA file, records, a dict of names, or a table with a column 'sequence'."
_GENOME_FIX = "A str is the path of a FASTA file here; give sequences as a dict: {'chr1': 'ACGT'}."


def read_sequences(given: "Sequences") -> Iterator[Region]:
    """The regions of `given`, in order, one at a time.

    Text may begin with a tag of OpenGenome2, which is context.
    Errors: `InputError` for what is not sequence, or holds other letters than IUPAC nucleotide codes.
    """
    if isinstance(given, Region):
        yield given
        return
    if isinstance(given, Path):
        yield from read_regions(read_path(given))
        return
    as_dna = AsDna("sequences")
    for number, (name, bases) in enumerate(_records(given), start=1):
        if isinstance(bases, Region):
            yield bases
            continue
        named = f"sequence{number}" if is_missing(name) else str(name)
        tag, ids = _tag_and_ids(bases, named)
        yield Region(name=named, contig=named, ids=as_dna(ids, named), tag=tag)


def read_contigs(genome: "Sequences", names: Iterable[str]) -> dict[str, Ids]:
    """The contigs of `genome` that `names` names; a str is the path of a FASTA file here. Missing ones are left out."""
    wanted = set(names)
    if isinstance(genome, str | Path):
        path = read_path(genome, "genome", fix=_GENOME_FIX)
        if isinstance(genome, str) and not path.exists():
            raise InputError("no such file", where=path, fix=_GENOME_FIX, kind="missing-file")
        return load_contigs(path, wanted)
    given: Any = genome
    if _is_indexed(given):  # the others of the file are not read
        given = {name: given.fetch(name) for name in given.references if name in wanted}
    return {name: region.ids for name, region in read_named(given, wanted).items()}


def read_named(given: "Sequences", wanted: "Collection[str] | None" = None) -> "dict[str, Region]":
    """The regions of `given`, or the `wanted` ones, by name.

    Errors: `InputError` as `read_sequences`, for a name that comes twice, and for a tag, which is not read here.
    """
    found: dict[str, Region] = {}
    for region in read_sequences(given):
        if wanted is not None and region.name not in wanted:
            continue
        where = f"sequence {region.name!r}"
        if region.name in found:
            fix = "Give them different names."
            raise InputError("two sequences have this name", where=where, fix=fix, kind="duplicate-name")
        if len(region.tag):
            fix = "Take the tag out, or use `score`, `embed` or `generate`."
            raise InputError("has a tag, which is not read here", where=where, fix=fix, kind="tag-not-read")
        found[region.name] = region
    return found


def _records(given: Any) -> Iterator[tuple[Any, Any]]:
    """Pairs of a name, or None, and bases."""
    if hasattr(given, "columns") and hasattr(given, "itertuples"):
        yield from _rows(given)
    elif _is_indexed(given):
        yield from ((name, given.fetch(name)) for name in given.references)
    elif hasattr(given, "items") and not isinstance(given, np.ndarray):  # a dict, a Series, or pyfaidx.Fasta
        yield from given.items()
    elif isinstance(given, _TEXT) or _is_record(given):
        yield _pair(given)
    elif isinstance(given, Iterable):
        yield from map(_pair, given)
    else:
        raise InputError(f"{shown(type(given))} is not a sequence", fix=_FIX, kind="not-a-sequence")


def _is_indexed(given: Any) -> bool:
    """Whether it looks like a `pysam.FastaFile`."""
    return hasattr(given, "references") and hasattr(given, "fetch")


def _is_record(given: Any) -> bool:
    """Whether it is one record: of Biopython, with `seq`, of pysam or pyfaidx; or one sequence, Biopython's or ids."""
    bare = isinstance(given, np.ndarray) and given.dtype == np.uint8 and given.ndim == 1
    named = any(hasattr(given, name) for name in ("seq", "sequence", "__bytes__"))
    return bare or named or isinstance(given, Region) or _is_lazy(given)


def _is_lazy(given: Any) -> bool:
    """Whether it looks like a `pyfaidx.FastaRecord`, whose bases are read by a slice."""
    return hasattr(given, "long_name") and hasattr(given, "__getitem__")


def _pair(element: Any) -> tuple[Any, Any]:
    if isinstance(element, tuple) and len(element) == 2:
        return element
    if isinstance(element, _TEXT) or not _is_record(element) or isinstance(element, np.ndarray | Region):
        return None, element
    return getattr(element, "id", getattr(element, "name", None)), element


def _rows(table: Any) -> Iterator[tuple[Any, Any]]:
    bases, names = (next((name for name in known if name in table.columns), None) for known in _COLUMNS)
    if bases is None:
        problem = f"the table has no column {' or '.join(map(repr, _COLUMNS[0]))}"
        raise InputError(problem, fix=f"It has: {', '.join(map(str, table.columns))}.", kind="no-sequence-column")
    named = table.index if names is None else one_column(table, names)
    for row, (name, one) in enumerate(zip(named, one_column(table, bases), strict=True)):
        yield check_present(name, "name", row), check_present(one, "sequence", row)


def _tag_and_ids(bases: Any, name: str) -> tuple[Ids, Ids]:
    """Split a sequence into its leading OpenGenome2 tag, if any, and its bases."""
    data = _bytes(bases, name)
    if b"|" in data:
        return split_tag(encode(data), f"sequence {name!r}", fix="A tag is |d__Bacteria;p__Bacillota|.")
    if not_nucleotides(data):
        letters = foreign_letters(bases if isinstance(bases, str) else data)
        problem = f"has characters that are not nucleotides: {letters!r}"
        fix = "To read a FASTA file, give its pathlib.Path." if isinstance(bases, str) else "Remove it, or repair it."
        raise InputError(problem, where=f"sequence {name!r}", fix=fix, kind="not-dna")
    return encode(b""), encode(data)


def _bytes(bases: Any, name: str) -> bytes:
    if isinstance(bases, str):
        return bases.encode("utf-8", "replace")
    if isinstance(bases, np.ndarray) and bases.dtype == np.uint8:
        return bases.tobytes()
    for attribute in ("seq", "sequence"):
        if hasattr(bases, attribute):
            return _bytes(getattr(bases, attribute), name)
    if _is_lazy(bases):
        return _bytes(bases[:], name)
    if isinstance(bases, bytes | bytearray) or hasattr(bases, "__bytes__"):  # Biopython's Seq
        return bytes(bases)
    raise InputError(
        f"{shown(type(bases))} is not a sequence", where=f"sequence {name!r}", fix=_FIX, kind="not-a-sequence"
    )
