"""Effects of variants and of all mutants, as tables."""

from collections.abc import Iterable, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

from evaluation.likelihood.regions import Region
from evaluation.likelihood.scoring import strands
from evaluation.mutation.mutants import Kinds
from evaluation.mutation.mutation_files import ROW, rows
from evaluation.mutation.mutation_map import mutate_regions, plan_mutation_windows
from evaluation.variants.alleles import SCORED, Allele, list_alleles
from evaluation.variants.calibration import Calibration, calibrate, check_null, random_indels
from evaluation.variants.effects import Effect, allele_effects
from evaluation.variants.table import columns, values
from evaluation.variants.vcf import Vcf, VcfRecord, read_vcf
from evaluation.variants.windows import plan_placement
from foundation.errors import InputError, shown
from foundation.progress import called_from_python, progress_bar
from genomic_llama.api.door import public, read_argument
from genomic_llama.api.models import check_predicts_bases
from genomic_llama.api.paths import read_path
from genomic_llama.api.sequences import read_contigs, read_named
from genomic_llama.api.tables import check_once, check_present, is_missing

if TYPE_CHECKING:
    from pandas import DataFrame
    from transformers import PreTrainedModel

    from genomic_llama.api.sequences import Sequences

_ALLELE = frozenset({"contig", "position", "id", "ref", "alt", "status"})
_MUTANT = frozenset({"name", "contig", "start", "end", "kind", "ref", "alt"})
_NAMES = {
    "contig": ("contig", "chrom", "#chrom", "chromosome"),
    "position": ("position", "pos"),
    "ref": ("ref",),
    "alt": ("alt",),
}


@public
def variants(
    model: "PreTrainedModel",
    genome: "Sequences",
    variants: "str | PathLike[str] | DataFrame",
    *,
    strand: str = "both",
    window: int | None = None,
    downstream: int | None = None,
    grid: int | None = None,
    distances: bool = False,
    null: int = 0,
    batch_size: int | None = None,
    progress: bool = False,
) -> "DataFrame":
    """Score variants: the change in log-likelihood from the reference allele to each alternative.

    - `genome`: the path of a FASTA file, `pysam.FastaFile`, a dict of contigs, or other [sequences](#sequences).
    - `variants`: the path of a VCF file, or a table with the columns `contig` (or `CHROM`), `position` (or `POS`, from
      1, as in VCF), `ref` and `alt` (several with commas).
    - `strand`: `"forward"`, `"reverse"` or `"both"`.
    - `window`: length in bases, by default 8,192 or the model's positions. `downstream`: bases of the window from the
      variant on, by default 1,024 or half the window. `grid`: windows start at multiples of it, so that nearby
      variants share them.
    - `distances`: also report how distributions and embeddings change after the variant.
    - `null`: compare each indel with this many random indels of its length in the same contigs; 200 are enough for a
      z-score.
    - `batch_size`, `progress`: as for `score`.

    Returns one row per alternative allele, in order, with the index of the given table: `contig`,
    `position` (from 1), `id`, `ref`, `alt`, `status` (`scored`, or why not), `delta` (nats, the mean of the strands;
    below zero the model prefers the reference), `delta_mean` (per base compared), and for each strand its delta and the
    number of bases compared. With `distances`: `divergence` (Jensen-Shannon divergence of the next base's
    distribution, bits), `euclidean` and `cosine` (distances of the last layer's embeddings), `entropy` (change, bits),
    each the mean over the bases from the variant to the window's end. With `null`: `null_z` (delta of an indel, in
    standard deviations from the mean of the random ones), `null_p` (the share of them that is as low or lower),
    `null_mean` and `null_deviation` (nats).

    Raises `InputError` for invalid files or tables, for no variant at all, and for windows beyond the model's
    positions.
    """
    with called_from_python(progress=progress):
        check_predicts_bases(model)
        check_null(null)
        readings = strands(strand)
        placement = plan_placement(
            int(model.config.max_position_embeddings), window=window, downstream=downstream, grid=grid
        )
        read = _read_variants(variants)
        if not read.records:
            raise InputError("has nothing to score", where="variants", fix="Give one or more.", kind="no-variants")
        contigs = read_contigs(genome, {record.contig for record in read.records})
        alleles = list_alleles(read, contigs, "variants")
        scored = sum(allele.status == SCORED for allele in alleles)
        random = random_indels(alleles, contigs, null)
        with progress_bar("Scoring variants", total=scored + len(random), unit=" alleles") as advance:
            found = allele_effects(
                model, [*alleles, *random], contigs, placement, readings=readings, batch_size=batch_size,
                distances=distances, advance=advance,
            )  # fmt: skip
        effects, of_random = found[: len(alleles)], found[len(alleles) :]
        calibrations = calibrate(alleles, effects, random, of_random) if null else []
        return _to_table(alleles, effects, calibrations, distances, variants)


