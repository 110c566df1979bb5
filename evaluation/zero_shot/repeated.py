"""Items that a published table has more than once."""

from collections import Counter
from collections.abc import Hashable, Iterable

from foundation.pages.quantities import plural


def repeated_notes(items: Iterable[Hashable], name: str, where: str) -> list[str]:
    """The note that says how many rows of `where` repeat an item, a `name` such as "variant"; none where no row does.

    Each row counts, as in the published numbers.
    """
    counts = Counter(items)
    if not (repeats := counts.total() - len(counts)):
        return []
    verb = "repeats" if repeats == 1 else "repeat"
    return [f"{plural(repeats, 'row')} of {where} {verb} a {name} of another row; each row counts"]
