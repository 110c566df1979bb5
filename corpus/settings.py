"""The options of `prepare` that decide what is written. Kept in the plan and in the manifest."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from configs.locate import CONFIGS
from corpus.exclusion.rule import ExclusionRule
from corpus.source_format import Format
from corpus.splits.rule import SplitRule
from foundation.errors import InputError, nearest
from foundation.typed import from_json, to_json
from foundation.untrusted import read_yaml


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
    record_names : bool or None
        Whether the names of records are kept; None: of a corpus with fewer than `MOST_NAMED` records.
    rna : bool
        Whether U is stored as T; it is kept as it is otherwise, and has no weight in training.
    """

    split: SplitRule = field(default_factory=SplitRule)
    exclusion: ExclusionRule = field(default_factory=ExclusionRule)
    segment_length: int | None = None
    format: str | None = None
    text_field: str | None = None
    markup: bool = False
    record_names: bool | None = None
    rna: bool = False

    def __post_init__(self) -> None:
        formats = [format.value for format in Format]
        if self.format is not None and self.format not in formats:
            raise InputError(f"no format {self.format!r}", fix=nearest(self.format, formats), kind="unknown-format")
        if self.segment_length is not None and self.segment_length < 1:
            raise InputError(
                f"is {self.segment_length}",
                where="segment_length",
                fix="Give a number of bases above 0.",
                kind="segment-length",
            )
        if self.segment_length is not None and self.markup:
            raise InputError(
                "segments of text with markup would cut tags",
                fix="Leave segment_length or markup out.",
                kind="segments-of-markup",
            )


MOST_NAMED = 10_000_000
"""Records above which a corpus keeps no names unless it is asked to."""

SHIPPED = CONFIGS / "prepare"
_FIX = f"Compare {SHIPPED / 'opengenome2.yaml'}."


def compose_settings(name: str | None, given: Mapping[str, Any]) -> Settings:
    """The defaults, under the settings file `name`, under what was `given`, both nested as the fields are.

    `name`: a YAML file, or the name of a shipped one in `configs/prepare`. Errors: `InputError` naming the key.
    """
    values: dict[str, Any] = to_json(Settings())
    if name is not None:
        path = _find(name)
        layer = read_yaml(path) or {}
        if not isinstance(layer, dict):
            raise InputError("is not a mapping of settings", where=path, fix=_FIX, kind="not-a-mapping")
        from_json(Settings, _overlay(values, layer), str(path))  # so that an error names the file
        values = _overlay(values, layer)
    return from_json(Settings, _overlay(values, given), "prepare")


def _overlay(values: Mapping[str, Any], layer: Mapping[str, Any]) -> dict[str, Any]:
    nested = {
        key: _overlay(values[key], value)
        for key, value in layer.items()
        if isinstance(value, Mapping) and isinstance(values.get(key), Mapping)
    }
    return {**values, **layer, **nested}


def _find(name: str) -> Path:
    for path in (SHIPPED / f"{name}.yaml", Path(name)):
        if path.is_file():
            return path
    shipped = (path.stem for path in SHIPPED.glob("*.yaml"))
    raise InputError(
        "are not settings of a preparation", where=name, fix=nearest(name, shipped), kind="unknown-settings"
    )
