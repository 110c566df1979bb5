"""A small corpus, and what every configuration is cut down to."""

from pathlib import Path

import pytest
from corpora import prepare

from corpus.synthetic import write_synthetic_genome


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus of 36,000 bases with a validation split."""
    folder = tmp_path_factory.mktemp("corpus")
    write_synthetic_genome(folder / "genome.fa", contigs=12, contig_length=3_000)
    prepare([folder / "genome.fa"], folder / "corpus", validation_fraction=0.25)
    return folder / "corpus"
