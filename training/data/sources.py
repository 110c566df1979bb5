"""What a run reads: one prepared corpus, or several in given shares."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from configs.locate import in_home
from configs.overrides import read_text
from corpus import synthetic
from foundation.errors import InputError, nearest

_KEYS = ("corpus", "weight")
_FIX = "Give a directory, or a list such as [{corpus: a, weight: 0.7}, {corpus: b, weight: 0.3}]."


@dataclass(frozen=True, kw_only=True)
class Source:
    """A prepared corpus and its share of the samples; weights are relative to their sum."""

    corpus: Path
    weight: float = 1.0


def parse_sources(corpus: Any) -> tuple[Source, ...]:
    """The sources that `dataset.corpus` names: a directory, "synthetic", or a list of `{corpus, weight}`.

    Errors: `InputError` naming the entry and the key.
    """
    if isinstance(corpus, str) and corpus[:1] == "[":  # NeMo-Run leaves a list as the text that was given
        corpus = read_text(Any, corpus, "dataset.corpus")
    if isinstance(corpus, (str, Path)):
        return (Source(corpus=_directory(str(corpus))),)
    if not isinstance(corpus, Sequence) or not corpus:
        raise InputError(f"is {corpus!r}", where="dataset.corpus", fix=_FIX, kind="corpus-setting")
    sources = tuple(_parse(entry, f"dataset.corpus[{number}]") for number, entry in enumerate(corpus))
    for source in sources:
        if [other.corpus for other in sources].count(source.corpus) > 1:
            raise InputError(
                f"names {source.corpus} twice", where="dataset.corpus", fix="Add up the weights.", kind="corpus-twice"
            )
    return sources


def source_names(sources: Sequence[Source]) -> list[str]:
    """A name for each, for logs: that of its directory, or its path where two would have the same."""
    names = [source.corpus.name for source in sources]
    return names if len(set(names)) == len(names) else [str(source.corpus) for source in sources]


def _parse(entry: Any, where: str) -> Source:
    if not isinstance(entry, Mapping):
        raise InputError(f"is {entry!r}", where=where, fix=_FIX, kind="corpus-entry")
    for key in entry:
        if key not in _KEYS:
            raise InputError(f"unknown key {key!r}", where=where, fix=nearest(str(key), _KEYS), kind="unknown-key")
    for key, kinds in (("corpus", str), ("weight", (int, float))):
        if not isinstance(entry.get(key), kinds) or isinstance(entry[key], bool):
            raise InputError(f"{key} is {entry.get(key)!r}", where=where, fix=_FIX, kind="corpus-entry-value")
    if not 0 < entry["weight"] < float("inf"):
        raise InputError(
            f"weight is {entry['weight']}",
            where=where,
            fix="Give a number above 0, or leave it out.",
            kind="corpus-weight",
        )
    return Source(corpus=_directory(entry["corpus"]), weight=float(entry["weight"]))


def _directory(name: str) -> Path:
    return Path(synthetic.CORPUS if name == "synthetic" else in_home(name))
