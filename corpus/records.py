"""The records of a prepared corpus by their names: whether it has one, and the whole of one, of whatever segments."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from corpus.exclusion.accession_list import accessions, without_version
from corpus.manifest import read_manifest
from corpus.read import document_names, open_split
from foundation.errors import InputError
from tokenizer.sequence import Ids
from tokenizer.vocabulary import EOS

_PREPARE = "Prepare it again: `genomic-llama prepare --record-names`."


@dataclass(frozen=True, kw_only=True)
class Found:
    """A record: its name, and the documents of each split that are of it, by their numbers."""

    name: str
    documents: dict[str, list[int]]


def find_records(corpus: Path, accession: str) -> list[Found]:
    """The records of `corpus` that have `accession`; its version has to agree where both have one.

    Errors: `InputError` for a corpus that keeps no names.
    """
    check_named(corpus)
    base = without_version(accession)
    found: dict[str, Found] = {}
    for split in read_manifest(corpus).splits:
        for number, name in enumerate(document_names(corpus, split.name)):
            if name is not None and base in name.record and _has(name.record, accession, base):
                one = found.setdefault(name.record, Found(name=name.record, documents={}))
                one.documents.setdefault(split.name, []).append(number)
    return list(found.values())


def check_named(corpus: Path) -> None:
    """Errors: `InputError` for a corpus that does not keep the names of all its records."""
    if not all(shard.named for split in read_manifest(corpus).splits for shard in split.shards):
        raise InputError("keeps no names of records", where=corpus, fix=_PREPARE, kind="corpus-without-names")


def read_records(corpus: Path, wanted: Iterable[str]) -> Iterator[tuple[str, Ids]]:
    """The records of `corpus` with a name in `wanted`, whole, whatever splits their segments are in.

    Errors: `InputError` for a corpus without names, two records of one name, and a record of which a part is missing.
    """
    check_named(corpus)
    names = set(wanted)
    parts: dict[str, list[tuple[int, Ids]]] = {}
    for split in read_manifest(corpus).splits:
        stream = open_split(corpus, split.name)
        for number, name in enumerate(document_names(corpus, split.name)):
            if name is not None and name.record in names:
                ids = stream.document(number)
                parts.setdefault(name.record, []).append((name.start or 0, ids[:-1] if ids[-1] == EOS.id else ids))
    for record, segments in parts.items():
        yield record, _joined(corpus, record, sorted(segments, key=lambda segment: segment[0]))


def _joined(corpus: Path, record: str, segments: list[tuple[int, Ids]]) -> Ids:
    end = 0
    for start, ids in segments:
        if start < end:
            problem, fix = f"has two records {record!r}", "Give the FASTA file of the one that you need."
            raise InputError(problem, where=corpus, fix=fix, kind="duplicate-name")
        if start > end:
            problem = f"lacks the bases {end + 1:,} to {start:,} of {record!r}"
            fix = "Give its FASTA file."
            raise InputError(problem, where=corpus, fix=fix, kind="record-incomplete")
        end += len(ids)
    return segments[0][1] if len(segments) == 1 else np.concatenate([ids for _, ids in segments])


def _has(record: str, accession: str, base: str) -> bool:
    """Whether `record` has the accession; `base` is it without its version."""
    for one in accessions(record):
        if one == accession or (without_version(one) == base and base in (one, accession)):
            return True
    return False
