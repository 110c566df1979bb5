"""Where sequences to score come from: a split of a prepared corpus, or a FASTA file. Names and ids, one at a time."""

from collections.abc import Iterator
from pathlib import Path

from tokenizer.sequence import Ids, encode


def read_fasta_documents(path: Path) -> Iterator[tuple[str, Ids]]:
    """Name and ids, shape [bases], of each record of a FASTA file. Errors: `corpus.readers.fasta.read_fasta`'s."""
    from corpus.readers.fasta import read_fasta

    for record in read_fasta(path):
        yield record.name, encode(record.sequence)


def read_corpus_split(corpus: Path, split: str) -> Iterator[tuple[str, Ids]]:
    """Name and ids, shape [bases] without EOS, of each document of one split of a prepared corpus."""
    from corpus.read import read_documents

    yield from read_documents(corpus, split)
