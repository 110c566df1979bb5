"""A UCSC track hub of mutation maps: a logo of the reference, and the importance of each base."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from evaluation.likelihood.hub import SETTINGS, HubTrack, hub_settings
from evaluation.likelihood.regions import Region
from evaluation.likelihood.tracks import open_track
from evaluation.mutation.mutants import BASES
from evaluation.mutation.mutation_map import MutationMap
from foundation.atomic import atomic_directory

_LOGO = HubTrack(
    short="Mutation logo", long="Bases of the reference, as tall as the model's loss on changing them (nats)"
)  # fmt: skip
_IMPORTANCE = HubTrack(
    name="importance",
    short="Importance",
    long="Minus the mean change of log-likelihood of a base's three SNVs (nats)",
)


def write_hub(maps: Sequence[MutationMap], folder: Path, assembly: str) -> None:
    """Write `folder`: hub.txt, and five bigWigs beside it."""
    with atomic_directory(folder, mark=SETTINGS, overwrite=True) as temporary:
        for name in (*BASES, "importance"):
            _write_track(maps, temporary / f"{name}.bw", None if name == "importance" else name)
        settings = hub_settings(assembly, "Mutation maps", _LOGO, [_IMPORTANCE])
        (temporary / SETTINGS).write_text(settings, "utf-8")


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
