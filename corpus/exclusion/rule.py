"""The rule for records left out of a corpus, as recorded in the manifest."""

from dataclasses import dataclass
from pathlib import Path

from corpus.exclusion.header_patterns import compile_pattern
from corpus.exclusion.preset import find_preset
from foundation.errors import InputError

TAXDUMP_FILES = ("nodes.dmp", "names.dmp", "merged.dmp", "delnodes.dmp")


@dataclass(frozen=True, kw_only=True)
class ExclusionRule:
    """What is left out. A record goes if any part says so; no part, no exclusion.

    Parameters
    ----------
    accessions : tuple of Path
        Text files of accessions, one per line.
    header : tuple of str
        Regular expressions, searched for in "name description".
    taxa : tuple of str
        Taxids or scientific names; what is below them goes too.
    preset : tuple of str
        Lists of taxa: `eukaryotic_viruses`, or a YAML file of the same form.
    taxdump : Path, optional
        Folder of NCBI's nodes.dmp and names.dmp. Needed for `accession_taxids`, and for taxids to reach what is below.
    accession_taxids : Path, optional
        Table of accessions and taxids.
    strict : bool
        A record of unknown taxonomy is an error.
    """

    accessions: tuple[Path, ...] = ()
    header: tuple[str, ...] = ()
    taxa: tuple[str, ...] = ()
    preset: tuple[str, ...] = ()
    taxdump: Path | None = None
    accession_taxids: Path | None = None
    strict: bool = False

    def __post_init__(self) -> None:
        for pattern in self.header:
            compile_pattern(pattern)
        needs_taxa = {"taxdump": self.taxdump, "accession_taxids": self.accession_taxids, "strict": self.strict}
        for name, given in needs_taxa.items():
            if given and not self.by_taxon:
                raise InputError(
                    "has no taxa to work with",
                    where=name,
                    fix="Give taxa or a preset to leave out.",
                    kind="exclusion-without-taxa",
                )
        if self.accession_taxids and not self.taxdump:
            raise InputError(
                "needs a taxdump",
                where="accession_taxids",
                fix="Name the folder of NCBI's taxdump.",
                kind="accessions-without-taxdump",
            )

    @property
    def by_taxon(self) -> bool:
        """Whether the taxon of a record matters."""
        return bool(self.taxa or self.preset)

    @property
    def empty(self) -> bool:
        """Whether nothing is left out."""
        return not (self.accessions or self.header or self.by_taxon)

    def files(self) -> tuple[Path, ...]:
        """The files that it reads."""
        taxdump = [self.taxdump / name for name in TAXDUMP_FILES] if self.taxdump else []
        present = [path for path in taxdump if path.exists() or path.name in TAXDUMP_FILES[:2]]
        presets = [find_preset(name) for name in self.preset]
        table = [self.accession_taxids] if self.accession_taxids else []
        return (*self.accessions, *presets, *present, *table)