@public
def mutate(
    model: "PreTrainedModel",
    sequences: "Sequences",
    *,
    regions: "Sequence[tuple[str, int, int]] | None" = None,
    deletions: Sequence[int] = (),
    tile: int | None = None,
    strand: str = "both",
    window: int | None = None,
    downstream: int | None = None,
    grid: int | None = None,
    batch_size: int | None = None,
    progress: bool = False,
) -> "DataFrame":
    """Mutate every base, and score each change: saturation mutagenesis.

    - `sequences`: text, files, records or tables, see [Sequences](#sequences).
    - `regions`: parts to mutate as (name, start, end), from 0 and without the end; the surrounding sequence is context.
      By default, all of each sequence is mutated.
    - `deletions`: also delete this many bases at each position, e.g. `(1, 3)`.
    - `tile`: also replace tiles of this many bases: A by C, G by T, and vice versa.
    - `strand`, `window`, `grid`, `batch_size`, `progress`: as for `variants`. `downstream` is 512 or a quarter of the
      window by default.

    Returns one row per mutant: `name`, `contig`, `start` and `end` (from 0) of the bases that are changed, `kind`
    (`snv`, `deletion`, `tile`), `ref`, `alt`, `delta`, `delta_mean`, `forward` and `reverse`, in nats, as `variants`.
    The change of each base as a matrix: `table.pivot(index="alt", columns="start", values="delta")`.

    Raises `InputError` for a region outside its sequence, or without a base to change, for no sequence or region at
    all, and for a deletion or tile that fits none of them.
    """
    from pandas import DataFrame

    with called_from_python(progress=progress):
        check_predicts_bases(model)
        placement = plan_mutation_windows(
            int(model.config.max_position_embeddings), window=window, downstream=downstream, grid=grid
        )
        whole = read_named(sequences)
        contigs = {name: region.ids for name, region in whole.items()}
        chosen = list(whole.values()) if regions is None else _parts(whole, regions)
        kinds = Kinds(deletions=tuple(deletions), tile=tile)
        if not chosen:
            where = "sequences" if regions is None else "regions"
            raise InputError("has nothing to mutate", where=where, fix="Give one or more.", kind="no-sequences")
        maps = mutate_regions(model, chosen, contigs, placement, kinds, strand=strand, batch_size=batch_size)
        return _numbers(DataFrame([row for one in maps for row in rows(one)], columns=list(ROW)), _MUTANT)


def _parts(whole: dict[str, Region], regions: Any) -> list[Region]:
    fix = "Give a list of (name, start, end); of a table, its rows."
    if isinstance(regions, str) or not isinstance(regions, Iterable):
        raise InputError(f"is {shown(regions)}, not a list of regions", where="regions", fix=fix, kind="not-a-region")
    given = list(regions)
    for region in given:
        if isinstance(region, str) or not isinstance(region, Sequence) or len(region) != 3:
            raise InputError(f"{shown(region)} is not a region", where="regions", fix=fix, kind="not-a-region")
    return [_part(whole, region, f"regions[{number}]") for number, region in enumerate(given)]


