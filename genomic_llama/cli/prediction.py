"""Predictions of a model with a head."""

from pathlib import Path
from typing import Annotated

import typer

from foundation.atomic import check_writable
from foundation.terminal import say, warn
from genomic_llama.cli.options import BatchSize, Dtype, Model, ModelDtype, Overwrite, Strand, Truncate

commands = typer.Typer()


@commands.command()
def predict(
    model: Model,
    source: Annotated[
        Path,
        typer.Argument(help="FASTA, a .csv, .tsv or .parquet table, or BED or VCF with --genome.", show_default=False),
    ],
    out: Annotated[Path, typer.Option(help="Table to write: .parquet or .tsv.", show_default=False)],
    genome: Annotated[
        Path | None, typer.Option(help="FASTA file that a BED or VCF file is of.", show_default=False)
    ] = None,
    sequence: Annotated[str, typer.Option(help="Column of the sequences in a table.")] = "sequence",
    window: Annotated[
        int | None,
        typer.Option(help="Bases around a variant.", min=2, show_default="the model's positions"),
    ] = None,
    calibrated: Annotated[
        bool, typer.Option("--calibrated", help="Calibrate probabilities, as fitted to the validation sequences.")
    ] = False,
    strand: Annotated[
        Strand | None,
        typer.Option(help="Which strand is read; both: averaged.", show_default="both where it was trained so"),
    ] = None,
    truncate: Annotated[
        Truncate, typer.Option(help="Which end of a sequence that is too long is cut off.")
    ] = Truncate.refuse,
    dtype: ModelDtype = Dtype.float32,
    batch_size: BatchSize = 8,
    overwrite: Overwrite = False,
) -> None:
    """Predict labels of sequences, regions or variants with a classifier or regressor.

    Writes a row per record with its probabilities or numbers. Variants get those of both alleles, and the difference.
    Outputs that are finished are not computed again, unless an input or a setting differs.
    """
    warn(f"Predicting {source} with {model}")
    from configs.llama import read_architecture
    from evaluation.finished import Work, describe
    from evaluation.labelled.examples import Cut
    from evaluation.likelihood.model import check_directory, load_model
    from evaluation.prediction.files import check_prediction_file, write_predictions
    from evaluation.prediction.predicting import Predicting, check_predictor, predict
    from evaluation.prediction.records import Source, check_source, read_records
    from foundation.errors import InputError
    from foundation.pages.quantities import plural
    from foundation.progress import progress_bar

    check_prediction_file(out)
    check_writable(out)
    check_directory(model)
    head = check_predictor(model, calibrated=calibrated)
    longest = read_architecture(model).max_position_embeddings
    if window is not None and window > longest:
        fix = f"Give --window {longest} or less."
        raise InputError(f"--window {window} is over the model's {longest} positions", fix=fix, kind="window")
    data = Source(path=source, genome=genome, sequence=sequence, window=window or longest)
    check_source(data)
    if data.kind == "vcf" and head.per_base:
        fix = "Predict the regions around them: a BED file."
        raise InputError("variants have no prediction per base", where=source, fix=fix, kind="variants-per-base")
    if strand is Strand.reverse:
        raise InputError("--strand reverse alone", fix="Use forward or both.", kind="strand-alone")
    both = head.both_strands if strand is None else strand is Strand.both
    settings = {
        "sequence": sequence, "window": data.window, "calibrated": calibrated, "both_strands": both,
        "truncate": truncate.value, "dtype": dtype.value,
    }  # fmt: skip
    work = Work(
        command="predict", model=model, sources={"source": source, "genome": genome}, settings=settings, files=[out],
        overwrite=overwrite,
    )  # fmt: skip
    if files := work.finished():
        say(describe(files))
        return
    loaded = load_model(model, dtype.value)
    how = Predicting(head=head, both_strands=both, calibrated=calibrated, batch_size=batch_size)
    records = read_records(data, Cut(longest=longest, side=truncate.value))
    with progress_bar(f"Predicting {source.name}", total=None, unit=" records") as advance:
        predictions = predict(loaded, records, how)
        rows = write_predictions(predictions, out, head, paired=data.kind == "vcf", advance=advance)
    work.finish()
    say(f"wrote {out}: {plural(rows, 'row')}")
