"""A map-style dataset of examples: which sample by its order, from which stored tokens by its windows."""

from collections.abc import Sequence
from typing import Any

from corpus.markup import LOOK_BACK
from corpus.samples.example import Example, Run, label_weights, make_example, segments, takes_other_strand
from corpus.samples.order import Order, Place
from corpus.samples.windows import Windows, document_at


class SampleDataset:
    """`length` examples of one or several sources.

    Parameters
    ----------
    sources : sequence of Windows
        How each source is cut into samples; all of one sequence length, packed all or none.
    order : Order
        Which sample of which source an index serves.
    length : int
        Number of indices; may be many epochs.
    soft_mask_weight, markup_weight : float
        Loss weights of lower-case bases (0.1 is Evo 2's), and of tags, `@` and `#`: whole hundredths.
    reverse_complement : bool
        Serve half of the samples, drawn again each epoch by `seed`, from the other strand.
    """

    def __init__(
        self,
        sources: Sequence[Windows],
        order: Order,
        *,
        length: int,
        seed: int = 0,
        soft_mask_weight: float = 1.0,
        markup_weight: float = 0.0,
        reverse_complement: bool = False,
    ) -> None:
        self.sources, self.order, self.length, self.seed = sources, order, length, seed
        self.reverse_complement = reverse_complement
        self._weights = label_weights(soft_mask_weight, markup_weight)

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Example:
        if not 0 <= index < self.length:
            raise IndexError(f"{index} is not in [0, {self.length})")
        place = self.order(index)
        if place is None:
            example = self._example([], 0, other_strand=False)
        else:
            runs = self.runs(place.source, place.sample)
            example = self._example(runs, place.source, other_strand=self._is_reverse_complement(place))
        example["index"] = index
        return example

    def describe(self, index: int) -> dict[str, Any]:
        """Where the sample of an index comes from, for people: its place, its strand, and what it reads of the stream.

        `spans`: stored tokens [start, stop) of the split, whose documents end to end are one stream; `documents`: the
        number of the document in which each span begins.
        """
        place = self.order(index)
        if place is None:
            return {"index": index}
        windows = self.sources[place.source]
        spans = [list(span) for span in windows.spans(place.sample)]
        return {
            "index": index,
            **place._asdict(),
            "reverse_complement": self._is_reverse_complement(place),
            "spans": spans,
            "documents": [document_at(windows.stream, start) for start, _ in spans],
        }

    def _is_reverse_complement(self, place: Place) -> bool:
        return self.reverse_complement and takes_other_strand(self.seed, *place)

    def runs(self, source: int, sample: int) -> list[Run]:
        """Stored tokens of one sample, each run with what precedes it in the stream, as far as `LOOK_BACK`."""
        windows = self.sources[source]
        read = windows.stream.read
        befores = [(start, stop, min(start, LOOK_BACK)) for start, stop in windows.spans(sample)]
        return [(read(start - before, stop), before) for start, stop, before in befores]

    def _example(self, runs: list[Run], source: int, *, other_strand: bool) -> Example:
        windows = self.sources[source]
        length, multiple = windows.seq_length, windows.multiple
        example = make_example(runs, length, self._weights, multiple=multiple, other_strand=other_strand, source=source)
        if windows.packed:
            example["cu_seqlens"] = segments([len(run) - before - 1 for run, before in runs], length, multiple)
        return example