def _part(whole: dict[str, Region], region: Sequence[Any], where: str) -> Region:
    kinds = (str, int, int)
    name, start, end = (read_argument(kind, one, where) for kind, one in zip(kinds, region, strict=True))
    if name not in whole:
        raise InputError(f"no sequence is named {name!r}", fix=f"There are: {', '.join(whole)}.", kind="no-contig")
    if not 0 <= start < end <= len(whole[name].ids):
        problem = f"[{start:,}, {end:,}) is not within its {len(whole[name].ids):,} bases"
        raise InputError(problem, where=f"sequence {name!r}", fix="Give start and end, from 0.", kind="region-outside")
    ids = whole[name].ids[start:end]
    return Region(name=f"{name}:{start}-{end}", contig=name, start=start, ids=ids)


def _read_variants(given: Any) -> Vcf:
    """A table, or the VCF file of a path. Errors: `InputError`."""
    if hasattr(given, "columns"):
        return _read_table(given)
    if not isinstance(given, str | PathLike):
        fix = "Give the path of a VCF file, or a table with the columns contig, position, ref and alt."
        raise InputError(f"{shown(type(given))} does not hold variants", fix=fix, kind="not-variants")
    return read_vcf(read_path(given, "variants", fix="Give the path of a VCF file, or a table."))


def _read_table(table: "DataFrame") -> Vcf:
    """The rows of a table as records. Errors: `InputError` for a missing column or an invalid position."""
    by_name = {str(column).lower(): column for column in table.columns}
    found = {key: next((by_name[name] for name in names if name in by_name), None) for key, names in _NAMES.items()}
    if missing := [key for key, column in found.items() if column is None]:
        problem = f"the table has no column {', '.join(map(repr, missing))}"
        raise InputError(problem, fix=f"It has: {', '.join(map(str, table.columns))}.", kind="no-variant-column")
    check_once([str(column).lower() for column in table.columns], *(str(one).lower() for one in found.values()), "id")
    ids = table[by_name["id"]] if "id" in by_name else ["."] * len(table)
    parts = zip(*(table[found[key]] for key in _NAMES), ids, strict=True)
    return Vcf(header=(), records=tuple(_row(number, *row) for number, row in enumerate(parts)))


def _row(number: int, contig: Any, position: Any, ref: Any, alt: Any, name: Any) -> VcfRecord:
    try:
        whole = int(position)
    except (TypeError, ValueError, OverflowError):  # text, missing, infinite
        whole = 0
    if whole < 1 or whole != position:
        where, fix = f"row {number} of the table", "Count from 1, as in VCF."
        raise InputError(f"position {position!r} is not a number from 1", where=where, fix=fix, kind="vcf-position")
    contig, ref, alt = (
        check_present(value, what, number) for value, what in ((contig, "contig"), (ref, "ref"), (alt, "alt"))
    )
    return VcfRecord(
        line=number, contig=str(contig), position=whole - 1, id="." if is_missing(name) else str(name), ref=str(ref),
        alts=tuple(str(alt).split(",")), fields=(),
    )  # fmt: skip


def _to_table(
    alleles: Sequence[Allele],
    effects: Sequence[Effect | None],
    calibrations: Sequence[Calibration | None],
    distances: bool,
    given: Any,
) -> "DataFrame":
    from pandas import DataFrame

    asked = {"with_distances": distances, "calibrated": bool(calibrations)}
    lines = []
    for allele, effect, among in zip(alleles, effects, calibrations or [None] * len(alleles), strict=True):
        record = allele.record
        place = (record.contig, record.position + 1, record.id, record.ref, allele.alt_text, allele.status)
        lines.append((*place, *values(effect, among, **asked)))
    index = [given.index[allele.record.line] for allele in alleles] if hasattr(given, "columns") else None
    return _numbers(DataFrame(lines, columns=list(columns(**asked)), index=index), _ALLELE)


def _numbers(table: "DataFrame", text: frozenset[str]) -> "DataFrame":
    """`table` with numbers in every column but those of `text`: a column without any value is NaN, not objects."""
    empty = {name: float for name in table.columns if name not in text and table[name].isna().all()}
    return table.astype(empty)
