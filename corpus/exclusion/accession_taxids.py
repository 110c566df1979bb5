"""Taxids by accession, from NCBI's accession2taxid files or any table of two columns."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import xxhash

from corpus.exclusion.accession_list import without_version
from corpus.exclusion.taxonomy import TaxIds
from corpus.streams.compression import open_source
from foundation.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

_FIX = "Give accession and taxid, separated by a tab, or a file of NCBI's accession2taxid."
_ACCESSION = {"accession", "accession.version"}


class AccessionTaxids:
    """The rows of `path` (tab-separated, .gz or not) whose taxid `keep` chooses, as hashes: 12 bytes a row.

    NCBI's layout has a header and the columns accession, accession.version, taxid, gi; without a header there are two
    columns, accession and taxid. Versions are ignored, since NCBI gives all versions of an accession one taxid.
    Errors: `InputError` for a file that is missing, damaged or of another layout.
    """

    def __init__(self, path: Path, keep: Callable[[TaxIds], npt.NDArray[np.bool_]]) -> None:
        self._path = Path(path)
        hashes, taxids = [np.zeros(0, dtype=np.uint64)], [np.zeros(0, dtype=np.int32)]
        for names, ids in self._read():
            kept = np.flatnonzero(keep(ids))
            hashes.append(_hashes(names.take(kept).to_pylist()))
            taxids.append(ids[kept])
        keys = np.concatenate(hashes)
        order = np.argsort(keys, kind="stable")
        self._keys, self._taxids = keys[order], np.concatenate(taxids)[order]

    def look_up(self, accessions: Sequence[str]) -> TaxIds:
        """The taxid of each, 0 where it is not known."""
        keys = _hashes(accessions)
        if not len(self._keys):
            return np.zeros(len(keys), dtype=np.int32)
        places = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        return np.where(self._keys[places] == keys, self._taxids[places], 0).astype(np.int32)

    def _read(self) -> "Iterator[tuple[pa.Array, TaxIds]]":
        """Accessions and taxids, in batches."""
        import pyarrow as pa
        from pyarrow import csv

        columns, has_header = self._layout()
        accession, taxid = next(name for name in columns if name in _ACCESSION), "taxid"
        try:
            with csv.open_csv(
                self._path,
                read_options=csv.ReadOptions(column_names=columns, skip_rows=int(has_header)),
                parse_options=csv.ParseOptions(delimiter="\t", quote_char=False),
                convert_options=csv.ConvertOptions(
                    include_columns=[accession, taxid], column_types={accession: pa.string(), taxid: pa.int32()}
                ),
            ) as reader:
                for batch in reader:
                    if batch[taxid].null_count:
                        raise InputError(
                            "has a row without a taxid", where=self._path, fix=_FIX, kind="row-without-taxid"
                        )
                    yield batch[accession], np.asarray(batch[taxid], dtype=np.int32)
        except (pa.ArrowInvalid, pa.ArrowKeyError, OSError) as error:
            raise InputError(
                f"is not a table of accessions and taxids: {error}",
                where=self._path,
                fix=_FIX,
                kind="not-an-accession-table",
            ) from None

    def _layout(self) -> tuple[list[str], bool]:
        """The names of the columns, and whether the first line holds them."""
        with open_source(self._path) as stream:
            first = stream.readline().decode("utf-8", "replace").rstrip("\r\n").split("\t")
        if "taxid" in first and not _ACCESSION.isdisjoint(first):
            return first, True
        if len(first) == 2 and first[1].strip().isdecimal():
            return ["accession", "taxid"], False
        raise InputError(
            "has neither NCBI's header nor two columns", where=self._path, fix=_FIX, kind="accession-table-columns"
        )


def _hashes(accessions: Sequence[str]) -> npt.NDArray[np.uint64]:
    hashed = (xxhash.xxh3_64_intdigest(without_version(accession).encode()) for accession in accessions)
    return np.fromiter(hashed, dtype=np.uint64, count=len(accessions))
