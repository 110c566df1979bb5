"""The options of `prepare` that decide what is written. Kept in the plan and in the manifest."""

from dataclasses import dataclass, field

from conduct.errors import InputError
from corpus.preparation.exclusion import ExclusionRule
from corpus.preparation.split import SplitRule


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is taken from the sources, and how it is divided.

    Parameters
    ----------
    split : SplitRule
        Which document goes where.
    exclusion : ExclusionRule
        Which records are left out.
    segment_length : int or None
        Contigs of more bases are cut into documents of this many.
    format : str or None
        The format of all sources; None: what each file shows to be.
    text_field : str or None
        The field or column of the sequence in JSONL and Parquet.
    markup : bool
        Whether JSONL and Parquet text has OpenGenome2's tags and joins.
    """

    split: SplitRule
    exclusion: ExclusionRule = field(default_factory=ExclusionRule)
    segment_length: int | None = None
    format: str | None = None
    text_field: str | None = None
    markup: bool = False

    def __post_init__(self) -> None:
        if self.segment_length is not None and self.segment_length < 1:
            raise InputError(f"is {self.segment_length}", where="segment_length", fix="Give a number of bases above 0.")
        if self.segment_length is not None and self.markup:
            raise InputError("segments of text with markup would cut tags", fix="Leave segment_length or markup out.")
