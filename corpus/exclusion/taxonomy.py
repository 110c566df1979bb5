"""NCBI's taxonomy from a taxdump folder: which taxa lie below which, and what they are called.

The tree is one array of parents, so that the whole of it (2.6 million taxa) takes 15 MB.
Format: readme of https://ftp.ncbi.nlm.nih.gov/pub/taxonomy/new_taxdump/
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from foundation.errors import InputError
from foundation.regular_file import opener

if TYPE_CHECKING:
    import pyarrow as pa

TaxIds = npt.NDArray[np.int32]

LINEAGE_RANKS = ("domain", "superkingdom", "realm", "kingdom", "phylum", "class", "order", "family", "genus")
_REMEDY = "Fetch and unpack NCBI's taxdump.tar.gz again."
_DOUBLINGS = 16  # of the number of ancestors looked at: more than any lineage has


class Taxonomy:
    """The taxa of the folder `taxdump`, which holds nodes.dmp and names.dmp, and merged.dmp and delnodes.dmp or not.

    Errors: `InputError` for a folder or file that is missing or broken.
    """

    def __init__(self, taxdump: Path) -> None:
        self.folder = Path(taxdump)
        ids, parents, self._ranked = _read_nodes(self.folder / "nodes.dmp")
        old, new = _read_merged(self.folder / "merged.dmp")
        size = int(max(ids.max(initial=1), old.max(initial=0), parents.max(initial=0))) + 1
        self.parents: TaxIds = np.zeros(size, dtype=np.int32)
        """By taxid: the taxon above, 0 where there is no such taxon. A merged taxon is below the one it became."""
        self.parents[old] = new
        self.parents[ids] = parents

    def roots(self, taxa: Sequence[int]) -> TaxIds:
        """By taxid: the nearest of `taxa` that it equals or is below; 0 if none."""
        found = np.zeros_like(self.parents)
        found[list(taxa)] = list(taxa)
        above = self.parents.copy()
        for _ in range(_DOUBLINGS):  # `found` covers the next 1, 2, 4, 8, ... ancestors
            found = np.where(found == 0, found[above], found)
            if above.max() <= 1:
                break
            above = above[above]
        return found

    def find(self, taxa: Sequence[str]) -> dict[str, int]:
        """The taxid of each of `taxa`, which are taxids or scientific names, case ignored.

        Errors: `InputError` for a taxon that is unknown, deleted, or one of several of that name.
        """
        names = [taxon for taxon in taxa if not taxon.isdecimal()]
        by_name = self._named(names) if names else {}
        return {taxon: self._only(taxon, by_name.get(taxon.lower(), [])) for taxon in taxa}

    def knows(self, taxid: int) -> bool:
        """Whether there is such a taxon, or was and it was merged into another."""
        return 0 < taxid < len(self.parents) and bool(self.parents[taxid])

    def lineage_names(self, roots: TaxIds) -> Iterator[tuple[str, int]]:
        """The names, in lower case, of taxa above species that have a root in `roots`, with that root."""
        named = np.zeros(len(self.parents), dtype=bool)
        named[self._ranked] = True
        for taxids, names, _ in _read_names(self.folder / "names.dmp"):
            wanted = named[taxids] & (roots[taxids] != 0)
            for taxid, name in zip(taxids[wanted], names.filter(_mask(wanted)).to_pylist(), strict=True):
                yield name, int(roots[taxid])

    def _named(self, names: Sequence[str]) -> dict[str, list[int]]:
        """Taxids by scientific name, or by the name that NCBI made unique (`Bacteria <bacteria>`), in lower case."""
        import pyarrow as pa
        import pyarrow.compute as pc

        wanted = pa.array([name.lower() for name in names])
        found: dict[str, list[int]] = {}
        for taxids, scientific, unique in _read_names(self.folder / "names.dmp"):
            for column in (scientific, unique):
                hits = np.flatnonzero(pc.is_in(column, value_set=wanted).to_numpy(zero_copy_only=False))
                for hit in hits:
                    found.setdefault(column[hit].as_py(), []).append(int(taxids[hit]))
        return found

    def _only(self, taxon: str, named: list[int]) -> int:
        if taxon.isdecimal():
            if self.knows(int(taxon)):
                return int(taxon)
            gone = int(taxon) in self._deleted
            if gone:
                raise self._unknown(f"taxon {taxon} was deleted", "deleted-taxon")
            raise self._unknown(f"there is no taxon {taxon}", "unknown-taxon")
        if not named:
            raise self._unknown(f"no taxon has the scientific name {taxon!r}", "unknown-taxon-name")
        if len(set(named)) > 1:
            choice = ", ".join(map(str, sorted(set(named))))
            raise InputError(
                f"{taxon!r} names several taxa",
                where=self.folder,
                fix=f"Give a taxid, one of {choice}.",
                kind="ambiguous-taxon",
            )
        return named[0]

    @cached_property
    def _deleted(self) -> frozenset[int]:
        path = self.folder / "delnodes.dmp"
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        return frozenset(int(line.split("\t", 1)[0]) for line in lines if line)

    def _unknown(self, problem: str, kind: str) -> InputError:
        return InputError(problem, where=self.folder, fix="Check the taxon, or use a taxdump that has it.", kind=kind)


def _read_nodes(path: Path) -> tuple[TaxIds, TaxIds, TaxIds]:
    """Taxids, their parents, and those of the taxids that have a rank which a lineage names."""
    import pyarrow as pa
    import pyarrow.compute as pc

    table = pa.Table.from_batches(_read_columns(path, {"0": pa.int32(), "2": pa.int32(), "4": pa.string()}))
    ids, parents = _ids(table["0"], path), _ids(table["2"], path)
    if not len(ids) or ids.min() < 1 or parents.min() < 1:
        raise InputError("has a taxid below 1", where=path, fix=_REMEDY, kind="taxid-below-1")
    ranked = pc.is_in(table["4"], value_set=pa.array(LINEAGE_RANKS)).to_numpy()
    return ids, parents, ids[ranked]


def _read_merged(path: Path) -> tuple[TaxIds, TaxIds]:
    import pyarrow as pa

    if not path.is_file() or not path.stat().st_size:
        return np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.int32)
    table = pa.Table.from_batches(_read_columns(path, {"0": pa.int32(), "2": pa.int32()}))
    return _ids(table["0"], path), _ids(table["2"], path)


def _read_names(path: Path) -> "Iterator[tuple[TaxIds, pa.Array, pa.Array]]":
    """Of the scientific names, in batches: the taxids, the names and the unique names, both in lower case."""
    import pyarrow as pa
    import pyarrow.compute as pc

    text = pa.string()
    for batch in _read_columns(path, {"0": pa.int32(), "2": text, "4": text, "6": text}):
        batch = batch.filter(pc.equal(batch["6"], "scientific name"))
        yield _ids(batch["0"], path), pc.utf8_lower(batch["2"]), pc.utf8_lower(batch["4"])


def _read_columns(path: Path, columns: "dict[str, pa.DataType]") -> "Iterator[pa.RecordBatch]":
    """Columns of a .dmp file, whose fields stand between tabs, with a bar between two fields.

    Errors: `InputError` that names the file.
    """
    import pyarrow as pa
    from pyarrow import csv

    try:
        with open(path, "rb", opener=opener) as stream:
            width = stream.readline().count(b"\t") + 1
        with csv.open_csv(
            path,
            read_options=csv.ReadOptions(column_names=[str(number) for number in range(width)]),
            parse_options=csv.ParseOptions(delimiter="\t", quote_char=False),
            convert_options=csv.ConvertOptions(include_columns=list(columns), column_types=columns),
        ) as reader:
            yield from reader
    except FileNotFoundError:
        raise InputError(
            "does not exist", where=path, fix="Name the folder of an unpacked taxdump.tar.gz.", kind="missing-file"
        ) from None
    except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
        raise InputError(
            f"is not an NCBI taxdump file: {error}", where=path, fix=_REMEDY, kind="not-a-taxdump"
        ) from None


def _ids(column: "pa.Array | pa.ChunkedArray", path: Path) -> TaxIds:
    if column.null_count:
        raise InputError("has a row without a taxid", where=path, fix=_REMEDY, kind="row-without-taxid")
    values: TaxIds = np.asarray(column, dtype=np.int32)
    return values


def _mask(values: npt.NDArray[np.bool_]) -> "pa.Array":
    import pyarrow as pa

    return pa.array(values)
