"""Several corpora as one, without copying: the shards of all under new names, by hard links."""

import dataclasses
import errno
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from corpus.manifest import FILE_NAME, Manifest, Shard, Split, add_splits, verify, write_manifest
from foundation.atomic import atomic_directory, check_directory_writable
from foundation.errors import InputError
from foundation.place import check_replaceable, real_directory
from foundation.progress import Advance, progress_bar
from foundation.typed import to_json

_BLOCK = 1 << 24

Place = Callable[[Path, Path], None]


def merge(corpora: Sequence[Path], out: Path, *, copy: bool = False, overwrite: bool = False) -> Manifest:
    """Write the corpus `out` of the documents of `corpora`, in order.

    `copy`: copy the files; else they are hard links, which take no space and need the same file system.
    Errors: `InputError` for corpora that were prepared with different settings, or that share a source.
    """
    if len(corpora) < 2:
        raise InputError("at least two corpora are merged", fix="Name more.", kind="too-few-corpora")
    check_replaceable(real_directory(out), mark=FILE_NAME, overwrite=overwrite)
    check_directory_writable(out)
    manifests = [verify(corpus) for corpus in corpora]
    for corpus, manifest in zip(corpora, manifests, strict=True):
        _check_same_settings(corpora[0], manifests[0], corpus, manifest)
    _check_sources(corpora, manifests)
    size = sum(file.bytes for manifest in manifests for file in manifest.files())
    with (
        atomic_directory(out, mark=FILE_NAME, overwrite=overwrite) as folder,
        progress_bar("copy" if copy else "link", total=size, unit="B") as advance,
    ):

        def place(old: Path, new: Path) -> None:
            _copy(old, new, advance) if copy else _link(old, new)

        splits = tuple(_merge_split(split.name, corpora, manifests, folder, place) for split in manifests[0].splits)
        excluded = {reason: 0 for manifest in manifests for reason in sorted(manifest.excluded)}
        for reason in excluded:
            excluded[reason] = sum(manifest.excluded.get(reason, 0) for manifest in manifests)
        merged = dataclasses.replace(
            manifests[0],
            sources=tuple(source for manifest in manifests for source in manifest.sources),
            excluded=excluded,
            splits=splits,
            resemblance=None,  # of the sources of one corpus with those of another nothing is known
        )
        write_manifest(merged, folder)
    return merged


def _merge_split(
    name: str, corpora: Sequence[Path], manifests: Sequence[Manifest], folder: Path, place: Place
) -> Split:
    splits: list[Split] = []
    number = 0
    for corpus, manifest in zip(corpora, manifests, strict=True):
        split = manifest.split(name)
        if split is None:
            raise InputError(
                f"has no {name} split, as {corpora[0]} has", where=corpus, fix="Leave it out.", kind="split-missing"
            )
        shards: list[Shard] = []
        for shard in split.shards:
            shards.append(_renamed(shard, f"{name}-{number:05d}"))
            for old, new in zip(shard.files, shards[-1].files, strict=True):
                place(corpus / old.name, folder / new.name)
            number += 1
        splits.append(dataclasses.replace(split, shards=tuple(shards)))
    return add_splits(name, splits)


def _renamed(shard: Shard, name: str) -> Shard:
    files = tuple(dataclasses.replace(file, name=name + Path(file.name).suffix) for file in shard.files)
    return dataclasses.replace(shard, name=name, files=files)


def _copy(old: Path, new: Path, advance: Advance) -> None:
    with open(old, "rb") as source, open(new, "wb") as target:
        while block := source.read(_BLOCK):
            target.write(block)
            advance(len(block))


def _link(old: Path, new: Path) -> None:
    try:
        new.hardlink_to(old)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP):
            raise
        fix = "Choose an output on the same file system, or copy with --copy."
        raise InputError(
            f"cannot be linked to {new}: {error.strerror}", where=old, fix=fix, kind="cannot-be-linked"
        ) from None


def _check_same_settings(first: Path, expected: Manifest, corpus: Path, manifest: Manifest) -> None:
    theirs = _by_content(manifest)
    for key, value in _by_content(expected).items():
        if theirs[key] != value:
            problem = f"was prepared with {key} {theirs[key]}, but {first} with {value}"
            raise InputError(
                problem,
                where=corpus,
                fix="Prepare one of them again with the settings of the other.",
                kind="settings-differ",
            )


def _by_content(manifest: Manifest) -> dict[str, Any]:
    """The settings, with the checksums of the files that they name, or that lie in a folder they name, for paths."""

    def convert(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: convert(item) for key, item in value.items()}
        if isinstance(value, list):
            return [convert(item) for item in value]
        if not isinstance(value, str):
            return value
        inside = {
            Path(file).name: sha256 for file, sha256 in manifest.rule_files.items() if str(Path(file).parent) == value
        }
        return manifest.rule_files.get(value) or inside or value

    settings: dict[str, Any] = convert(to_json(manifest.settings))
    return settings


def _check_sources(corpora: Sequence[Path], manifests: Sequence[Manifest]) -> None:
    seen: dict[str, str] = {}
    for corpus, manifest in zip(corpora, manifests, strict=True):
        own = {source.sha256: f"{source.path} of {corpus}" for source in manifest.sources}
        for sha256 in own.keys() & seen.keys():
            fix = "Leave one of the corpora out."
            raise InputError(f"is the same file as {seen[sha256]}", where=own[sha256], fix=fix, kind="source-twice")
        seen |= own
