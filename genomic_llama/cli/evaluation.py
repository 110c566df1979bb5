"""The commands that use a trained model: scores and reports here, the others in modules of their own."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from foundation.atomic import check_writable
from foundation.errors import InputError
from foundation.place import check_apart
from foundation.terminal import print_lines, warn
from genomic_llama.cli import embedding, generation, mutation, prediction, variants
from genomic_llama.cli.options import (
    Adapter,
    Bed,
    ContextLength,
    Dtype,
    FittingBatchSize,
    Markup,
    Model,
    ModelDtype,
    Overwrite,
    Split,
    Strand,
    Stride,
    Tag,
)
from genomic_llama.cli.sharding import Sharding, carry_out, sharded

if TYPE_CHECKING:
    from evaluation.likelihood.score import Score

commands = typer.Typer()
for group in (variants, mutation, prediction, embedding, generation):
    commands.registered_commands += group.commands.registered_commands


@commands.command()
@sharded
def score(
    model: Model,
    source: Annotated[Path, typer.Argument(help="A FASTA file, or a prepared corpus.", show_default=False)],
    out: Annotated[Path | None, typer.Option(help="Write the scores as JSON.", show_default=False)] = None,
    split: Split = "validation",
    bed: Bed = None,
    flank: Annotated[int, typer.Option(help="Bases of context before each BED region, not scored.", min=0)] = 0,
    strand: Annotated[Strand, typer.Option(help="Strand to read.")] = Strand.forward,
    per_base: Annotated[
        Path | None,
        typer.Option(
            help="Write each base's natural-log probability: .bedgraph[.gz], .bw, .parquet.", show_default=False
        ),
    ] = None,
    distribution: Annotated[
        Path | None,
        typer.Option(
            help="Write the probability of A, C, G, T and EOS at each base, and the entropy: .parquet, or .bw for a "
            "bigWig of each.",
            show_default=False,
        ),
    ] = None,
    hub: Annotated[
        Path | None,
        typer.Option(
            help="Write these as a UCSC track hub into this directory: a logo and the entropy.", show_default=False
        ),
    ] = None,
    assembly: Annotated[str, typer.Option(help="Assembly of the track hub, as UCSC names it.")] = "",
    acgt_only: Annotated[bool, typer.Option("--acgt-only", help="Renormalise over A, C, G and T.")] = False,
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
    """Score sequences in bits per base. A uniform guess is 2; lower is better.

    Finished outputs are not recomputed unless an input or a setting differs.
    """
    warn(f"Scoring {source} with {model}")
    from evaluation.likelihood.request import ScoreRequest
    from evaluation.likelihood.score import read_score

    request = ScoreRequest(
        model=model, source=source, scores=out, per_base=per_base, distribution=distribution,
        hub=hub, assembly=assembly,
        split=split, bed=bed, flank=flank,
        strand=strand.value, acgt_only=acgt_only, context_length=context_length, stride=stride, dtype=dtype.value,
        batch_size=batch_size, adapter=adapter, markup=markup, tag=tag,
    )  # fmt: skip
    done = carry_out(request, cut, overwrite=overwrite)
    if done.timed is not None:
        print_lines(score_summary(done.timed.result, done.timed.seconds))
    elif done.finished and out is not None:
        print_lines(score_summary(read_score(out)))


def score_summary(score: "Score", seconds: float | None = None) -> str:
    """A line about a score, with its speed if `seconds` is given."""
    from foundation.pages.quantities import plural

    scored = f"{plural(score.bases_scored, 'base')} of {plural(len(score.records), 'record')}"
    speed = f", {score.tokens / seconds:,.0f} tokens/s" if seconds else ""
    return f"{score.bits_per_base:.4f} bits per base, perplexity {score.perplexity:.3f}, {scored}{speed}"


@commands.command()
def report(
    run: Annotated[Path, typer.Argument(help="Directory of a training run.", show_default=False)],
    corpus: Annotated[
        Path | None,
        typer.Option(help="Corpus that the run was trained on; not for a run with a head.", show_default=False),
    ] = None,
    scores: Annotated[
        Path | None,
        typer.Option(
            "--score", help="JSON file of `genomic-llama score --out`; not for a run with a head.", show_default=False
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="HTML file to write.")] = Path("report.html"),
    entropy_floor: Annotated[
        float | None, typer.Option(help="Entropy rate of the source in bits per base, if known.")
    ] = None,
    model_card: Annotated[
        Path | None, typer.Option(help="Write a model card too, e.g. MODEL/README.md.", show_default=False)
    ] = None,
) -> None:
    """Write one HTML page about a run: losses, held-out bits per base, Markov baselines, settings.

    For a run with a head, the page compares its validation metrics with those
    of the baselines.
    """
    from evaluation.report.report import build_head_report, build_report

    if entropy_floor is not None and not 0 <= entropy_floor <= 8:
        problem = f"--entropy-floor {entropy_floor} is outside [0, 8] bits per base"
        raise InputError(problem, fix="2 is that of random bases.", kind="entropy-floor")
    if model_card is not None and model_card.resolve() == out.resolve():
        raise InputError(
            "--out and --model-card are one file", where=out, fix="Give them two names.", kind="one-file-twice"
        )
    check_writable(out, model_card)
    outputs, inputs = (out, model_card), (run / "metrics.jsonl", run / "config.yaml", scores)
    check_apart([path for path in outputs if path is not None], [path for path in inputs if path is not None])
    if (corpus, scores, model_card, entropy_floor) == (None, None, None, None):
        build_head_report(run, out)
        print_lines(f"wrote {out}")
        return
    if corpus is None or scores is None:
        fix = "Give --corpus and --score. For a run with a head, give --out only."
        raise InputError("--corpus and --score go together", where=run, fix=fix, kind="report-inputs")
    if doubt := build_report(run, corpus, scores, out, entropy_floor=entropy_floor, card=model_card):
        warn(f"warning: {doubt}")
    print_lines(f"wrote {out}" + (f" and {model_card}" if model_card else ""))
