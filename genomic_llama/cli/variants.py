"""Effects of variants."""

from pathlib import Path
from typing import Annotated

import typer

from foundation.atomic import check_writable
from foundation.disk import full_disk
from foundation.terminal import say, warn
from genomic_llama.cli.options import Adapter, Dtype, FittingBatchSize, Model, ModelDtype, Overwrite, Strand

commands = typer.Typer()


@commands.command()
def variants(
    model: Model,
    fasta: Annotated[Path, typer.Argument(help="Genome: FASTA, plain or gzip.", show_default=False)],
    vcf: Annotated[Path, typer.Argument(help="Variants: VCF, plain or gzip.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Write OUT.vcf.gz, OUT.tsv, OUT.metrics.json.", show_default=False)],
    window: Annotated[
        int | None, typer.Option(help="Bases of a window.", min=2, show_default="8192, or the model's positions")
    ] = None,
    downstream: Annotated[
        int | None,
        typer.Option(help="Bases of the window from the variant on.", min=1, show_default="1024, or half the window"),
    ] = None,
    grid: Annotated[
        int | None,
        typer.Option(
            help="Windows start at multiples of this, so that variants share them; 1: each has its own.",
            min=1,
            show_default="an eighth of --downstream",
        ),
    ] = None,
    strand: Annotated[Strand, typer.Option(help="Which strand is read.")] = Strand.both,
    label: Annotated[str | None, typer.Option(help="INFO key of a label: AUROC and AUPRC.", show_default=False)] = None,
    positive: Annotated[
        str, typer.Option(help=r"Values of the label that are positive, with commas; \, within a value.")
    ] = "1",
    negative: Annotated[str, typer.Option(help="Values that are negative; all others if none is given.")] = "",
    by: Annotated[str | None, typer.Option(help="INFO key of classes to measure apart.", show_default=False)] = None,
    distances: Annotated[
        bool,
        typer.Option(
            "--distances",
            help="Also the Jensen-Shannon divergence, embedding distances and entropy change after each variant.",
        ),
    ] = False,
    adapter: Adapter = None,
    null: Annotated[
        int,
        typer.Option(
            help="Compare each indel with so many random ones of its length, made in the same contigs.", min=0
        ),
    ] = 0,
    dtype: ModelDtype = Dtype.float32,
    batch_size: FittingBatchSize = None,
    overwrite: Overwrite = False,
) -> None:
    """Effects of variants: the change of log-likelihood from the reference allele to each alternative.

    An interrupted run is continued when the same command is given again; what is finished is not computed again,
    unless an input or a setting differs.
    """
    warn(f"Scoring the variants of {vcf} with {model}")
    from configs.llama import read_architecture
    from evaluation.finished import Work, describe
    from evaluation.likelihood.model import check_directory, load_model
    from evaluation.variants.alleles import MISMATCH, SCORED, describe_unscored
    from evaluation.variants.labels import Labelling, split_values, table_lines
    from evaluation.variants.output import journal_path, write_result
    from evaluation.variants.run import VariantRun, score_variants
    from evaluation.variants.windows import plan_placement
    from foundation.pages.quantities import plural

    check_writable(journal_path(out))
    check_directory(model, adapter)
    longest = read_architecture(model).max_position_embeddings
    placement = plan_placement(longest, window=window, downstream=downstream, grid=grid)
    run = VariantRun(
        model=model, adapter=adapter, fasta=fasta, vcf=vcf, placement=placement, strand=strand.value, dtype=dtype.value,
        batch_size=batch_size, distances=distances, null=null,
    )  # fmt: skip
    labelling = None
    if label is not None:
        labelling = Labelling(key=label, positive=split_values(positive), negative=split_values(negative), by=by)
    work = Work(
        command="variants",
        model=model,
        adapter=adapter,
        sources={"genome": fasta, "vcf": vcf},
        settings={
            **{key: value for key, value in run.settings.items() if key != "model"},
            "label": label, "positive": positive, "negative": negative, "by": by,
        },
        files=[],
        out=out,
        overwrite=overwrite,
    )  # fmt: skip
    if files := work.finished():
        say(describe(files))
        return
    if overwrite:
        journal_path(out).unlink(missing_ok=True)
    loaded = load_model(model, dtype.value, adapter=adapter)
    with full_disk(journal_path(out)):
        result = score_variants(loaded, run, journal=journal_path(out), labelling=labelling)
    paths = write_result(result, run, out)
    work.finish(paths)
    rate = result.scored_now / result.seconds if result.seconds else 0.0
    scored = plural(result.statuses[SCORED], "allele")
    say(f"{scored} scored, {rate:.1f} haplotypes/s; wrote {', '.join(map(str, paths))}")
    for line in describe_unscored(result.statuses):
        say(line)
    for line in result.mismatches:
        say(f"  {line}")
    if more := result.statuses[MISMATCH] - len(result.mismatches):
        say(f"  ... and {more:,} more, {MISMATCH} in the column status of {paths[1]}")
    if result.statuses[MISMATCH] > result.statuses[SCORED]:
        say("  most differ: is this FASTA of the assembly that the VCF file was called on?")
    if label is not None:
        say(*table_lines(result.labels, label))
    for measure in result.measures:
        values = [
            f"{name} {one.value:.3f} [{one.low:.3f}, {one.high:.3f}]" if one else f"{name} none"
            for name, one in (("AUROC", measure.auroc), ("AUPRC", measure.auprc))
        ]
        say(f"{measure.name}: {', '.join(values)}, {measure.positives:,} positive, {measure.negatives:,} negative")
