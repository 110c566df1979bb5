"""What is doubtful in a corpus, in sentences without a full stop: `prepare` warns of it, and the data card shows it."""

from collections.abc import Iterable, Iterator
from itertools import islice

from corpus.manifest import Manifest
from corpus.source import Source

RELATED = 0.1
"""The share of a held-out split's 32-mers in train above which it is doubtful what the split measures."""

SHOWN = 5
_KMERS = 10  # fewer tell nothing


def doubts(manifest: Manifest) -> Iterator[str]:
    """Of the sources and their letters; not of the splits."""
    yield from _duplicates(manifest.sources)
    yield from _unweighted_letters(manifest)
    yield from shortened(_lower_case(manifest.sources), "sources are in lower case throughout")
    near = manifest.resemblance.sources if manifest.resemblance else ()
    found = (f"{one.path} is {one.identity:.2%} the same as {one.other}" for one in near)
    yield from shortened(found, "sources are nearly the same as others")


def relatives(manifest: Manifest) -> Iterator[tuple[bool, str]]:
    """Of each held-out split with 32-mers of train: whether that is doubtful, and the sentence."""
    for name, found in (manifest.resemblance.splits if manifest.resemblance else {}).items():
        if found.looked_at < _KMERS or not found.share:
            continue
        share = f"{found.share:.1%} of the 32-mers of {name} are in train too (a sample of {found.looked_at:,})"
        if found.share < RELATED:
            yield False, share
            continue
        meaning = "its loss will be lower than that of new sequences"
        how = "cluster" if manifest.settings.split.by == "source" else "cluster or source"
        yield True, f"{share}: {meaning}. A split by {how} keeps relatives together"


def shortened(found: Iterable[str], rest: str) -> Iterator[str]:
    """The first of them, and how many more there are."""
    every = iter(found)
    yield from islice(every, SHOWN)
    if more := sum(1 for _ in every):
        yield f"{more:,} more {rest}"


def _duplicates(sources: Iterable[Source]) -> Iterator[str]:
    """Sources that are the same."""
    seen: dict[object, str] = {}
    for source in sources:
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


def _lower_case(sources: Iterable[Source]) -> Iterator[str]:
    """Sources without a base in upper case: masked throughout, which is unlikely, or just written so."""
    for source in sources:
        if source.content and source.bases and source.content.soft_masked == source.bases:
            yield (
                f"{source.path} is in lower case throughout: training takes that for repeats, of a tenth of the weight "
                "(dataset.soft_mask_weight); write it in upper case unless this is intended"
            )
