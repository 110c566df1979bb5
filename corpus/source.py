"""What a manifest says of the files that a corpus was made from: what each holds, and how alike they are."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class SourceContent:
    """Letters of all records of a source: `gc`, `at` and `n`, and the lower-case ones among all, `soft_masked`.

    `splits`: bases that went into each split; what is missing was left out. `documents`: of each split, which has those
    of the first source first.
    """

    gc: int
    at: int
    n: int
    soft_masked: int
    splits: dict[str, int]
    documents: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class Source:
    """One input file. `bytes` and `sha256`: of the file as stored; `bases`: letters of all its records.

    `content`: None in a corpus of an older version.
    """

    path: str
    format: str
    bytes: int
    sha256: str
    records: int
    bases: int
    content: SourceContent | None = None


@dataclass(frozen=True, kw_only=True)
class NearSource:
    """A source that is nearly the same as one before it; `identity`: the share of equal bases, estimated."""

    path: str
    other: str
    identity: float


@dataclass(frozen=True, kw_only=True)
class SharedKmers:
    """How many of a split's 32-mers were looked at, and the share of these that the training split has too."""

    looked_at: int
    share: float


@dataclass(frozen=True, kw_only=True)
class Resemblance:
    """How alike the sources are, and the splits: found by sketches when the corpus was prepared."""

    sources: tuple[NearSource, ...]
    splits: dict[str, SharedKmers]
