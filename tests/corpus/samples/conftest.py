"""Splits written for a test."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from corpus.store.index_writer import IndexWriter
from corpus.store.stream import TokenStream

WriteSplit = Callable[[Sequence[bytes]], TokenStream]


@pytest.fixture
def write_split(tmp_path: Path) -> WriteSplit:
    """Write documents, each with its EOS, and open them."""

    def write(documents: Sequence[bytes]) -> TokenStream:
        with IndexWriter(tmp_path / "train") as writer:
            for document in documents:
                tokens = np.frombuffer(document + b"\0", dtype=np.uint8)
                writer.add([tokens], np.array([len(tokens)]))
        return TokenStream([tmp_path / "train"])

    return write
