"""Lists of taxa by name: shipped ones in `configs/exclusion/`, or a YAML file of the same form."""

from dataclasses import dataclass
from pathlib import Path

from configs.locate import CONFIGS
from foundation.errors import InputError, nearest
from foundation.typed import from_json
from foundation.untrusted import read_yaml

PRESETS = CONFIGS / "exclusion"


@dataclass(frozen=True, kw_only=True)
class PresetTaxon:
    """A taxon to leave out with all that is below it. `within`: names of taxa below, for reading without a taxdump."""

    taxid: int
    name: str
    rank: str
    within: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A list of taxa and where it is from."""

    description: str
    sources: tuple[str, ...]
    taxa: tuple[PresetTaxon, ...]


def find_preset(name: str) -> Path:
    """The file of a shipped preset, or `name` itself where it is a file. Errors: `InputError`."""
    for path in (PRESETS / f"{name}.yaml", Path(name)):
        if path.is_file():
            return path
    raise InputError(
        "is not an exclusion preset",
        where=name,
        fix=nearest(name, (p.stem for p in PRESETS.glob("*.yaml"))),
        kind="unknown-preset",
    )


def read_preset(name: str) -> Preset:
    """The preset of that name. Errors: `InputError` naming the file and the key."""
    path = find_preset(name)
    return from_json(Preset, read_yaml(path), str(path), fix=f"Compare {PRESETS / 'eukaryotic_viruses.yaml'}.")
