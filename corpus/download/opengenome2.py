"""OpenGenome2 (Brixi et al., Evo 2): which files of its repository are which source, and fetching them.

What is known of the layout, and from where. `json/pretraining_or_both_phases/` holds the first phase's data, 8,192
tokens a sample, in one folder a source. The folders' names are those that public code reads them by; two of the
sources' names are not the folders': Evo 2's "stitched mRNA" is `mrna_splice_promoter`, its "5 kb genic windows" are
`eukaryotic_genic_windows`. A file is `data_<x>_{train,valid,test}_chunkN.jsonl.gz`, of the genic windows
`windows_5kb_{train,valid,test}_chunkN.jsonl.gz`. Sizes and checksums are never assumed: they come from the repository.
None of this was tried against the repository itself, only against a server that answers as the Hub's API does.
"""

import json
import re
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from corpus.download.files import RemoteFile, download
from corpus.download.hub import DatasetRepository
from foundation.atomic import atomic_file
from foundation.errors import InputError, nearest
from foundation.pages.quantities import plural
from foundation.untrusted import read_json

REPOSITORY = "arcinstitute/opengenome2"
ROOT = "json/pretraining_or_both_phases"
RECORD = "opengenome2.json"

SOURCES: Mapping[str, str] = {
    "metagenomics": "metagenomes",
    "gtdb_imgpr": "gtdb_v220_imgpr",
    "imgvr": "imgvr_untagged",
    "ncrna": "ncrna",
    "mrna": "mrna",
    "mrna_stitched": "mrna_splice_promoter",
    "genic_windows": "eukaryotic_genic_windows",
    "promoters": "promoters",
    "organelle": "organelle",
}
"""The sources of Evo 2's blend at 8k, and the folder of each."""

SPLITS = ("train", "valid", "test")

_FILE = re.compile(r"[\w.-]+_(?P<split>train|valid|test)_chunk\d+\.jsonl\.gz", re.ASCII)


def download_opengenome2(
    out: Path,
    *,
    sources: Sequence[str],
    splits: Sequence[str] = SPLITS,
    revision: str = "main",
    endpoint: str | None = None,
    connections: int = 4,
    confirm: Callable[[str], bool] = lambda summary: True,
) -> list[Path]:
    """Fetch the files of `sources` into `out`, under their paths in the repository; those that are there stay.

    `revision` is a branch, tag or commit; what it is now is looked up once, and `out/opengenome2.json` records the
    commit, size and SHA-256 of each file. `endpoint`: of the Hub or a mirror; without it `HF_ENDPOINT`, then the Hub.
    `confirm` is asked with a table of the sizes; where it says no, nothing is fetched and the list is empty.
    An interrupted download resumes where it stopped when it is started again.
    Errors: `InputError` for a source, split, revision or file that is not there, a server that keeps failing, a wrong
    checksum, or a disk without the room.
    """
    out = Path(out)
    _check_names("source", sources, SOURCES)
    _check_names("split", splits, SPLITS)
    with DatasetRepository(REPOSITORY, revision, endpoint=endpoint) as repository:
        files = {source: _files(repository, SOURCES[source], splits) for source in dict.fromkeys(sources)}
        recorded = _read_record(out)
        wanted = [file for group in files.values() for file in group]
        missing = [file for file in wanted if not _is_there(file, out, recorded)]
        _check_room(missing, out)
        if missing and not confirm(_summary(files, missing, out, repository.commit)):
            return []
        for file in download(missing, out, connections=connections, headers=repository.headers):
            recorded[file.path] = {"bytes": file.size, "sha256": file.sha256, "commit": repository.commit}
            _write_record(recorded, out)
    return [out / file.path for file in wanted]


def _files(repository: DatasetRepository, folder: str, splits: Iterable[str]) -> list[RemoteFile]:
    found = []
    for file in repository.files(f"{ROOT}/{folder}"):
        match = _FILE.fullmatch(file.path.rsplit("/", 1)[-1])
        if match and match["split"] in splits:
            found.append(file)
    if not found:
        problem = f"{ROOT}/{folder} holds no file of {', '.join(splits)}"
        raise InputError(
            problem,
            where=repository.name,
            fix="Its layout may have changed: look at it on the Hub.",
            kind="folder-without-files",
        )
    return found


def _check_names(kind: str, names: Sequence[str], known: Iterable[str]) -> None:
    if not names:
        raise InputError(f"no {kind} was given", fix=f"Known: {', '.join(known)}.", kind="nothing-chosen")
    for name in names:
        if name not in known:
            raise InputError(f"no {kind} of OpenGenome2", where=name, fix=nearest(name, known), kind="unknown-name")


def _is_there(file: RemoteFile, out: Path, recorded: Mapping[str, Mapping[str, object]]) -> bool:
    """Whether `file` was fetched and checked by an earlier call. One of another version is an error."""
    if not (out / file.path).is_file() or file.path not in recorded:
        return False
    if recorded[file.path].get("sha256") == file.sha256 and (out / file.path).stat().st_size == file.size:
        return True
    problem = "differs from what the repository has now"
    raise InputError(
        problem,
        where=out / file.path,
        fix="Give the --revision it came from, or move it away.",
        kind="another-revision",
    )


def _check_room(missing: Sequence[RemoteFile], out: Path) -> None:
    place = next(folder for folder in (out.absolute(), *out.absolute().parents) if folder.is_dir())
    need = sum(file.size - file.fetched(out) for file in missing)
    if need > (free := shutil.disk_usage(place).free):
        problem = f"has {_gigabytes(free)} free, {_gigabytes(need)} are needed"
        raise InputError(problem, where=out, fix="Choose another disk, or fewer sources.", kind="not-enough-disk")


def _summary(files: Mapping[str, Sequence[RemoteFile]], missing: Sequence[RemoteFile], out: Path, commit: str) -> str:
    lines = [f"{REPOSITORY} at {commit}"]
    lines += [f"  {name:<14} {plural(len(group), 'file'):>10} {_total(group):>12}" for name, group in files.items()]
    need = _gigabytes(sum(file.size - file.fetched(out) for file in missing))
    return "\n".join([*lines, f"{need} in {plural(len(missing), 'file')} to download into {out}."])


def _total(files: Sequence[RemoteFile]) -> str:
    return _gigabytes(sum(file.size for file in files))


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:,.2f} GB"


def _read_record(out: Path) -> dict[str, dict[str, object]]:
    path = out / RECORD
    if not path.is_file():
        return {}
    try:
        record: dict[str, dict[str, object]] = read_json(path)["files"]
        return {name: dict(row) for name, row in record.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(
            "is not the record of a download",
            where=path,
            fix="Remove it; files are then checked.",
            kind="not-a-download-record",
        ) from None


def _write_record(recorded: Mapping[str, Mapping[str, object]], out: Path) -> None:
    text = json.dumps({"repository": REPOSITORY, "files": recorded}, indent=1)
    with atomic_file(out / RECORD) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
