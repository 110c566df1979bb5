"""Damage in any file of a corpus is found: by `corpus verify`, and by what a run checks before it trains."""

from collections.abc import Callable
from pathlib import Path

import pytest
from corpora import prepare
from damage import damaged, damages
from torture import Tally, times

from corpus.manifest import verify
from corpus.verify import verify_corpus
from foundation.errors import InputError

KINDS = {"flip": "corpus-file-checksum", "cut": "corpus-file-size"}


def test_damage_in_any_file(
    tmp_path: Path, write_fasta: Callable[..., Path], contigs: dict[str, bytes], tally: Callable[[str], Tally]
) -> None:
    counted = tally("damage in a corpus is found by `corpus verify`, and before a run trains")
    corpus = tmp_path / "corpus"
    prepare([write_fasta(contigs)], corpus, validation_fraction=0.3)
    for path in (
        *sorted(corpus.glob("*.bin")),
        *sorted(corpus.glob("*.idx")),
        *sorted(corpus.glob("*.names")),
        corpus / "manifest.json",
    ):
        for damage in damages(path.stat().st_size, times(3, 500)):
            with damaged(path, *damage):
                for check in (verify_corpus, lambda corpus: verify(corpus, full=True)):
                    with pytest.raises(InputError) as caught:
                        check(corpus)
                    assert str(caught.value.where).startswith(str(path))
                    assert path.suffix == ".json" or caught.value.kind == KINDS[damage[0]]
            counted.count(f"{damage[0]} in {path.name if path.suffix == '.json' else path.suffix}")
    assert verify_corpus(corpus).splits
