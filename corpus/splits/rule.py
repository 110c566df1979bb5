"""The rule that divides documents into splits, as recorded in the manifest."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from foundation.errors import InputError

SplitName = Literal["train", "validation", "test"]
SPLITS: tuple[SplitName, ...] = get_args(SplitName)
SplitBy = Literal["sequence", "record", "source", "cluster"]


@dataclass(frozen=True, kw_only=True)
class SplitRule:
    """Shares of the documents for validation and test; the rest is train.

    Validation takes the low end of the hash range and test the high end, so that changing one moves nothing in or out
    of the other.

    Parameters
    ----------
    validation_fraction, test_fraction : float
        Shares, in [0, 1), of what no list names.
    seed : int
        In [0, 2**64).
    by : {"sequence", "record", "source", "cluster"}
        What is drawn: documents by their bases (equal ones and other strands go together); records by theirs, so that
        the segments of one stay together; whole files by their names; or clusters.
    clusters : Path or None
        Two columns, tab-separated, representative and member, as MMseqs2 writes `_cluster.tsv`. Every record is in it.
    validation_list, test_list : Path or None
        Files of accessions, one per line: records of these names go there, whatever the rest says.
    """

    validation_fraction: float = 0.05
    test_fraction: float = 0.0
    seed: int = 0
    by: str = "sequence"
    clusters: Path | None = None
    validation_list: Path | None = None
    test_list: Path | None = None

    def __post_init__(self) -> None:
        for name in ("validation_fraction", "test_fraction"):
            value = getattr(self, name)
            if not 0 <= value < 1:
                raise InputError(
                    f"is {value}", where=name, fix="Give a share of the records in [0, 1).", kind="split-share"
                )
        if self.validation_fraction + self.test_fraction >= 1:
            raise InputError(
                "leave nothing for train",
                where="validation_fraction and test_fraction",
                fix="Lower one.",
                kind="no-training-share",
            )
        if not 0 <= self.seed < 2**64:
            raise InputError(f"is {self.seed}", where="seed", fix="Give a number from 0 to 2**64 - 1.", kind="seed")
        if self.by not in get_args(SplitBy):
            raise InputError(
                f"is {self.by!r}",
                where="split by",
                fix=f"Known: {', '.join(get_args(SplitBy))}.",
                kind="unknown-split-rule",
            )
        if (self.by == "cluster") != (self.clusters is not None):
            raise InputError(
                "a split by cluster and a cluster file go together",
                fix="Give both or neither.",
                kind="clusters-without-file",
            )

    def names(self) -> tuple[SplitName, ...]:
        """The splits that this rule makes."""
        wanted: dict[SplitName, bool] = {
            "train": True,
            "validation": self.validation_fraction > 0 or self.validation_list is not None,
            "test": self.test_fraction > 0 or self.test_list is not None,
        }
        return tuple(name for name, want in wanted.items() if want)

    def drawn(self) -> tuple[SplitName, ...]:
        """Those of them whose documents no list names: train, and what has a fraction alone."""
        listed = {"validation": self.validation_list, "test": self.test_list}
        return tuple(name for name in self.names() if listed.get(name) is None)

    def files(self) -> tuple[Path, ...]:
        """The files that it reads."""
        return tuple(path for path in (self.clusters, self.validation_list, self.test_list) if path is not None)
