"""What a record says of its own taxon: a taxid in its header, a lineage in its header or its sequence.

A lineage is written as OpenGenome2 does, `d__Viruses;p__Uroviricota;...;s__...`; in sequence it stands between bars.
"""

import re

import numpy as np

from corpus.batch import Batch

_TAXID = re.compile(r"(?:tax_?id[=:|]|\bOX=)(\d{1,9})\b", re.IGNORECASE)
_LINEAGE = re.compile(r"(?<![A-Za-z0-9_])d__[^|]*", re.IGNORECASE)
_RANK = re.compile(r"\s*[a-z]{1,2}__", re.IGNORECASE)
_UNNAMED = ("", "unclassified", "na", "none")
_BAR = ord("|")

Lineage = tuple[str, ...]


def taxids_in(header: str) -> list[int]:
    """Taxids in a header: `taxid=562`, `taxid:562`, `kraken:taxid|562`, UniProt's `OX=562`."""
    return [int(taxid) for taxid in _TAXID.findall(header)]


def lineages_in(header: str) -> list[Lineage]:
    """Lineages in a header."""
    return [parse_lineage(found) for found in _LINEAGE.findall(header)] if "__" in header else []


def tagged_lineages(batch: Batch) -> dict[int, set[Lineage]]:
    """Lineages in the sequences of a batch, by record; records without any are not in it."""
    bars = np.flatnonzero(batch.tokens == _BAR)
    found: dict[int, set[Lineage]] = {}
    records = np.searchsorted(batch.bounds, bars, side="right") - 1
    for start, stop, record, record_of_stop in zip(bars[:-1], bars[1:], records[:-1], records[1:], strict=True):
        tag = batch.tokens[start + 1 : stop]
        if record == record_of_stop and len(tag) > 3 and tag[:3].tobytes().lower() == b"d__":
            found.setdefault(int(record), set()).add(parse_lineage(tag.tobytes().decode("latin-1")))
    return found


def parse_lineage(text: str) -> Lineage:
    """The names of a lineage, from the top, in lower case; ranks without a name are left out."""
    names = (_RANK.sub("", part, count=1).strip().lower() for part in text.split(";"))
    return tuple(name for name in names if name not in _UNNAMED)


def is_informative(lineage: Lineage) -> bool:
    """Whether it says what a record is: a domain, and for viruses, which share no ancestor, something below it."""
    return len(lineage) > (1 if lineage[:1] == ("viruses",) else 0)
