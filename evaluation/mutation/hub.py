"""A UCSC track hub of mutation maps: a logo of four bigWigs, one for each letter, and the importance of each base.

The logo is a multiWig container with `logo on`: where it is drawn at the scale of bases, the height of a letter is the
value that its bigWig has there (https://genome.ucsc.edu/goldenPath/help/trackDb/trackDbHub.html).
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from evaluation.likelihood.regions import Region
from evaluation.likelihood.tracks import check_track, open_track
from evaluation.mutation.mutants import BASES
from evaluation.mutation.mutation_map import MutationMap
from foundation.atomic import atomic_directory
from foundation.errors import InputError

_COLOURS = {"A": "46,125,79", "C": "47,98,184", "G": "185,119,14", "T": "179,65,46"}
_LOGO = """
track logo
container multiWig
noInherit on
type bigWig
shortLabel Mutation logo
longLabel Bases of the reference, as tall as the model's loss on changing them (nats)
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
_IMPORTANCE = """
track importance
type bigWig
shortLabel Importance
longLabel Minus the mean change of log-likelihood of a base's three SNVs (nats)
bigDataUrl importance.bw
autoScale on
visibility full
maxHeightPixels 128:48:16
color 11,122,107
"""


def check_hub(folder: Path, assembly: str, *, fasta: Path, bed: Path | None, overwrite: bool) -> None:
    """Before any work. Errors: `InputError` for a folder that exists, a bad assembly, and regions that overlap."""
    if not assembly or not assembly.replace("_", "").replace(".", "").isalnum():
        raise InputError(
            f"{assembly!r} is not the name of an assembly", fix="Give one as UCSC names it: hg38.", kind="assembly"
        )
    if folder.exists() and not overwrite and not (folder / "hub.txt").is_file():
        raise InputError("exists, and is not a track hub", where=folder, fix="Give another name.", kind="hub-exists")
    check_track(folder / "importance.bw", fasta=fasta, bed=bed)


def write_hub(maps: Sequence[MutationMap], folder: Path, assembly: str, *, overwrite: bool) -> None:
    """Write `folder`: hub.txt, which holds all settings (useOneFile), and five bigWigs beside it."""
    with atomic_directory(folder, mark="hub.txt", overwrite=True) as temporary:
        for name in (*BASES, "importance"):
            _write_track(maps, temporary / f"{name}.bw", None if name == "importance" else name)
        letters = (
            _LETTER.format(base=base, colour=_COLOURS[base], number=number) for number, base in enumerate(BASES, 1)
        )
        head = (
            "hub genomic_llama\nshortLabel Genomic Llama\nlongLabel Mutation maps of Genomic Llama\n"
            f"useOneFile on\nemail nobody@example.org\n\ngenome {assembly}\n"
        )
        (temporary / "hub.txt").write_text(head + _LOGO + "".join(letters) + _IMPORTANCE, "utf-8")


def _write_track(maps: Sequence[MutationMap], path: Path, base: str | None) -> None:
    """The importance of each base; with `base`, where the reference has it."""
    with open_track(path) as track:
        for one in maps:
            values = one.importance().astype(np.float32)
            if base is not None:
                here = np.frombuffer(one.reference.encode("latin-1"), np.uint8) == ord(base)
                values = np.where(here, values, np.float32(np.nan))
            region = one.region
            place = Region(
                name=region.name, contig=region.contig, start=region.start, ids=region.ids,
                contig_length=one.contig_length,
            )  # fmt: skip
            track.add(place, values, None)
