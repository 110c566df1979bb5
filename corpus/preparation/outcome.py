"""What `prepare` checks around its work: where it may write, that no split is empty."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from corpus.manifest import FILE_NAME
from corpus.splits.rule import SPLITS, SplitRule
from foundation.errors import InputError


def check_output(sources: Sequence[Path], out: Path) -> None:
    """That there are sources, and that writing `out` replaces none of them, nor anything that is no corpus.

    Errors: `InputError`.
    """
    if not sources:
        raise InputError("no source was given", fix="Name at least one file.")
    folder = out.resolve()
    for source in sources:
        if folder in source.resolve().parents:
            raise InputError(f"holds the source {source}", where=out, fix="Choose another output.")
    if folder.is_mount():
        raise InputError("is a mount point, which cannot be replaced", where=out, fix="Choose a folder inside it.")
    if folder.is_dir():
        strangers = [item.name for item in folder.iterdir() if not _is_ours(item)]
        if strangers:
            problem = f"holds {sorted(strangers)[0]!r}, which is of no prepared corpus"
            raise InputError(problem, where=out, fix="Choose another output; this one is not replaced.")


def check_splits(documents: Mapping[str, int], rule: SplitRule, out: Path) -> None:
    """That every split has documents. Errors: `InputError` that says what to change."""
    total = sum(documents.values())
    for name, count in documents.items():
        if count:
            continue
        names, fraction = getattr(rule, f"{name}_list", None), getattr(rule, f"{name}_fraction", None)
        how = f" ({names})" if names else "" if fraction is None else f" (fraction {fraction:g})"
        raise InputError(
            f"none of the {total} document{'s' * (total != 1)} fell into the {name} split{how}",
            where=out,
            fix=_remedy(name, names),
        )


def _remedy(name: str, names: Path | None) -> str:
    if names is not None:
        return f"Compare the names in {names} with those of the records."
    change = "Lower --validation-fraction" if name == "train" else f"Raise --{name}-fraction, try another --seed"
    return f"{change}, or cut contigs into more documents with a smaller --segment-length."


def _is_ours(item: Path) -> bool:
    return item.name == FILE_NAME or _OF_A_SPLIT.fullmatch(item.name) is not None


_OF_A_SPLIT = re.compile(rf"(?:{'|'.join(SPLITS)})[-.].*")
