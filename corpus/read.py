"""The documents of a prepared corpus, for whoever wants whole sequences and not samples."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from corpus.manifest import Split, read_manifest
from corpus.store.document_names import DocumentName, names_path, read_names
from corpus.store.stream import TokenStream
from foundation.errors import InputError
from tokenizer.sequence import Ids
from tokenizer.vocabulary import EOS


@dataclass(frozen=True, kw_only=True)
class Document:
    """One document: `ids` are uint8, case as in the source, without EOS.

    `name`: of the record, with the bases of it where the document is a segment, or `validation[3]` where the corpus
    has none; `record` and `start`: of what, and where in it; a record without a name is the document itself.
    """

    name: str
    record: str
    start: int
    ids: Ids


def documents_of(corpus: Path, split: str) -> Iterator[Document]:
    """The documents of a split, in order. Errors: `InputError`."""
    stream = open_split(corpus, split)
    for number, name in enumerate(document_names(corpus, split)):
        ids = stream.document(number)
        ids = ids[:-1] if ids[-1] == EOS.id else ids
        place = f"{split}[{number}]"
        if name is None or not name.record:
            yield Document(name=place, record=place, start=0, ids=ids)
        else:
            yield Document(name=name.shown(len(ids)), record=name.record, start=name.start or 0, ids=ids)


def document_names(corpus: Path, split: str) -> Iterator[DocumentName | None]:
    """The name of each document of a split; None for those of a shard that has none. Errors: `InputError`."""
    for shard in _split(corpus, split).shards:
        if shard.named:
            yield from read_names(names_path(Path(corpus) / shard.name), shard.documents)
        else:
            yield from [None] * shard.documents


def document_sources(corpus: Path, split: str) -> list[str] | None:
    """The source of each document of a split: its file's name, or its path where files share a name.

    None in a corpus that does not tell. Errors: `InputError` where the corpus has no such split.
    """
    manifest, documents = read_manifest(corpus), _split(corpus, split).documents
    files = Counter(Path(source.path).name for source in manifest.sources)
    found: list[str] = []
    for source in manifest.sources:
        if source.content is None:
            return None
        name = Path(source.path).name
        found += [name if files[name] == 1 else source.path] * source.content.documents.get(split, 0)
    return found if len(found) == documents else None


def open_split(corpus: Path, split: str) -> TokenStream:
    """The token stream of one split. Errors: `InputError` where the corpus has no such split."""
    return TokenStream([Path(corpus) / shard.name for shard in _split(corpus, split).shards])


def _split(corpus: Path, split: str) -> Split:
    manifest = read_manifest(corpus)
    found = manifest.split(split)
    if found is None:
        raise InputError(
            f"has no {split} split, only {', '.join(known.name for known in manifest.splits)}",
            where=corpus,
            fix=f"Prepare it again, with `--{split}-fraction` above 0.",
            kind="split-missing",
        )
    return found
