"""What `prepare` checks around its work: where it may write, that no split is empty."""

import dataclasses
import os
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from corpus.manifest import FILE_NAME, Manifest
from corpus.splits.rule import SPLITS, SplitRule
from corpus.splits.split import draw, seeded, unit_hashes
from foundation.errors import InputError
from foundation.place import real_paths
from foundation.spelling import option


def check_output(sources: Sequence[Path], out: Path) -> None:
    """That there are sources, and that writing `out` replaces none of them, nor anything that is not a corpus.

    Errors: `InputError`.
    """
    if not sources:
        raise InputError("no source was given", fix="Name at least one file.", kind="no-source")
    folder = out.resolve()
    places = dict(zip(map(os.path.dirname, real_paths(sources)), sources, strict=True))
    for place, source in places.items():
        if folder in (Path(place), *Path(place).parents):
            raise InputError(
                f"holds the source {source}", where=out, fix="Choose another output.", kind="output-holds-source"
            )
    if folder.is_mount():
        raise InputError(
            "is a mount point, which cannot be replaced",
            where=out,
            fix="Choose a folder inside it.",
            kind="output-is-a-mount",
        )
    if folder.is_dir():
        strangers = [item.name for item in folder.iterdir() if not _is_ours(item)]
        if strangers:
            problem = f"holds {sorted(strangers)[0]!r}, which does not belong to a prepared corpus"
            raise InputError(
                problem,
                where=out,
                fix="Choose another output; this one is not replaced.",
                kind="output-of-another-kind",
            )


def check_source_split(sources: Sequence[Path], rule: SplitRule) -> None:
    """That a draw of whole sources, or of clusters, gives every split one: known before anything is read.

    Errors: `InputError` that names a seed which does, where there is one.
    """
    if rule.by not in ("source", "cluster"):
        return
    hashes = unit_hashes(rule, sources)
    empty = _empty(rule, hashes)
    if not empty:
        return
    seeds = (seed for seed in range(_TRIES // len(hashes)) if not _empty(dataclasses.replace(rule, seed=seed), hashes))
    seed = next(seeds, None)
    fix = "Split by sequence instead." if seed is None else f"Use {option('seed', seed)}, or another fraction."
    units = f"the only {rule.by} is not" if len(hashes) == 1 else f"none of the {len(hashes):,} {rule.by}s is"
    problem = f"{units} drawn for {' and '.join(empty)} with seed {rule.seed}"
    raise InputError(problem, where=f"split by {rule.by}", fix=fix, kind="empty-split")


def check_outcome(manifest: Manifest, out: Path) -> None:
    """That every split has documents, and train a base to learn from. Errors: `InputError` that says what to change."""
    documents = {split.name: split.documents for split in manifest.splits}
    if not any(documents.values()):
        fix = 'Check what is left out: `genomic-llama prepare --help`, "What is left out".'
        raise InputError("every record was left out", where=out, fix=fix, kind="no-document")
    for name, count in documents.items():
        if not count:
            raise _empty_split(name, sum(documents.values()), manifest.settings.split, out)
    train = manifest.split("train")
    if train and not any(train.composition[letter] for letter in "ACGT"):
        problem = "train has no A, C, G or T: there is nothing to learn"
        raise InputError(problem, where=out, fix="Check the sources.", kind="no-trainable-base")


def _empty_split(name: str, total: int, rule: SplitRule, out: Path) -> InputError:
    names, fraction = getattr(rule, f"{name}_list", None), getattr(rule, f"{name}_fraction", None)
    how = f" ({names})" if names else "" if fraction is None else f" (fraction {fraction:g})"
    problem = f"none of the {total} document{'s' * (total != 1)} fell into the {name} split{how}"
    return InputError(problem, where=out, fix=_remedy(name, names, total), kind="empty-split")


def _remedy(name: str, names: Path | None, total: int) -> str:
    if names is not None:
        return f"Compare the names in {names} with those of the records."
    if total == 1:
        return f"Hold nothing out, with {option('validation_fraction', 0)}, or split by sequence."
    lower, more = f"Lower {option('validation_fraction')}", f"Raise {option(f'{name}_fraction')}"
    change = lower if name == "train" else f"{more}, try another {option('seed')}"
    return f"{change}, or cut contigs into more documents with a smaller {option('segment_length')}."


def _empty(rule: SplitRule, hashes: npt.NDArray[np.uint64]) -> list[str]:
    """The splits that a draw of units with these unseeded hashes leaves empty."""
    found = set(draw(rule, seeded(hashes, rule.seed)).tolist())
    return [name for name in rule.drawn() if SPLITS.index(name) not in found]


_TRIES = 100_000  # draws of a unit, to find a seed that leaves no split empty


def _is_ours(item: Path) -> bool:
    return item.name == FILE_NAME or _OF_A_SPLIT.fullmatch(item.name) is not None


_OF_A_SPLIT = re.compile(rf"(?:{'|'.join(SPLITS)})[-.].*")
