"""Predictions of a model with a head."""

from pathlib import Path
from typing import Annotated

import typer

from foundation.terminal import print_lines, warn
from genomic_llama.cli.options import (
    Adapter,
    BatchSize,
    Dtype,
    Model,
    ModelDtype,
    Overwrite,
    Strand,
    Truncate,
)
from genomic_llama.cli.sharding import Sharding, carry_out, sharded

commands = typer.Typer()


@commands.command()
@sharded
def predict(
    model: Model,
    source: Annotated[
        Path,
        typer.Argument(help="FASTA, a .csv, .tsv or .parquet table, or BED or VCF with --genome.", show_default=False),
    ],
    out: Annotated[
        Path,
        typer.Option(
            help="Table to write: .parquet or .tsv; of numbers per base also .bw or .bedgraph.", show_default=False
        ),
    ],
    genome: Annotated[
        Path | None, typer.Option(help="FASTA file of the genome, for BED and VCF.", show_default=False)
    ] = None,
    sequence: Annotated[str, typer.Option(help="Column of a table with the sequences.")] = "sequence",
    window: Annotated[
        int | None,
        typer.Option(help="Bases around a variant.", min=2, show_default="the model's positions"),
    ] = None,
    calibrated: Annotated[
        bool, typer.Option("--calibrated", help="Calibrate probabilities with the fit on the validation sequences.")
    ] = False,
    strand: Annotated[
        Strand | None,
        typer.Option(help="Strand to read; both: average the two.", show_default="both, if trained on both"),
    ] = None,
    truncate: Annotated[Truncate, typer.Option(help="End to cut off a sequence that is too long.")] = Truncate.refuse,
    dtype: ModelDtype = Dtype.float32,
    batch_size: BatchSize = 8,
    adapter: Adapter = None,
    overwrite: Overwrite = False,
    *,
    cut: Sharding,
) -> None:
    """Predict labels for sequences, regions or variants with a fine-tuned head.

    Writes one row per record with its probabilities or numbers. Variants get
    both alleles and their difference. Finished outputs are not recomputed
    unless an input or a setting differs.
    """
    warn(f"Predicting {source} with {model}")
    from evaluation.prediction.request import PredictRequest
    from foundation.pages.quantities import plural

    request = PredictRequest(
        model=model, source=source, out=out, genome=genome, sequence=sequence, window=window, calibrated=calibrated,
        strand=strand.value if strand else None, truncate=truncate.value, dtype=dtype.value, batch_size=batch_size,
        adapter=adapter,
    )  # fmt: skip
    if timed := carry_out(request, cut, overwrite=overwrite).timed:
        print_lines(f"wrote {out}: {plural(timed.result, 'row')}")
