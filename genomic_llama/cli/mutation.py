"""Mutation maps."""

from pathlib import Path
from typing import Annotated

import typer

from foundation.atomic import check_directory_writable, check_writable
from foundation.place import beside
from foundation.terminal import print_lines, warn
from genomic_llama.cli.options import Adapter, Bed, Dtype, FittingBatchSize, Model, ModelDtype, Overwrite, Strand

commands = typer.Typer()


@commands.command()
def mutate(
    model: Model,
    fasta: Annotated[Path, typer.Argument(help="Sequences or genome: FASTA, plain or gzip.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Write OUT.parquet, OUT.vcf.gz and OUT.html.", show_default=False)],
    bed: Bed = None,
    deletion: Annotated[
        list[int] | None,
        typer.Option(help="Also delete this many bases at each position; can be repeated.", min=1, show_default=False),
    ] = None,
    tile: Annotated[
        int | None,
        typer.Option(
            help="Also replace tiles of this many bases: A by C, G by T, and vice versa.", min=1, show_default=False
        ),
    ] = None,
    hub: Annotated[
        Path | None, typer.Option(help="Write a UCSC track hub into this directory.", show_default=False)
    ] = None,
    assembly: Annotated[str, typer.Option(help="Assembly of the track hub, as UCSC names it.")] = "",
    window: Annotated[
        int | None, typer.Option(help="Window length, in bases.", min=2, show_default="8192, or the model's positions")
    ] = None,
    downstream: Annotated[
        int | None,
        typer.Option(
            help="Bases of the window from the mutated position on.",
            min=1,
            show_default="512, or a quarter of the window",
        ),
    ] = None,
    grid: Annotated[
        int | None,
        typer.Option(help="Windows start at multiples of this.", min=1, show_default="an eighth of --downstream"),
    ] = None,
    strand: Annotated[Strand, typer.Option(help="Strand to read.")] = Strand.both,
    adapter: Adapter = None,
    dtype: ModelDtype = Dtype.float32,
    batch_size: FittingBatchSize = None,
    overwrite: Overwrite = False,
) -> None:
    """Mutate every base of regions or sequences, and show what each change does to the likelihood.

    OUT.html is a page with a heat map and a logo for each region. Finished
    outputs are not recomputed unless an input or a setting differs.
    """
    warn(f"Mutating {bed or fasta} with {model}")
    from dataclasses import asdict

    from configs.llama import read_architecture
    from corpus.streams.compression import check_opens
    from evaluation.digest import named
    from evaluation.finished import Work, describe
    from evaluation.likelihood.bed import check_bed
    from evaluation.likelihood.hub import check_hub
    from evaluation.likelihood.model import check_directory, check_language_model, load_model
    from evaluation.mutation.hub import write_hub
    from evaluation.mutation.mutants import Kinds
    from evaluation.mutation.mutation_files import write_parquet, write_vcf
    from evaluation.mutation.mutation_map import mutate_regions, plan_mutation_windows, read_sites
    from evaluation.mutation.page import write_page
    from foundation.pages.quantities import plural

    kinds = Kinds(deletions=tuple(deletion or ()), tile=tile)
    parquet, vcf, page = (beside(out, suffix) for suffix in (".parquet", ".vcf.gz", ".html"))
    if bed is not None:
        check_bed(bed)
    check_opens(fasta)
    check_writable(parquet, vcf, page, given=out)
    if hub is not None:
        check_directory_writable(hub)
        check_hub(hub, assembly, fasta=fasta, bed=bed, overwrite=overwrite)
    check_directory(model, adapter)
    check_language_model(model, adapter)
    longest = read_architecture(model).max_position_embeddings
    placement = plan_mutation_windows(longest, window=window, downstream=downstream, grid=grid)
    settings = {
        "model": named(model, adapter), "genome": fasta.name, "strand": strand.value, "dtype": dtype.value,
        **{key: str(value) for key, value in asdict(placement).items()},
        "deletions": ",".join(map(str, kinds.deletions)), "tile": str(tile or ""),
    }  # fmt: skip
    files = [parquet, vcf, page] + ([hub / "hub.txt"] if hub else [])
    work = Work(
        command="mutate", model=model, adapter=adapter, sources={"genome": fasta, "bed": bed},
        settings={**settings, "assembly": assembly if hub else ""}, files=files, overwrite=overwrite,
    )  # fmt: skip
    if finished := work.finished():
        print_lines(describe(finished))
        return
    regions, contigs = read_sites(fasta, bed)
    loaded = load_model(model, dtype.value, adapter=adapter)
    maps = list(
        mutate_regions(loaded, regions, contigs, placement, kinds, strand=strand.value, batch_size=batch_size)
    )  # fmt: skip
    write_parquet(maps, parquet, settings)
    write_vcf(maps, vcf, settings)
    write_page(maps, page, settings)
    if hub is not None:
        write_hub(maps, hub, assembly, overwrite=overwrite)
    work.finish()
    made = plural(sum(len(one.mutants) for one in maps), "mutant")
    print_lines(f"{made} of {plural(len(maps), 'region')}; wrote {', '.join(map(str, files))}")
