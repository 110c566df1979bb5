"""The whole check of a corpus: checksums, and that the indices fit the manifest and the tokens."""

from collections.abc import Callable
from pathlib import Path

from corpus.manifest import Manifest, Shard, verify
from corpus.store.document_names import names_path, read_lines
from corpus.store.index import TokenIndex
from foundation.errors import InputError

_DOCUMENTS = 1 << 16  # whose places are read at once


def verify_corpus(corpus: Path, observe: Callable[[memoryview], object] | None = None) -> Manifest:
    """Check every file of `corpus` against the manifest, each index for documents that lie end to end, and the names.

    `observe` gets each block that is read. Errors: `InputError` naming the file.
    """
    manifest = verify(corpus, full=True, observe=observe)
    for split in manifest.splits:
        for shard in split.shards:
            _check_shard(corpus, shard)
            if shard.named:
                for _ in read_lines(names_path(corpus / shard.name), shard.documents):
                    pass
    return manifest


def _check_shard(corpus: Path, shard: Shard) -> None:
    index = TokenIndex(corpus / shard.name)
    where = corpus / f"{shard.name}.idx"
    if (index.documents, index.tokens) != (shard.documents, shard.tokens):
        found = f"{index.documents:,} documents, {index.tokens:,} tokens"
        said = f"{shard.documents:,} and {shard.tokens:,}"
        raise InputError(
            f"has {found}, its manifest says {said}",
            where=where,
            fix="Prepare the corpus again.",
            kind="index-disagrees",
        )
    begin = 0
    for first in range(0, index.documents, _DOCUMENTS):
        starts = index.starts(first, min(first + _DOCUMENTS, index.documents))
        if starts[0] != begin:
            raise InputError(
                f"leaves a gap before document {first}", where=where, fix="Prepare the corpus again.", kind="index-gap"
            )
        begin = int(starts[-1])
    if begin != index.tokens:
        raise InputError(
            "leaves tokens that belong to no document",
            where=where,
            fix="Prepare the corpus again.",
            kind="tokens-of-no-document",
        )
