"""Items that a published table has more than once."""

from collections import Counter
from collections.abc import Hashable, Iterable

from foundation.pages.quantities import plural


def repeated_notes(tables: Iterable[Iterable[Hashable]], name: str, where: str) -> list[str]:
    """The note that says how many rows repeat an item of their table, a `name` such as "variant"; none where none does.

    `where`: what the tables are called. Each row counts, as in the published numbers.
    """
    counts = map(Counter, tables)
    if not (repeats := sum(count.total() - len(count) for count in counts)):
        return []
    verb = "repeats" if repeats == 1 else "repeat"
    return [f"{plural(repeats, 'row')} of {where} {verb} a {name} of another row; each row counts"]
