"""What `prepare` tells on standard error when it is done: doubtful input, and how the splits came about."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from corpus.doubts import SHOWN, doubts, relatives, shortened
from corpus.exclusion.excluder import Excluder
from corpus.manifest import Manifest
from corpus.preparation.plan import Plan
from corpus.preparation.redraw import Redrawn
from corpus.preparation.results import ShardResult
from corpus.settings import Settings
from corpus.splits.split import Splitter
from foundation.spelling import option
from foundation.terminal import warn


def warn_redrawn(documents: Mapping[str, int], before: Settings, redrawn: Redrawn) -> None:
    """Say that splits were empty, and what was done about it."""
    empty = " and ".join(name for name, count in documents.items() if not count)
    total = sum(documents.values())
    which = "the only document was not" if total == 1 else f"none of the {total:,} documents was"
    warn(f"note: {which} drawn for {empty}")
    if (length := redrawn.settings.segment_length) != before.segment_length:
        cut = sum(split.documents for result in redrawn.results for split in result.splits)
        how = f"cut into {cut:,} segments of up to {length:,} bases, and these were drawn"
        warn(f"note: the corpus was {how}, as with {option('segment_length', length)}")
    for name in redrawn.moved:
        warn(f"note: {name} got the one document whose hash is nearest to it")


def warn_doubtful(plan: Plan, manifest: Manifest, results: Sequence[ShardResult]) -> None:
    """Warn of doubtful input."""
    found = [*_unmatched_names(manifest.settings, results), *shortened(_rna(plan, results), "sources have U of RNA")]
    for doubt in [*found, *doubts(manifest)]:
        warn(f"warning: {doubt}")
    for doubtful, sentence in relatives(manifest):
        warn(f"{'warning' if doubtful else 'note'}: {sentence}")


def _unmatched_names(settings: Settings, results: Sequence[ShardResult]) -> Iterator[str]:
    """Names to be held out or left out that no record has: mistyped, what they were to name is in train."""
    lists = Splitter(settings.split).held_out() | Excluder(settings.exclusion).lists()
    for path, names in lists.items():
        matched = {name for result in results for name in result.matched[str(path)]}
        if missing := sorted(names.listed - matched):
            shown = ", ".join(missing[:SHOWN]) + ", ..." * (len(missing) > SHOWN)
            yield f"{path}: {len(missing):,} of {len(names.listed):,} names match no record: {shown}"


def _rna(plan: Plan, results: Sequence[ShardResult]) -> Iterator[str]:
    """Sources with U of RNA, which the corpus keeps."""
    counts = Counter[int]()
    for part in (part for result in results for part in result.parts):
        counts[part.source] += part.uracil
    for source, count in counts.items():
        if count:
            what = f"U of RNA. They are kept and have no weight in training; {option('rna', True)} stores them as T"
            yield f"{plan.sources[source].path} has {count:,} {what}"
