"""Which records stay out of a corpus: by accession, header or taxon.

A filter works on labels, not on sequence. What is unlabelled, mislabelled, integrated into a host's genome or a
contamination of another record stays in. A corpus without the viruses of eukaryotes makes a model that knows little of
them; it does not make a safe one, and fine-tuning on such sequence can restore the ability. `docs/exclusion.md`.
"""

import functools
from pathlib import Path
from typing import Protocol

from corpus.exclusion.accession_list import AccessionList
from corpus.exclusion.header_patterns import HeaderPatterns
from corpus.exclusion.rule import ExclusionRule
from corpus.exclusion.taxon_filter import TaxonFilter
from corpus.scan.batch import Batch


class Excluder:
    """Applies a rule. Its files are read at first use, once a process; so it may be pickled into workers."""

    def __init__(self, rule: ExclusionRule) -> None:
        self.rule = rule

    def excluded(self, batch: Batch, source: Path) -> list[str | None]:
        """Why each record of `batch` is left out: `accession`, `header:<pattern>` or `taxon:<id>`; None where it stays.

        Errors: `InputError` for a file of the rule that is missing or broken, and for a record where `strict` says so.
        """
        reasons: list[str | None] = [None] * len(batch)
        for check in _checks(self.rule):
            check.mark(batch, source, reasons)
        return reasons

    def lists(self) -> dict[Path, AccessionList]:
        """The lists of the rule, which know what they have found."""
        accessions = [check for check in _checks(self.rule) if isinstance(check, AccessionList)]
        return dict(zip(self.rule.accessions, accessions, strict=True))


class _Check(Protocol):
    def mark(self, batch: Batch, source: Path, reasons: list[str | None]) -> None: ...


@functools.cache
def _checks(rule: ExclusionRule) -> tuple[_Check, ...]:
    checks: list[_Check] = [AccessionList(path) for path in rule.accessions]
    if rule.header:
        checks.append(HeaderPatterns(rule.header))
    if rule.by_taxon:
        taxa = TaxonFilter(
            taxa=rule.taxa,
            presets=rule.preset,
            taxdump=rule.taxdump,
            accession_taxids=rule.accession_taxids,
            strict=rule.strict,
        )
        checks.append(taxa)
    return tuple(checks)
