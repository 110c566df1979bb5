"""A UCSC track hub: a logo of four bigWigs, one for each letter, and other bigWigs below it.

The logo is a multiWig container with `logo on`: where it is drawn at the scale of bases, the height of a letter is the
value that its bigWig has there (https://genome.ucsc.edu/goldenPath/help/trackDb/trackDbHub.html).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from evaluation.likelihood.distributions import open_distribution
from evaluation.likelihood.scoring import Track
from evaluation.likelihood.tracks import check_track
from foundation.atomic import atomic_directory
from foundation.errors import InputError
from foundation.spelling import option

SETTINGS = "hub.txt"
_COLOURS = {"A": "46,125,79", "C": "47,98,184", "G": "185,119,14", "T": "179,65,46"}
_HEAD = """hub genomic_llama
shortLabel Genomic Llama
longLabel {title} of Genomic Llama
useOneFile on
email nobody@example.org

genome {assembly}
"""
_LOGO = """
track logo
container multiWig
noInherit on
type bigWig
shortLabel {short}
longLabel {long}
aggregate stacked
logo on
autoScale on
visibility full
maxHeightPixels 128:64:16
"""
_LETTER = """
    track logo_{base}
    parent logo
    type bigWig
    shortLabel {base}
    longLabel {base}
    bigDataUrl {base}.bw
    color {colour}
    priority {number}
"""
_SIGNAL = """
track {name}
type bigWig
shortLabel {short}
longLabel {long}
bigDataUrl {name}.bw
autoScale on
visibility full
maxHeightPixels 128:48:16
color 11,122,107
"""


@dataclass(frozen=True, kw_only=True)
class HubTrack:
    """How a track is called: in short, and in full with its unit. `name`: of its bigWig, without the suffix."""

    name: str = "logo"
    short: str
    long: str


def check_hub(folder: Path, assembly: str, *, fasta: Path | None, bed: Path | None) -> None:
    """Before any work. Errors: `InputError` for a folder that exists, a bad assembly, and regions that overlap."""
    if not assembly or not assembly.replace("_", "").replace(".", "").isalnum():
        problem = f"a track hub needs the name of its assembly, and {assembly!r} is not one"
        raise InputError(problem, where=option("assembly"), fix="Give it as UCSC names it: hg38.", kind="assembly")
    if folder.exists() and not (folder / SETTINGS).is_file():
        raise InputError("exists, and is not a track hub", where=folder, fix="Give another name.", kind="hub-exists")
    check_track(folder / "A.bw", fasta=fasta, bed=bed)


def hub_settings(assembly: str, title: str, logo: HubTrack, signals: Sequence[HubTrack]) -> str:
    """What hub.txt says, which holds all settings (useOneFile); A.bw, C.bw, G.bw and T.bw are of the logo."""
    letters = (_LETTER.format(base=base, colour=_COLOURS[base], number=n) for n, base in enumerate(_COLOURS, 1))
    others = (_SIGNAL.format(name=one.name, short=one.short, long=one.long) for one in signals)
    logo_text = _LOGO.format(short=logo.short, long=logo.long)
    return "".join([_HEAD.format(title=title, assembly=assembly), logo_text, *letters, *others])


_EXPECTED = HubTrack(short="Expected bases", long="Probability of A, C, G and T that the model expects at each base")
_SIGNALS = (
    HubTrack(name="entropy", short="Entropy", long="Entropy of what the model expects (bits)"),
    HubTrack(name="EOS", short="EOS", long="Probability of the end of the sequence"),
)


@contextmanager
def open_distribution_hub(folder: Path, assembly: str) -> Iterator[Track]:
    """A track of distributions, whose bigWigs become a hub when all is written."""
    with atomic_directory(folder, mark=SETTINGS, overwrite=True) as temporary:
        with open_distribution(temporary / "hub.bw") as track:
            yield track
        for file in temporary.glob("hub.*.bw"):
            file.rename(temporary / file.name.removeprefix("hub."))
        (temporary / SETTINGS).write_text(hub_settings(assembly, "Distributions", _EXPECTED, _SIGNALS), "utf-8")
