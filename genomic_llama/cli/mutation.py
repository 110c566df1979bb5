"""Mutation maps."""

from pathlib import Path
from typing import Annotated

import typer

from foundation.terminal import print_lines, warn
from genomic_llama.cli.options import Adapter, Bed, Dtype, FittingBatchSize, Model, ModelDtype, Overwrite, Strand
from genomic_llama.cli.sharding import Sharding, carry_out, sharded

commands = typer.Typer()


@commands.command()
@sharded
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
    *,
    cut: Sharding,
) -> None:
    """Mutate every base of regions or sequences, and show what each change does to the likelihood.

    OUT.html is a page with a heat map and a logo for each region. Finished
    outputs are not recomputed unless an input or a setting differs.
    """
    warn(f"Mutating {bed or fasta} with {model}")
    from evaluation.mutation.request import MutateRequest
    from foundation.pages.quantities import plural

    request = MutateRequest(
        model=model, fasta=fasta, out=out, bed=bed, deletions=tuple(deletion or ()), tile=tile, hub=hub,
        assembly=assembly, window=window, downstream=downstream, grid=grid, strand=strand.value, adapter=adapter,
        dtype=dtype.value, batch_size=batch_size,
    )  # fmt: skip
    if timed := carry_out(request, cut, overwrite=overwrite).timed:
        made = plural(sum(len(one.mutants) for one in timed.result), "mutant")
        of = plural(len(timed.result), "region")
        print_lines(f"{made} of {of}; wrote {', '.join(map(str, timed.files))}")
