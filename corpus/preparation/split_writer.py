"""The part of one split that one shard writes."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt

from corpus.composition import Composition, Counts
from corpus.letters import BASES, COLUMNS, MARKUP, SOFT_MASKED
from corpus.manifest import Shard, Split, stored_files
from corpus.settings import MOST_NAMED, Settings
from corpus.splits.rule import SPLITS, SplitName
from corpus.splits.sketch import KEPT, Sketch
from corpus.store.document_names import NameWriter, names_path
from corpus.store.index_format import bin_path, idx_path
from corpus.store.index_writer import IndexWriter
from tokenizer.sequence import Ids


class SplitWriter:
    """An indexed dataset `<split>-<shard>`, the composition of its documents and their sketch; no file without any.

    `named`: keep the names of documents; None: while they are fewer than `MOST_NAMED`.
    """

    def __init__(self, folder: Path, name: SplitName, shard: int, *, named: bool | None = None) -> None:
        self.name, self.prefix = name, folder / f"{name}-{shard:05d}"
        self._index = IndexWriter(self.prefix)
        self._composition = Composition()
        self.sketch = Sketch(KEPT)
        self._always = named is True
        self._names = None if named is False else NameWriter(names_path(self.prefix))

    @property
    def documents(self) -> int:
        """Documents so far."""
        return self._index.documents

    def add(self, runs: Iterable[Ids], lengths: npt.NDArray[np.int64], counts: Counts, names: Sequence[str]) -> None:
        """Append documents that lie end to end in `runs`, with their rows of `corpus.composition.count_letters`.

        `names`: as lines of `corpus.store.document_names`.
        """
        self._index.add(runs, lengths)
        self._composition.add(counts)
        if self._names is not None:
            self._names.add(names)
            if self._names.documents > MOST_NAMED and not self._always:
                self._names.remove()
                self._names = None

    def __enter__(self) -> "SplitWriter":
        self._index.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._index.__exit__(*error)  # type: ignore[arg-type]
        if not self.documents:
            bin_path(self.prefix).unlink(missing_ok=True)
            idx_path(self.prefix).unlink(missing_ok=True)
        if self._names is not None:
            self._names.close() if self.documents else self._names.remove()

    def split(self) -> Split:
        """The manifest's row, with this one shard."""
        totals = self._composition.totals.tolist()
        return Split(
            name=self.name,
            documents=self.documents,
            tokens=self._index.tokens,
            bases=self._composition.bases,
            composition={letter: totals[column] for column, letter in enumerate(COLUMNS[BASES])},
            soft_masked=totals[SOFT_MASKED],
            markup=totals[MARKUP],
            length_histogram=_filled(self._composition.lengths),
            gc_histogram=_filled(self._composition.gc_percents),
            shards=(
                Shard(
                    name=self.prefix.name,
                    documents=self.documents,
                    tokens=self._index.tokens,
                    files=stored_files(self.prefix, self._index.checksum()),
                ),
            ),
        )


@contextmanager
def open_writers(folder: Path, settings: Settings, shard: int) -> Iterator[dict[int, SplitWriter]]:
    """The writers of the splits of `settings` in `folder`, by their index in `SPLITS`."""
    with ExitStack() as stack:
        writers = {
            SPLITS.index(name): SplitWriter(folder, name, shard, named=settings.record_names)
            for name in settings.split.names()
        }
        yield {split: stack.enter_context(writer) for split, writer in writers.items()}


def _filled(histogram: Counts) -> dict[str, int]:
    return {str(place): int(histogram[place]) for place in np.flatnonzero(histogram)}
