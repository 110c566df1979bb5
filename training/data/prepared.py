"""Work of one rank before the others read: the built-in corpus, checksums, packing."""

from collections.abc import Sequence
from pathlib import Path

from corpus import synthetic
from corpus.manifest import read_manifest, verify
from corpus.samples.datasets import pack_corpus
from training.data.sources import Source

CHECKSUM_LIMIT = 16 * 2**30
"""Bytes of a corpus up to which a run compares checksums at its start: some seconds. Of a larger one, sizes alone."""


def prepare_sources(sources: Sequence[Source], *, mode: str, seq_length: int, multiple: int = 1) -> None:
    """Make the built-in corpus where it was asked for, compare checksums, pack to a `multiple` in each document.

    Errors: `InputError` for a corpus that was changed since it was prepared.
    """
    for source in sources:
        if source.corpus == Path(synthetic.CORPUS):
            synthetic.ensure_synthetic_corpus(source.corpus)
        size = sum(file.bytes for file in read_manifest(source.corpus).files())
        verify(source.corpus, full=size <= CHECKSUM_LIMIT)
        if mode == "packed":
            pack_corpus(source.corpus, seq_length, multiple)
