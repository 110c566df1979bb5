"""Mutation maps as files: Parquet and VCF, one row per mutant."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from evaluation.mutation.mutants import Mutant
from evaluation.mutation.mutation_map import MutationMap
from evaluation.variants.effects import Effect
from evaluation.variants.vcf import COLUMNS, write_lines
from foundation.atomic import atomic_file

ROW = ("name", "contig", "start", "end", "kind", "ref", "alt", "delta", "delta_mean", "forward", "reverse")

_HEADER = (
    "##fileformat=VCFv4.3",
    '##INFO=<ID=GLL_KIND,Number=1,Type=String,Description="snv, deletion or tile">',
    '##INFO=<ID=GLL_DELTA,Number=A,Type=Float,Description="ln P(mutant) - ln P(reference), summed over the window, '
    'mean of the strands compared; below zero the model prefers the reference">',
    '##INFO=<ID=GLL_MEAN,Number=A,Type=Float,Description="GLL_DELTA per base that was compared">',
)


def rows(found: MutationMap) -> Iterator[tuple[Any, ...]]:
    """A row for each mutant, in the order of `ROW`; `start` from 0; nats, None where nothing was compared."""
    region, reference = found.region, found.reference
    for mutant, effect in zip(found.mutants, found.effects, strict=True):
        ref = reference[mutant.start - region.start : mutant.end - region.start]
        place = (region.name, region.contig, mutant.start, mutant.end, mutant.kind, ref, mutant.alt)
        yield (*place, *_numbers(effect))


def _numbers(effect: Effect | None) -> tuple[float | None, ...]:
    if effect is None:
        return (None,) * 4
    by_strand = (None if one is None else one.delta for one in (effect.forward, effect.reverse))
    return (effect.delta, effect.mean, *by_strand)


def write_parquet(maps: Sequence[MutationMap], path: Path, settings: dict[str, str]) -> None:
    """Write all rows; `settings` go into the file's metadata."""
    import pyarrow as pa
    from pyarrow import parquet

    types = [pa.string(), pa.string(), pa.int64(), pa.int64(), *[pa.string()] * 3, *[pa.float64()] * 4]
    schema = pa.schema(list(zip(ROW, types, strict=True)), metadata=settings)
    how: dict[str, Any] = {"compression": "zstd", "use_dictionary": False}  # its page has bytes that nothing sets
    with atomic_file(path) as temporary, parquet.ParquetWriter(temporary, schema, **how) as writer:
        for found in maps:
            columns = zip(*rows(found), strict=True)
            arrays = [pa.array(column, kind) for column, kind in zip(columns, types, strict=True)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))


def write_vcf(maps: Sequence[MutationMap], path: Path, settings: dict[str, str]) -> None:
    """Write all mutants in VCF's normal form, sorted, equal ones once, compressed with bgzip."""
    lengths = {found.region.contig: found.contig_length for found in maps}
    order = {contig: number for number, contig in enumerate(lengths)}
    entries = {
        (order[found.region.contig], mutant.allele.position, _line(found.region.contig, mutant, effect)): None
        for found in maps
        for mutant, effect in zip(found.mutants, found.effects, strict=True)
        if effect is not None
    }
    contigs = [f"##contig=<ID={contig},length={length}>" for contig, length in lengths.items()]
    said = "##genomic-llama-mutate=" + " ".join(f"{key}={value}" for key, value in settings.items())
    header = [_HEADER[0], said, *contigs, *_HEADER[1:], "\t".join(COLUMNS)]
    with atomic_file(path) as temporary:
        lines = (f"{line}\n" for line in (*header, *(line for _, _, line in sorted(entries))))
        write_lines(temporary, lines, compressed=True)


def _line(contig: str, mutant: Mutant, effect: Effect) -> str:
    allele = mutant.allele
    ref, alt = (ids.tobytes().decode("latin-1") for ids in (allele.ref, allele.alt))
    info = f"GLL_KIND={mutant.kind};GLL_DELTA={effect.delta:.7g};GLL_MEAN={effect.mean:.7g}"
    return "\t".join((contig, str(allele.position + 1), ".", ref, alt, ".", ".", info))
