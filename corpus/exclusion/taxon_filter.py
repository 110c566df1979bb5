"""Records left out because of their taxon: taxids by the tree of a taxdump, lineages by the names in them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from corpus.exclusion.accession_list import accessions
from corpus.exclusion.accession_taxids import AccessionTaxids
from corpus.exclusion.lineages import Lineage, is_informative, labelled_headers, lineages_in, tagged_lineages, taxids_in
from corpus.exclusion.preset import read_preset
from corpus.exclusion.taxonomy import TaxIds, Taxonomy
from corpus.scan.batch import Batch
from foundation.errors import InputError
from foundation.spelling import option


class TaxonFilter:
    """Marks records of `taxa`, of the taxa of the presets, and of all taxa below them.

    Without `taxdump` a lineage counts that names a listed taxon or, for a preset, one that the preset says is within;
    a taxid counts only where it is listed itself. With `strict` a record of unknown taxonomy is an `InputError`.
    """

    def __init__(
        self,
        *,
        taxa: Sequence[str],
        presets: Sequence[str],
        taxdump: Path | None,
        accession_taxids: Path | None,
        strict: bool,
    ) -> None:
        self._strict = strict
        self._names: dict[str, str] = {}  # lower-case name of a taxon in a lineage: its reason
        self._taxonomy = Taxonomy(taxdump) if taxdump else None
        listed = self._list_preset(presets) | self._list_taxa(taxa)
        self._roots = _roots(listed, self._taxonomy)
        if self._taxonomy:
            self._names |= {name: f"taxon:{root}" for name, root in self._taxonomy.lineage_names(self._roots)}
        self._table = AccessionTaxids(accession_taxids, self._is_wanted) if accession_taxids else None

    def mark(self, batch: Batch, source: Path, reasons: list[str | None]) -> None:
        """Give the reason `taxon:<id>`, the id listed, to the records that are to go and have none yet."""
        headers, tags, by_table = labelled_headers(batch), tagged_lineages(batch), self._look_up(batch)
        for record in range(len(batch)) if self._strict else sorted({*headers, *tags, *by_table}):
            if reasons[record] is not None:
                continue
            header = headers.get(record, "")
            taxids = [*taxids_in(header), *by_table.get(record, ())]
            lineages = [*lineages_in(header), *tags.get(record, ())]
            reasons[record] = self._reason(taxids, lineages)
            if self._strict and reasons[record] is None and not self._is_known(taxids, lineages):
                raise InputError(
                    f"has no known taxonomy, which {option('strict_taxonomy')} needs for each record",
                    where=f"{source}, record {batch.first + record} {batch.names[record]!r}",
                    fix="Give its taxon in the header (taxid=...) or the accession table, or list its accession.",
                    kind="taxonomy-unknown",
                )

    def _reason(self, taxids: Sequence[int], lineages: Sequence[Lineage]) -> str | None:
        for taxid in taxids:
            if taxid < len(self._roots) and self._roots[taxid]:
                return f"taxon:{self._roots[taxid]}"
        return next((self._names[name] for lineage in lineages for name in lineage if name in self._names), None)

    def _is_known(self, taxids: Sequence[int], lineages: Sequence[Lineage]) -> bool:
        by_tree = self._taxonomy is not None and any(map(self._taxonomy.knows, taxids))
        return by_tree or any(map(is_informative, lineages))

    def _look_up(self, batch: Batch) -> dict[int, list[int]]:
        """Taxids of the accession table, by record."""
        found: dict[int, list[int]] = {}
        if self._table is None:
            return found
        names = [(record, name) for record, whole in enumerate(batch.names) for name in accessions(whole)]
        taxids = self._table.look_up([name for _, name in names])
        for hit in np.flatnonzero(taxids):
            found.setdefault(names[hit][0], []).append(int(taxids[hit]))
        return found

    def _is_wanted(self, taxids: TaxIds) -> npt.NDArray[np.bool_]:
        """Which rows of the accession table matter: those that decide against a record, or where strict all."""
        inside = np.where((taxids > 0) & (taxids < len(self._roots)), taxids, 0)
        wanted: npt.NDArray[np.bool_] = (self._roots[inside] != 0) | self._strict
        return wanted

    def _list_preset(self, presets: Sequence[str]) -> set[int]:
        listed: set[int] = set()
        for taxon in (taxon for preset in presets for taxon in read_preset(preset).taxa):
            listed.add(taxon.taxid)
            self._names |= {name.lower(): f"taxon:{taxon.taxid}" for name in (taxon.name, *taxon.within)}
        if self._taxonomy:
            self._taxonomy.find([str(taxid) for taxid in listed])
        return listed

    def _list_taxa(self, taxa: Sequence[str]) -> set[int]:
        if self._taxonomy:
            return set(self._taxonomy.find(taxa).values())
        self._names |= {taxon.lower(): f"taxon:{taxon}" for taxon in taxa if not taxon.isdecimal()}
        return {int(taxon) for taxon in taxa if taxon.isdecimal()}


def _roots(listed: set[int], taxonomy: Taxonomy | None) -> TaxIds:
    """By taxid: the listed taxon that it equals or is below; 0 if none."""
    if taxonomy:
        return taxonomy.roots(sorted(listed))
    roots = np.zeros(max(listed, default=0) + 1, dtype=np.int32)
    roots[list(listed)] = list(listed)
    return roots
