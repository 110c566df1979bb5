"""Where a name in a configuration leads: a path, or the name of a directory that ships in `configs/`."""

from pathlib import Path

from foundation.errors import InputError, nearest

CONFIGS = Path(__file__).resolve().parent


def in_home(text: str) -> str:
    """`text`, of which a leading `~/` is the home directory."""
    return str(Path.home() / text[2:]) if text.startswith("~/") else text


def find_directory(tag: str | Path, *, holding: str) -> Path:
    """The directory that `tag` names and that holds the file `holding`.

    `tag` is looked up as a path first, then among the directories of `configs/`, so that
    `./llama3_8b_genomic_config` works from any working directory. Never looked up on a network.

    Errors: `InputError` where there is no such directory, or it lacks the file.
    """
    shipped = sorted(path.parent.name for path in CONFIGS.glob(f"*_config/{holding}")) or ["example_checkpoint"]
    places = (Path(in_home(str(tag))), CONFIGS / tag)
    for directory in places:
        if (directory / holding).is_file():
            return directory
    if any(directory.is_dir() for directory in places):
        raise InputError(
            f"has no {holding}",
            where=tag,
            fix=f"Shipped directories: {', '.join(shipped)}.",
            kind="directory-without-config",
        )
    raise InputError(
        "no such directory, and no shipped one of this name",
        where=tag,
        fix=nearest(Path(tag).name, shipped),
        kind="no-such-directory",
    )
