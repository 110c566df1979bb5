"""What a record says of its own taxon: a taxid in its header, a lineage in its header or its sequence.

A lineage is written as OpenGenome2 does, `d__Viruses;p__Uroviricota;...;s__...`; in sequence it stands between bars.
"""

import functools
import re

import numpy as np

from corpus.letters import BAR
from corpus.scan.batch import Batch

_TAXID = re.compile(r"(?:tax_?id[=:|]|\bOX=)(\d{1,9})\b", re.IGNORECASE)
_LINEAGE = re.compile(r"(?<![A-Za-z0-9_])d__[^|]*", re.IGNORECASE)
_RANK = re.compile(r"\s*[a-z]{1,2}__", re.IGNORECASE)
_UNNAMED = ("", "unclassified", "na", "none")
_DOMAIN = b"d__"
_LOWER = np.uint8(0x20)  # the bit that makes a letter small

Lineage = tuple[str, ...]


def taxids_in(header: str) -> list[int]:
    """Taxids in a header: `taxid=562`, `taxid:562`, `kraken:taxid|562`, UniProt's `OX=562`."""
    return [int(taxid) for taxid in _TAXID.findall(header)]


def lineages_in(header: str) -> list[Lineage]:
    """Lineages in a header."""
    return [parse_lineage(found) for found in _LINEAGE.findall(header)]


def labelled_headers(batch: Batch) -> dict[int, str]:
    """The headers that may have a taxid or a lineage, by record."""
    headers = [f"{name} {description}" for name, description in zip(batch.names, batch.descriptions, strict=True)]
    together = "\n".join(headers)  # mostly none has: one search for the batch, not one for each record
    if not (_TAXID.search(together) or _LINEAGE.search(together)):
        return {}
    return dict(enumerate(headers))


def tagged_lineages(batch: Batch) -> dict[int, set[Lineage]]:
    """Lineages in the sequences of a batch, by record; records without any are not in it."""
    tokens, bars = batch.tokens, np.flatnonzero(batch.tokens == BAR)
    starts, stops = bars[:-1], bars[1:]
    wide = stops - starts > len(_DOMAIN)
    starts, stops = starts[wide], stops[wide]
    for place, letter in enumerate(_DOMAIN, 1):
        right = tokens[starts + place] | _LOWER == letter | _LOWER
        starts, stops = starts[right], stops[right]
    records = np.searchsorted(batch.bounds, starts, side="right") - 1
    inside = stops < batch.bounds[records + 1]
    found: dict[int, set[Lineage]] = {}
    for record, start, stop in zip(records[inside].tolist(), starts[inside], stops[inside], strict=True):
        lineage = parse_lineage(tokens[start + 1 : stop].tobytes().decode("latin-1"))
        found.setdefault(record, set()).add(lineage)
    return found


@functools.lru_cache(maxsize=1 << 14)
def parse_lineage(text: str) -> Lineage:
    """The names of a lineage, from the top, in lower case; ranks without a name are left out."""
    names = (_RANK.sub("", part, count=1).strip().lower() for part in text.split(";"))
    return tuple(name for name in names if name not in _UNNAMED)


def is_informative(lineage: Lineage) -> bool:
    """Whether it says what a record is: a domain, and for viruses, which share no ancestor, something below it."""
    return len(lineage) > (1 if lineage[:1] == ("viruses",) else 0)
