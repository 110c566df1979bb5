"""The documents of a prepared corpus, for whoever wants whole sequences and not samples."""

from collections.abc import Iterator
from pathlib import Path

from corpus.manifest import read_manifest
from corpus.store.stream import TokenStream
from foundation.errors import InputError
from tokenizer.sequence import Ids
from tokenizer.vocabulary import EOS


def read_documents(corpus: Path, split: str) -> Iterator[tuple[str, Ids]]:
    """Name and ids (uint8, case as in the source, without EOS) of each document, e.g. `("validation[3]", ids)`."""
    stream = open_split(corpus, split)
    for number in range(stream.documents):
        ids = stream.document(number)
        yield f"{split}[{number}]", ids[:-1] if ids[-1] == EOS.id else ids


def open_split(corpus: Path, split: str) -> TokenStream:
    """The token stream of one split. Errors: `InputError` where the corpus has no such split."""
    manifest = read_manifest(corpus)
    found = manifest.split(split)
    if found is None:
        raise InputError(
            f"has no {split} split, only {', '.join(known.name for known in manifest.splits)}",
            where=corpus,
            fix=f"Prepare it with a --{split}-fraction above 0.",
            kind="split-missing",
        )
    return TokenStream([Path(corpus) / shard.name for shard in found.shards])
