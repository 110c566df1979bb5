"""Effects of variants."""

from pathlib import Path
from typing import Annotated

import typer

from evaluation.limits import MOST
from foundation.terminal import print_lines, warn
from genomic_llama.cli.options import Adapter, Dtype, FittingBatchSize, Model, ModelDtype, Overwrite, Strand
from genomic_llama.cli.sharding import Sharding, carry_out, sharded

commands = typer.Typer()


@commands.command()
@sharded
def variants(
    model: Model,
    fasta: Annotated[Path, typer.Argument(help="Genome: FASTA, plain or gzip.", show_default=False)],
    vcf: Annotated[Path, typer.Argument(help="Variants: VCF, plain or gzip.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Write OUT.vcf.gz, OUT.tsv, OUT.metrics.json.", show_default=False)],
    window: Annotated[
        int | None, typer.Option(help="Window length, in bases.", min=2, show_default="8192, or the model's positions")
    ] = None,
    downstream: Annotated[
        int | None,
        typer.Option(help="Bases of the window from the variant on.", min=1, show_default="1024, or half the window"),
    ] = None,
    grid: Annotated[
        int | None,
        typer.Option(
            help="Windows start at multiples of this, so that nearby variants share them; 1: one window per variant.",
            min=1,
            show_default="an eighth of --downstream",
        ),
    ] = None,
    strand: Annotated[Strand, typer.Option(help="Strand to read.")] = Strand.both,
    label: Annotated[
        str | None, typer.Option(help="INFO key of a label, to report AUROC and AUPRC.", show_default=False)
    ] = None,
    positive: Annotated[
        str, typer.Option(help=r"Label values that are positive, separated by commas; \, is a literal comma.")
    ] = "1",
    negative: Annotated[str, typer.Option(help="Label values that are negative; by default all others.")] = "",
    by: Annotated[
        str | None, typer.Option(help="INFO key of classes; each class also gets its own report.", show_default=False)
    ] = None,
    distances: Annotated[
        bool,
        typer.Option(
            "--distances",
            help="Also report Jensen-Shannon divergence, embedding distance and entropy change after each variant.",
        ),
    ] = False,
    null: Annotated[
        int,
        typer.Option(
            help="Compare each indel with this many random indels of its length in the same contigs.", min=0, max=MOST
        ),
    ] = 0,
    adapter: Adapter = None,
    dtype: ModelDtype = Dtype.float32,
    batch_size: FittingBatchSize = None,
    overwrite: Overwrite = False,
    *,
    cut: Sharding,
) -> None:
    """Score variants: the change in log-likelihood from the reference allele to each alternative.

    Repeat the command to continue an interrupted run. Finished results are not
    recomputed unless an input or a setting differs.
    """
    warn(f"Scoring the variants of {vcf} with {model}")
    from evaluation.variants.alleles import MISPLACED, SCORED, describe_unscored
    from evaluation.variants.labels import table_lines
    from evaluation.variants.request import VariantRequest
    from foundation.pages.quantities import plural

    request = VariantRequest(
        model=model, fasta=fasta, vcf=vcf, out=out, window=window, downstream=downstream, grid=grid,
        strand=strand.value, label=label, positive=positive, negative=negative, by=by, dtype=dtype.value,
        batch_size=batch_size, distances=distances, null=null, adapter=adapter,
    )  # fmt: skip
    timed = carry_out(request, cut, overwrite=overwrite).timed
    if timed is None:
        return
    result, paths = timed.result, timed.files
    rate = result.haplotypes / timed.seconds if timed.seconds else 0.0
    scored = plural(result.statuses[SCORED], "allele")
    print_lines(f"{scored} scored, {rate:.1f} haplotypes/s; wrote {', '.join(map(str, paths))}")
    for line in describe_unscored(result.statuses):
        print_lines(line)
    for line in result.misplaced:
        print_lines(f"  {line}")
    misplaced = sum(result.statuses[status] for status in MISPLACED)
    if more := misplaced - len(result.misplaced):
        print_lines(f"  ... and {more:,} more, {' or '.join(MISPLACED)} in the column status of {paths[1]}")
    if misplaced > result.statuses[SCORED]:
        print_lines("  most differ: was the VCF file called on this assembly?")
    if label is not None:
        print_lines(*table_lines(result.labels, label))
        if result.repeated:
            verb = "repeats" if result.repeated == 1 else "repeat"
            print_lines(f"{plural(result.repeated, 'allele')} {verb} another one; each counts in the measures")
    for measure in result.measures:
        values = [
            f"{name} {one.value:.3f} [{one.low:.3f}, {one.high:.3f}]" if one else f"{name} none"
            for name, one in (("AUROC", measure.auroc), ("AUPRC", measure.auprc))
        ]
        print_lines(
            f"{measure.name}: {', '.join(values)}, {measure.positives:,} positive, {measure.negatives:,} negative"
        )
