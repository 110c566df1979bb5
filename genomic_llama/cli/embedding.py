"""Embeddings, and heads on them."""

from pathlib import Path
from typing import Annotated

import typer

from foundation.atomic import check_writable
from foundation.errors import InputError
from foundation.terminal import print_lines, print_text, warn
from genomic_llama.cli.options import (
    Adapter,
    Bed,
    ContextLength,
    Dtype,
    FittingBatchSize,
    Head,
    Markup,
    Model,
    ModelDtype,
    Overwrite,
    Pooling,
    Split,
    Stride,
    Tag,
)
from genomic_llama.cli.sharding import Sharding, carry_out, sharded

commands = typer.Typer()


@commands.command()
@sharded
def embed(
    model: Model,
    source: Annotated[Path, typer.Argument(help="A FASTA file, or a prepared corpus.", show_default=False)],
    out: Annotated[Path, typer.Option(help="File to write: .parquet or .safetensors.", show_default=False)],
    layer: Annotated[int, typer.Option(help="0: embedding table; k: output of block k; -1: the last.")] = -1,
    pooling: Annotated[
        Pooling, typer.Option(help="Pooling over the bases of a sequence; none: one vector per base.")
    ] = Pooling.mean,
    split: Split = "validation",
    bed: Bed = None,
    context_length: ContextLength = None,
    stride: Stride = None,
    markup: Markup = False,
    tag: Tag = None,
    adapter: Adapter = None,
    dtype: ModelDtype = Dtype.float32,
    batch_size: FittingBatchSize = None,
    overwrite: Overwrite = False,
    *,
    cut: Sharding,
) -> None:
    """Embed sequences: the output of one layer, pooled or per base.

    A finished output is not recomputed unless an input or a setting differs.
    """
    warn(f"Embedding {source} with {model}")
    from configs.llama import read_architecture
    from evaluation.embedding.request import EmbedRequest
    from foundation.pages.quantities import plural

    request = EmbedRequest(
        model=model, source=source, out=out, layer=layer, pooling=pooling.value, split=split, bed=bed,
        context_length=context_length, stride=stride, dtype=dtype.value, batch_size=batch_size, adapter=adapter,
        markup=markup, tag=tag,
    )  # fmt: skip
    if timed := carry_out(request, cut, overwrite=overwrite).timed:
        numbers = f"{read_architecture(model).hidden_size:,} numbers each"
        print_lines(f"{plural(timed.result, 'sequence')}, {numbers}; wrote {out}")


@commands.command()
def probe(
    model: Model,
    tasks: Annotated[
        list[Path],
        typer.Argument(help="Task directories: GUE, Nucleotide Transformer or Genomic Benchmarks.", show_default=False),
    ],
    out: Annotated[Path | None, typer.Option(help="Write the table as JSON.", show_default=False)] = None,
    head: Annotated[
        list[Head] | None, typer.Option(help="Classifier to fit; can be repeated.", show_default="both")
    ] = None,
    layer: Annotated[int, typer.Option(help="0: embedding table; k: output of block k; -1: the last.")] = -1,
    pooling: Annotated[Pooling, typer.Option(help="Pooling over the bases of a sequence.")] = Pooling.mean,
    seeds: Annotated[
        int, typer.Option(help="Fits per classifier, each with its own folds and initial weights.", min=1, max=1000)
    ] = 5,
    adapter: Adapter = None,
    dtype: ModelDtype = Dtype.float32,
    batch_size: FittingBatchSize = None,
    overwrite: Overwrite = False,
) -> None:
    """Fit classifiers on frozen embeddings and on k-mer counts. Reports MCC and AUROC on the test set.

    A finished output is not recomputed unless an input or a setting differs.
    """
    warn(f"Probing {model} on {', '.join(map(str, tasks))}")
    from configs.llama import read_architecture
    from evaluation.digest import named
    from evaluation.embedding.embedding import check_layer
    from evaluation.finished import Work, describe
    from evaluation.likelihood.likelihood import plan_reading
    from evaluation.likelihood.model import check_directory, load_model
    from evaluation.probing.datasets import read_task
    from evaluation.probing.probe import HEADS, probe_task
    from evaluation.probing.table import class_lines, format_table, read_table, write_table

    if pooling is Pooling.none:
        raise InputError(
            "a probe needs one vector per sequence", fix="Give --pooling mean, last or max.", kind="pooling-none"
        )
    check_writable(out)
    read = [read_task(path) for path in tasks]
    for task in read:
        print_lines(*class_lines(task))
    heads = [one.value for one in head or []] or list(HEADS)
    check_directory(model, adapter)
    check_layer(layer, read_architecture(model).num_hidden_layers)
    work = Work(
        command="probe",
        model=model,
        adapter=adapter,
        sources={str(number): path for number, path in enumerate(tasks)},
        settings={
            "heads": heads, "layer": layer, "pooling": pooling.value, "seeds": seeds, "dtype": dtype.value
        },
        files=[out] if out is not None else [],
        overwrite=overwrite,
    )  # fmt: skip
    work.check_outputs()
    if out is not None and (files := work.finished()):
        print_lines(describe(files))
        print_text(format_table(read_table(out)))
        return
    loaded = load_model(model, dtype.value, adapter=adapter)
    reading = plan_reading(loaded, batch_size=batch_size)
    rows = [
        row
        for task in read
        for row in probe_task(loaded, task, reading, heads=heads, layer=layer, pooling=pooling.value, seeds=seeds)
    ]
    if out is not None:
        write_table(rows, out, model=named(model, adapter), tasks=read)
        work.finish()
    print_text(format_table(rows))
