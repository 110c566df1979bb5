"""The documents of a prepared corpus, for whoever wants whole sequences and not samples."""

from collections.abc import Iterator
from pathlib import Path

from conduct.errors import InputError
from corpus.manifest import read_manifest
from corpus.store.index import TokenIndex
from tokenizer.sequence import Ids
from tokenizer.vocabulary import EOS


def read_documents(corpus: Path, split: str) -> Iterator[tuple[str, Ids]]:
    """Name and ids (uint8, case as in the source, without EOS) of each document, e.g. `("validation[3]", ids)`."""
    index = open_split(corpus, split)
    for number in range(index.documents):
        ids = index.document(number)
        yield f"{split}[{number}]", ids[:-1] if ids[-1] == EOS.id else ids


def open_split(corpus: Path, split: str) -> TokenIndex:
    """The token stream of one split. Errors: `InputError` where the corpus has no such split."""
    known = [item.name for item in read_manifest(corpus).splits]
    if split not in known:
        raise InputError(
            f"has no {split} split, only {', '.join(known)}",
            where=corpus,
            fix=f"Prepare it with a --{split}-fraction above 0.",
        )
    return TokenIndex(Path(corpus) / split)
