"""Whether a model was trained on the sequences of a task: by the names of the records in the corpus of its run.

Names tell only so much: the same genome may be in a corpus under another name, and relatives of it always are.
"""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from corpus.exclusion.accession_list import without_version
from corpus.manifest import FILE_NAME, read_manifest
from corpus.read import document_names
from evaluation.baselines.baseline import TRAINING_SPLIT
from foundation.errors import InputError
from foundation.untrusted import read_json, read_yaml

_SHOWN = 5


def corpus_of(model: Path) -> Path | None:
    """The corpus of the run that `model` was exported from; None where no record names one that is still there."""
    for run in _places(model, _values(model / "conversion.json", "checkpoint", "source")):
        for folder in (run, *run.parents):
            if (folder / "config.yaml").is_file():
                named = _values(folder / "config.yaml", "dataset", "corpus")
                return next((one for one in _places(folder, named) if (one / FILE_NAME).is_file()), None)
    return None


def leakage(corpus: Path | None, names: Collection[str]) -> str:
    """A sentence on which of the records or contigs `names` the corpus has, and in which split."""
    if corpus is None:
        return "leakage is not known: nothing names the corpus that the model was trained on"
    found = _splits(corpus, names)
    if found is None:
        return f"leakage is not known: {corpus} keeps no names of records"
    trained = sorted(name for name, splits in found.items() if TRAINING_SPLIT in splits)
    held = len(found) - len(trained)
    shown = f" ({', '.join(trained[:_SHOWN])}{', ...' if len(trained) > _SHOWN else ''})" if trained else ""
    are = "is" if len(trained) == 1 else "are"
    return (
        f"{len(trained):,} of {len(names):,} sequences {are} in the training split of {corpus}{shown}, "
        f"{held:,} in other splits; by their names"
    )


def _splits(corpus: Path, names: Collection[str]) -> dict[str, set[str]] | None:
    """The splits that have a record of each name; None where the corpus keeps no names."""
    wanted = {alias: name for name in names for alias in _aliases(name)}
    found: dict[str, set[str]] = {}
    named = False
    for split in read_manifest(corpus).splits:
        for one in document_names(corpus, split.name):
            if one is None or not one.record:
                continue
            named = True
            for alias in _aliases(one.record):
                if alias in wanted:
                    found.setdefault(wanted[alias], set()).add(split.name)
    return found if named else None


def _aliases(name: str) -> set[str]:
    """A name with and without its version and a leading chr."""
    plain = without_version(name)
    return {one.removeprefix("chr") for one in (name, plain)}


def _values(path: Path, *keys: str) -> list[str]:
    """The texts under `keys`, in this file or in a section of it; none where it cannot be read."""
    try:
        content: Any = read_json(path) if path.suffix == ".json" else read_yaml(path)
    except InputError:
        return []
    if not isinstance(content, dict):
        return []
    sections = [content, *(one for one in content.values() if isinstance(one, dict))]
    return [one[key] for one in sections for key in keys if isinstance(one.get(key), str)]


def _places(beside: Path, named: list[str]) -> Iterator[Path]:
    """Where the paths may be: as they are, or from a folder above `beside`."""
    for name in named:
        for base in (Path(), *beside.resolve().parents):
            if (base / name).exists():
                yield base / name
                break
