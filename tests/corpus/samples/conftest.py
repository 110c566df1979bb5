"""Splits written for a test."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import settings

from corpus.store.index import TokenIndex
from corpus.store.index_writer import IndexWriter

settings.register_profile("kernels", deadline=None)  # the first call compiles
settings.load_profile("kernels")

WriteSplit = Callable[[Sequence[bytes]], TokenIndex]


@pytest.fixture
def write_split(tmp_path: Path) -> WriteSplit:
    """Write documents, each with its EOS, and open them."""

    def write(documents: Sequence[bytes]) -> TokenIndex:
        with IndexWriter(tmp_path / "train") as writer:
            for document in documents:
                writer.add_document(document, b"\0")
        return TokenIndex(tmp_path / "train")

    return write
