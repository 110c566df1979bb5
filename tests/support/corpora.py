"""Corpora to test with: the real preparation, with the settings that a test cares about."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from corpus.manifest import Manifest
from corpus.preparation import prepare as preparation
from corpus.settings import Settings
from corpus.splits.rule import SplitRule


def prepare(
    sources: Sequence[Path],
    out: Path,
    *,
    overwrite: bool = False,
    segment_length: int | None = None,
    record_names: bool | None = None,
    **split: Any,
) -> Manifest:
    """A corpus of `sources`; `split`: fields of `SplitRule`."""
    settings = Settings(split=SplitRule(**split), segment_length=segment_length, record_names=record_names)
    return preparation.prepare(sources, out, settings, overwrite=overwrite)
