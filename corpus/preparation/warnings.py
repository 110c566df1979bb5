"""What `prepare` tells on standard error when it is done: doubtful input, and how the splits came about."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from corpus.exclusion.excluder import Excluder
from corpus.manifest import Manifest
from corpus.preparation.plan import Plan
from corpus.preparation.redraw import Redrawn
from corpus.preparation.results import ShardResult
from corpus.preparation.sketches import near_identical, read_sketches, shares_in_train
from corpus.settings import Settings
from corpus.splits.sketch import K
from corpus.splits.split import Splitter
from foundation.spelling import option
from foundation.terminal import warn

RELATED = 0.1
"""The share of a held-out split's 32-mers in train above which it is doubtful what the split measures."""

_SHOWN = 5
_KMERS = 10  # fewer tell nothing


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


def warn_doubtful(plan: Plan, manifest: Manifest, results: Sequence[ShardResult], folders: Sequence[Path]) -> None:
    """Warn of doubtful input. `folders`: of the shards, with their sketches."""
    sketches = read_sketches(folders)
    doubts = [*_unmatched_names(manifest.settings, results), *_duplicates(manifest), *_unweighted_letters(manifest)]
    doubts += _shortened(_rna(plan, results), "sources have U of RNA")
    doubts += _shortened(_lower_case(plan, results), "sources are in lower case throughout")
    near = (
        f"{plan.sources[pair.second].path} is {pair.identity:.2%} the same as {plan.sources[pair.first].path}"
        for pair in near_identical(sketches)
        if manifest.sources[pair.first].sha256 != manifest.sources[pair.second].sha256
    )
    doubts += _shortened(near, "sources are nearly the same as others")
    for doubt in doubts:
        warn(f"warning: {doubt}")
    for split, (looked_at, share) in shares_in_train(sketches).items():
        if looked_at >= _KMERS and share:
            _warn_relatives(split, looked_at, share)


def _warn_relatives(split: str, looked_at: int, share: float) -> None:
    found = f"{share:.1%} of the {K}-mers of {split} are in train too (a sample of {looked_at:,})"
    if share < RELATED:
        warn(f"note: {found}")
        return
    meaning = "its loss will be lower than that of new sequences"
    warn(f"warning: {found}: {meaning}. A split by cluster or source keeps relatives together")


def _unmatched_names(settings: Settings, results: Sequence[ShardResult]) -> Iterator[str]:
    """Names to be held out or left out that no record has: mistyped, what they were to name is in train."""
    lists = Splitter(settings.split).held_out() | Excluder(settings.exclusion).lists()
    for path, names in lists.items():
        matched = {name for result in results for name in result.matched[str(path)]}
        if missing := sorted(names.listed - matched):
            shown = ", ".join(missing[:_SHOWN]) + ", ..." * (len(missing) > _SHOWN)
            yield f"{path}: {len(missing):,} of {len(names.listed):,} names match no record: {shown}"


def _duplicates(manifest: Manifest) -> Iterator[str]:
    """Sources that are the same."""
    seen: dict[object, str] = {}
    for source in manifest.sources:
        plain = source.path.removesuffix(".gz").removesuffix(".zst")
        for key in (source.sha256, (plain, source.records, source.bases)):
            if (first := seen.setdefault(key, source.path)) != source.path:
                yield f"{source.path} has the same records as {first}: the corpus contains them twice"
                break


def _unweighted_letters(manifest: Manifest) -> Iterator[str]:
    """Letters that training gives no weight."""
    other = sum(split.composition["other"] for split in manifest.splits)
    bases = sum(split.bases for split in manifest.splits)
    if other > bases / 100:
        what = "not A, C, G, T or N, and have no weight in training"
        yield f"{other / bases:.1%} of the bases are {what}"


def _rna(plan: Plan, results: Sequence[ShardResult]) -> Iterator[str]:
    """Sources with U of RNA, which the corpus keeps."""
    counts = Counter[int]()
    for part in (part for result in results for part in result.parts):
        counts[part.source] += part.uracil
    for source, count in counts.items():
        if count:
            what = f"U of RNA. They are kept and have no weight in training; {option('rna', True)} stores them as T"
            yield f"{plan.sources[source].path} has {count:,} {what}"


def _lower_case(plan: Plan, results: Sequence[ShardResult]) -> Iterator[str]:
    """Sources without a base in upper case: masked throughout, which is unlikely, or just written so."""
    bases, lower = Counter[int](), Counter[int]()
    for part in (part for result in results for part in result.parts):
        bases[part.source] += part.bases
        lower[part.source] += part.soft_masked
    for source, count in bases.items():
        if count and lower[source] == count:
            yield (
                f"{plan.sources[source].path} is in lower case throughout: training takes that for repeats, of a tenth "
                "of the weight (dataset.soft_mask_weight); write it in upper case unless this is intended"
            )


def _shortened(doubts: Iterator[str], rest: str) -> Iterator[str]:
    """The first of `doubts`, and how many more there are."""
    yield from islice(doubts, _SHOWN)
    if more := sum(1 for _ in doubts):
        yield f"{more:,} more {rest}"
