"""The commands that use a trained model: score, and what follows."""

from pathlib import Path
from typing import Annotated

import typer

from cli.options import Bed, ContextLength, Dtype, Head, Model, ModelDtype, Pooling, Split, Strand, Stride
from conduct.errors import InputError

commands = typer.Typer()


@commands.command()
def score(
    model: Model,
    source: Annotated[Path, typer.Argument(help="A FASTA file, or a prepared corpus.", show_default=False)],
    out: Annotated[Path | None, typer.Option(help="Write the scores as JSON.", show_default=False)] = None,
    split: Split = "validation",
    bed: Bed = None,
    flank: Annotated[int, typer.Option(help="Context before each region of the BED file, not scored.", min=0)] = 0,
    strand: Annotated[Strand, typer.Option(help="Which strand is read.")] = Strand.forward,
    per_base: Annotated[
        Path | None,
        typer.Option(
            help="Write each base's natural-log probability: .bedgraph[.gz], .bw, .parquet.", show_default=False
        ),
    ] = None,
    acgt_only: Annotated[bool, typer.Option("--acgt-only", help="Renormalise over A, C, G and T.")] = False,
    context_length: ContextLength = None,
    stride: Stride = None,
    dtype: ModelDtype = Dtype.float32,
    batch_size: Annotated[int, typer.Option(help="Windows of one forward pass.", min=1)] = 8,
) -> None:
    """Bits per base of sequences under a model: 2 is a uniform guess, less is better."""
    from contextlib import nullcontext

    from corpus.manifest import read_manifest
    from evaluation.likelihood import plan_reading
    from evaluation.model import load_model
    from evaluation.regions import read_regions
    from evaluation.score import write_score
    from evaluation.scoring import Source, score_regions
    from evaluation.tracks import check_track, open_track

    is_corpus = source.is_dir()
    if is_corpus and bed is not None:
        raise InputError("--bed goes with a FASTA file", where=source, fix="Give the genome instead of the corpus.")
    if flank and bed is None:
        raise InputError("--flank goes with --bed", fix="Leave it out.")
    if per_base is not None:
        check_track(per_base)
    known = read_manifest(source).split(split) if is_corpus else None
    loaded = load_model(model, dtype.value)
    with open_track(per_base) if per_base else nullcontext() as track:
        result = score_regions(
            loaded,
            read_regions(source, split=split if is_corpus else None, bed=bed, flank=flank),
            plan_reading(
                loaded, context_length=context_length, stride=stride, batch_size=batch_size, acgt_only=acgt_only
            ),
            Source(
                model=str(model),
                source=str(source),
                split=split if is_corpus else None,
                regions=str(bed) if bed else None,
                flank=flank,
                bases=known.bases if known else None,
            ),
            strand=strand.value,
            track=track,
        )
    if out is not None:
        write_score(result, out)
    print(
        f"{result.bits_per_base:.4f} bits per base, perplexity {result.perplexity:.3f}, "
        f"{result.bases_scored:,} bases of {len(result.records):,} records, {result.tokens_per_second:,.0f} tokens/s"
    )


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
        int | None, typer.Option(help="Bases of the window from the variant on.", min=1, show_default="half the window")
    ] = None,
    grid: Annotated[
        int | None,
        typer.Option(
            help="Windows start at multiples of this, so that variants share them; 1 centres each on its variant.",
            min=1,
            show_default="a sixteenth of the window",
        ),
    ] = None,
    strand: Annotated[Strand, typer.Option(help="Which strand is read.")] = Strand.both,
    label: Annotated[str | None, typer.Option(help="INFO key of a label: AUROC and AUPRC.", show_default=False)] = None,
    positive: Annotated[str, typer.Option(help="Values of the label that are positive, with commas.")] = "1",
    negative: Annotated[str, typer.Option(help="Values that are negative; all others if none is given.")] = "",
    by: Annotated[str | None, typer.Option(help="INFO key of classes to measure apart.", show_default=False)] = None,
    dtype: ModelDtype = Dtype.float32,
    batch_size: Annotated[int, typer.Option(help="Sequences of one forward pass.", min=1)] = 8,
) -> None:
    """Effects of variants: the change of log-likelihood from the reference allele to each alternative.

    An interrupted run goes on where it was: give the same command again.
    """
    from evaluation.model import load_model
    from evaluation.variants.alleles import MEANINGS, SCORED
    from evaluation.variants.labels import Labelling
    from evaluation.variants.output import journal_path, write_result
    from evaluation.variants.run import VariantRun, score_variants
    from evaluation.variants.windows import Placement

    loaded = load_model(model, dtype.value)
    window = window or min(8192, int(loaded.config.max_position_embeddings))
    downstream = downstream or max(1, window // 2)
    placement = Placement(length=window, downstream=downstream, grid=grid or max(1, min(window // 16, downstream)))
    run = VariantRun(
        model=model, fasta=fasta, vcf=vcf, placement=placement, strand=strand.value, dtype=dtype.value,
        batch_size=batch_size,
    )  # fmt: skip
    labelling = None
    if label is not None:
        split = [tuple(filter(None, text.split(","))) for text in (positive, negative)]
        labelling = Labelling(key=label, positive=split[0], negative=split[1], by=by)
    result = score_variants(loaded, run, journal=journal_path(out), labelling=labelling)
    paths = write_result(result, run, out)
    rate = result.scored_now / result.seconds if result.seconds else 0.0
    print(f"{result.statuses[SCORED]:,} alleles scored, {rate:.1f} variants/s; wrote {', '.join(map(str, paths))}")
    for status, count in result.statuses.items():
        if status != SCORED:
            print(f"{count:,} not scored: {MEANINGS[status]}")
    for allele in result.mismatches[:3]:
        record = allele.record
        print(f"  line {record.line}: {record.contig}:{record.position + 1} REF is {record.ref}")
    for measure in result.measures:
        values = [
            f"{name} {one.value:.3f} [{one.low:.3f}, {one.high:.3f}]" if one else f"{name} none"
            for name, one in (("AUROC", measure.auroc), ("AUPRC", measure.auprc))
        ]
        print(f"{measure.name}: {', '.join(values)}, {measure.positives:,} positive, {measure.negatives:,} negative")


@commands.command()
def generate(
    model: Model,
    out: Annotated[Path, typer.Option(help="FASTA file to write.", show_default=False)],
    prompt: Annotated[
        list[str] | None, typer.Option(help="Bases to go on from; can be repeated.", show_default=False)
    ] = None,
    prompts: Annotated[Path | None, typer.Option(help="FASTA file of prompts.", show_default=False)] = None,
    length: Annotated[int, typer.Option(help="New bases, at most.", min=1)] = 500,
    samples: Annotated[int, typer.Option(help="Sequences of each prompt.", min=1)] = 1,
    temperature: Annotated[float, typer.Option(help="Below 1: likelier bases; 0: the likeliest.", min=0)] = 1.0,
    top_k: Annotated[int, typer.Option(help="Only the k likeliest bases; 0: all.", min=0)] = 0,
    top_p: Annotated[float, typer.Option(help="Only the likeliest bases that have this much together.")] = 1.0,
    alphabet: Annotated[str, typer.Option(help="What may be written, beside EOS, which ends a sequence.")] = "ACGT",
    seed: Annotated[int, typer.Option(help="The same seed gives the same sequences.", min=0)] = 0,
    with_prompt: Annotated[
        bool, typer.Option("--with-prompt", help="Write the prompt before what follows it.")
    ] = False,
    per_base: Annotated[
        Path | None,
        typer.Option(
            help="Write each new base's natural-log probability: .bedgraph[.gz], .bw, .parquet.", show_default=False
        ),
    ] = None,
    dtype: ModelDtype = Dtype.float32,
    batch_size: Annotated[int, typer.Option(help="Sequences of one forward pass.", min=1)] = 8,
) -> None:
    """Go on from a prompt: new DNA, base by base, with a log-probability each."""
    import time

    from evaluation.generated_files import read_prompts, write_generated
    from evaluation.generation import Sampling
    from evaluation.generation import generate as generate_bases
    from evaluation.model import load_model
    from evaluation.tracks import check_track
    from tokenizer.sequence import not_nucleotides

    if strange := not_nucleotides(alphabet.encode("utf-8", "replace")):
        raise InputError(f"the alphabet has {strange.decode('latin-1')!r}, no nucleotides", fix="Give --alphabet ACGT.")
    if per_base is not None:
        check_track(per_base)
    given = read_prompts(prompt or [], prompts)
    sampling = Sampling(
        length=length, samples=samples, temperature=temperature, top_k=top_k, top_p=top_p,
        alphabet=alphabet.encode(), seed=seed,
    )  # fmt: skip
    loaded = load_model(model, dtype.value)
    started = time.perf_counter()
    generated = generate_bases(loaded, given, sampling, batch_size=batch_size)
    seconds = time.perf_counter() - started
    write_generated(generated, out, with_prompt=with_prompt, per_base=per_base)
    bases = sum(len(one.ids) for one in generated)
    print(f"{len(generated):,} sequences, {bases:,} new bases, {bases / seconds:,.0f} bases/s; wrote {out}")


@commands.command()
def embed(
    model: Model,
    source: Annotated[Path, typer.Argument(help="A FASTA file, or a prepared corpus.", show_default=False)],
    out: Annotated[Path, typer.Option(help="File to write: .parquet or .safetensors.", show_default=False)],
    layer: Annotated[int, typer.Option(help="0: embedding table; k: output of block k; -1: the last.")] = -1,
    pooling: Annotated[
        Pooling, typer.Option(help="Over the bases of a sequence; none: a vector a base.")
    ] = Pooling.mean,
    split: Split = "validation",
    bed: Bed = None,
    context_length: ContextLength = None,
    stride: Stride = None,
    dtype: ModelDtype = Dtype.float32,
    batch_size: Annotated[int, typer.Option(help="Windows of one forward pass.", min=1)] = 8,
) -> None:
    """Embeddings of sequences: a layer's output, pooled or for every base."""
    from conduct.progress import progress_bar
    from evaluation.embedding import embed_regions
    from evaluation.embedding_files import check_embedding_file, write_embeddings
    from evaluation.likelihood import plan_reading
    from evaluation.model import load_model
    from evaluation.regions import read_regions

    check_embedding_file(out)
    if source.is_dir() and bed is not None:
        raise InputError("--bed goes with a FASTA file", where=source, fix="Give the genome instead of the corpus.")
    loaded = load_model(model, dtype.value)
    reading = plan_reading(loaded, context_length=context_length, stride=stride, batch_size=batch_size)
    regions = read_regions(source, split=split if source.is_dir() else None, bed=bed)
    with progress_bar(f"Embedding {source}", total=None, unit=" sequences") as advance:
        embeddings = embed_regions(loaded, regions, reading, layer=layer, pooling=pooling.value)
        settings = {"model": str(model), "layer": str(layer), "pooling": pooling.value, "dtype": dtype.value}
        count = write_embeddings(embeddings, out, settings, advance)
    print(f"{count:,} sequences, {loaded.config.hidden_size:,} numbers each; wrote {out}")


@commands.command()
def probe(
    model: Model,
    tasks: Annotated[
        list[Path], typer.Argument(help="Directories of tasks: GUE, NT, Genomic Benchmarks.", show_default=False)
    ],
    out: Annotated[Path | None, typer.Option(help="Write the table as JSON.", show_default=False)] = None,
    head: Annotated[list[Head] | None, typer.Option(help="Heads; can be repeated.", show_default="both")] = None,
    layer: Annotated[int, typer.Option(help="0: embedding table; k: output of block k; -1: the last.")] = -1,
    pooling: Annotated[Pooling, typer.Option(help="Over the bases of a sequence.")] = Pooling.mean,
    seeds: Annotated[int, typer.Option(help="Fits of each head, with other folds and initial weights.", min=1)] = 5,
    dtype: ModelDtype = Dtype.float32,
    batch_size: Annotated[int, typer.Option(help="Windows of one forward pass.", min=1)] = 8,
) -> None:
    """Heads on frozen embeddings of labelled sequences, against counts of k-mers: MCC and AUROC on the test set."""
    from evaluation.likelihood import plan_reading
    from evaluation.model import load_model
    from evaluation.probing.datasets import read_task
    from evaluation.probing.probe import HEADS, probe_task
    from evaluation.probing.table import format_table, write_table

    if pooling is Pooling.none:
        raise InputError("a probe needs one vector a sequence", fix="Give --pooling mean, last or max.")
    read = [read_task(path) for path in tasks]
    loaded = load_model(model, dtype.value)
    reading, heads = plan_reading(loaded, batch_size=batch_size), [one.value for one in head or []] or HEADS
    rows = [
        row
        for task in read
        for row in probe_task(loaded, task, reading, heads=heads, layer=layer, pooling=pooling.value, seeds=seeds)
    ]
    if out is not None:
        write_table(rows, out, model=str(model))
    print(format_table(rows))


@commands.command()
def evaluate(
    suite: Annotated[
        Path, typer.Argument(help="YAML file of tasks, e.g. configs/evaluation/demo.yaml.", show_default=False)
    ],
    models: Annotated[
        list[Path], typer.Argument(help="Hugging Face directories: one, or checkpoints of a run.", show_default=False)
    ],
    out: Annotated[Path, typer.Option(help="Directory for a JSON file a model, and index.html.", show_default=False)],
    dtype: ModelDtype = Dtype.float32,
) -> None:
    """Run a suite on one model or several: likelihood, recall, variants, probes; a table and a page that compare them.

    What is already in the directory is compared too, so that checkpoints can be added as they come.
    """
    from evaluation.model import check_directory, load_model
    from evaluation.suite.compare import format_comparison
    from evaluation.suite.config import read_suite
    from evaluation.suite.output import read_directory, result_path, write_comparison
    from evaluation.suite.result import write_evaluation
    from evaluation.suite.run import check_suite, evaluate_model

    tasks = read_suite(suite)
    check_suite(tasks)
    for model in models:
        check_directory(model)
    read_directory(out)  # what cannot be read there is told before the work
    for model in models:
        result = evaluate_model(load_model(model, dtype.value), model, tasks, name=suite.stem)
        write_evaluation(result, result_path(out, result))
    evaluations = read_directory(out)
    write_comparison(evaluations, out / "index.html")
    print(format_comparison(evaluations))
    print(f"wrote {out}")


@commands.command()
def report(
    run: Annotated[Path, typer.Argument(help="Directory of a training run.", show_default=False)],
    corpus: Annotated[Path, typer.Option(help="The corpus it was trained on.", show_default=False)],
    scores: Annotated[Path, typer.Option("--score", help="What `genomic-llama score` wrote.", show_default=False)],
    out: Annotated[Path, typer.Option(help="HTML file to write.")] = Path("report.html"),
    entropy_floor: Annotated[
        float | None, typer.Option(help="Entropy rate of the source in bits per base, where it is known.")
    ] = None,
    model_card: Annotated[
        Path | None, typer.Option(help="Write a model card too, e.g. MODEL/README.md.", show_default=False)
    ] = None,
) -> None:
    """Write one self-contained HTML page about a run: losses, held-out bits per base, Markov baselines, settings."""
    from evaluation.report import build_report

    build_report(run, corpus, scores, out, entropy_floor=entropy_floor, model_card=model_card)
    print(f"wrote {out}" + (f" and {model_card}" if model_card else ""))
