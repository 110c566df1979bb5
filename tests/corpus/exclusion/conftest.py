"""A taxdump of a few real taxa, with their real ids, and records in batches."""

from collections.abc import Callable
from pathlib import Path

import pytest

from corpus.scan.batch import Batch, BatchBuilder

MakeBatch = Callable[..., Batch]

# (taxid, parent, rank, scientific name)
TAXA = (
    (1, 1, "no rank", "root"),
    (2, 1, "superkingdom", "Bacteria"),
    (562, 2, "species", "Escherichia coli"),
    (55087, 1, "genus", "Bacteria"),
    (9606, 1, "species", "Homo sapiens"),
    (10239, 1, "superkingdom", "Viruses"),
    (2731361, 10239, "phylum", "Peploviricota"),
    (3044472, 2731361, "family", "Orthoherpesviridae"),
    (10298, 3044472, "species", "Human alphaherpesvirus 1"),
    (2731618, 10239, "phylum", "Uroviricota"),
    (2681603, 2731618, "species", "Escherichia phage Lambda"),
    (2732407, 10239, "phylum", "Lenarviricota"),
    (2842243, 2732407, "class", "Leviviricetes"),
    (329852, 2842243, "species", "Emesvirus zinderi"),
    (2732498, 2732407, "class", "Amabiliviricetes"),
    (12429, 10239, "no rank", "unclassified viruses"),
)
UNIQUE = {2: "Bacteria <bacteria>", 55087: "Bacteria <walking sticks>"}


@pytest.fixture
def taxdump(tmp_path: Path) -> Path:
    folder = tmp_path / "taxdump"
    folder.mkdir()
    _write(folder / "nodes.dmp", [(i, p, rank, "", "9") for i, p, rank, _ in TAXA])
    names = [(i, name, UNIQUE.get(i, ""), "scientific name") for i, _, _, name in TAXA]
    names += [(562, "Bacterium coli", "", "synonym"), (10298, 'HHV-1 "type"', "", "synonym")]
    _write(folder / "names.dmp", names)
    _write(folder / "merged.dmp", [(11103, 10298), (11104, 562)])
    _write(folder / "delnodes.dmp", [(777,)])
    return folder


@pytest.fixture
def whole_taxdump(taxdump: Path) -> Path:
    """The taxdump with every taxon of the preset, so that the preset is found whole."""
    from corpus.exclusion.preset import read_preset

    there = {taxid for taxid, *_ in TAXA}
    missing = [taxon for taxon in read_preset("eukaryotic_viruses").taxa if taxon.taxid not in there]
    with open(taxdump / "nodes.dmp", "a") as stream:
        stream.writelines(_line((taxon.taxid, 10239, taxon.rank, "", "9")) for taxon in missing)
    with open(taxdump / "names.dmp", "a") as stream:
        stream.writelines(_line((taxon.taxid, taxon.name, "", "scientific name")) for taxon in missing)
    return taxdump


@pytest.fixture
def make_batch() -> MakeBatch:
    def make(*records: str | tuple[str, str] | tuple[str, str, bytes]) -> Batch:
        """Records as name, (name, description) or (name, description, sequence)."""
        builder = BatchBuilder()
        for record in records:
            parts = (record,) if isinstance(record, str) else record
            name, description, sequence = (*parts, *("", b"ACGT")[len(parts) - 1 :])
            assert not list(builder.add(name, description, sequence))
        (batch,) = builder.finish()
        return batch

    return make


def _write(path: Path, rows: list[tuple[object, ...]]) -> None:
    path.write_text("".join(map(_line, rows)))


def _line(fields: tuple[object, ...]) -> str:
    return "\t|\t".join(map(str, fields)) + "\t|\n"
