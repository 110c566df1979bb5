"""The commands: options, help and exit statuses. What they do is written on the floors below."""

import signal
import sys
import warnings
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import checkpoint
from conduct.errors import InputError

if TYPE_CHECKING:
    from conversion.checkpoint import Checkpoint

app = typer.Typer(
    name="genomic-llama",
    help="Prepare genomes, convert checkpoints, score sequence and report on training runs. "
    "To train: `nemo llm pretrain --factory llama3_tiny_genomic` or `python -m recipes.train --help`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(checkpoint.app, name="checkpoint")

Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an output that exists.")]


class Format(str, Enum):
    hf = "hf"
    nemo = "nemo"
    te = "te"
    bridge = "bridge"


class Verify(str, Enum):
    checksums = "checksums"
    logits = "logits"


class Dtype(str, Enum):
    float32 = "float32"
    bfloat16 = "bfloat16"
    float16 = "float16"


def main() -> None:
    """Run the command line; bad input ends with one message and exit status 1, an interrupt (Typer's) with 130."""
    warnings.filterwarnings("ignore", message="The pynvml package is deprecated")  # torch, of another's dependency
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that temporary files are removed
    try:
        app()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        print(f"error: {error.filename or 'input or output'}: {error.strerror or error}", file=sys.stderr)
        sys.exit(1)


@app.command()
def prepare(
    fasta: Annotated[list[Path], typer.Argument(help="FASTA files: plain, .gz or .bgz.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Directory of the corpus.", show_default=False)],
    validation_fraction: Annotated[float, typer.Option(help="Share of records held out for validation.")] = 0.05,
    test_fraction: Annotated[float, typer.Option(help="Share of records held out for a test.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Seed of the split.")] = 0,
    segment_length: Annotated[
        int | None,
        typer.Option(help="Cut longer contigs into documents of this many bases, for genomes of few contigs."),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Turn FASTA files into a corpus for training: Megatron .bin/.idx files and a manifest."""
    from corpus.preparation.prepare import prepare as prepare_corpus

    manifest = prepare_corpus(
        fasta,
        out,
        validation_fraction=validation_fraction,
        test_fraction=test_fraction,
        seed=seed,
        segment_length=segment_length,
        overwrite=overwrite,
    )
    for split in manifest.splits:
        print(f"{split.name}: {split.documents:,} documents, {split.bases:,} bases")
    print(f"wrote {out}")


@app.command()
def convert(
    source: Annotated[
        Path, typer.Argument(help="A checkpoint or run directory; its format is recognised.", show_default=False)
    ],
    destination: Annotated[Path, typer.Argument(help="Directory to write.", show_default=False)],
    to: Annotated[
        Format, typer.Option(help="hf: Hugging Face; nemo: NeMo 2; te: BioNeMo's NVLlama; bridge: Megatron-Bridge.")
    ],
    dtype: Annotated[Dtype | None, typer.Option(help="Number format to write.", show_default="as stored")] = None,
    optimizer: Annotated[
        bool, typer.Option("--optimizer", help="Take the optimizer state along (nemo and bridge).")
    ] = False,
    verify: Annotated[
        Verify, typer.Option(help="logits: also run both models in fp32, up to the context length.")
    ] = Verify.checksums,
    overwrite: Overwrite = False,
) -> None:
    """Convert a checkpoint between formats; every tensor is read back, and checksums go to conversion.json."""
    from conversion.convert import convert as convert_checkpoint

    def compare(source: "Checkpoint", written: "Checkpoint") -> None:
        from conversion.logits import compare_logits

        difference = compare_logits(source, written, cast=dtype is not None)
        print(f"largest difference of the logits in fp32: {difference:.3g}")

    convert_checkpoint(
        source,
        destination,
        to=to.value,
        dtype=dtype.value if dtype else None,
        optimizer=optimizer,
        compare=compare if verify is Verify.logits else None,
        overwrite=overwrite,
    )
    print(f"wrote {destination}")


@app.command()
def score(
    model: Annotated[Path, typer.Argument(help="Hugging Face directory.", show_default=False)],
    source: Annotated[Path, typer.Argument(help="A FASTA file, or a prepared corpus.", show_default=False)],
    out: Annotated[Path | None, typer.Option(help="Write the scores as JSON.", show_default=False)] = None,
    split: Annotated[str, typer.Option(help="Split of a corpus.")] = "validation",
    dtype: Annotated[Dtype, typer.Option(help="Number format of the model.")] = Dtype.float32,
    batch_size: Annotated[int, typer.Option(help="Windows of one forward pass.", min=1)] = 8,
) -> None:
    """Bits per base of sequences under a model: 2 is a uniform guess, less is better."""
    from corpus.manifest import read_manifest
    from evaluation.documents import read_corpus_split, read_fasta_documents
    from evaluation.likelihood import score_records
    from evaluation.model import load_model
    from evaluation.score import write_score

    is_corpus = source.is_dir()
    known = read_manifest(source).split(split) if is_corpus else None
    result = score_records(
        load_model(model, dtype.value),
        read_corpus_split(source, split) if is_corpus else read_fasta_documents(source),
        name=str(model),
        source=str(source),
        split=split if is_corpus else None,
        batch_size=batch_size,
        total_bases=known.bases if known else None,
    )
    if out is not None:
        write_score(result, out)
    print(
        f"{result.bits_per_base:.4f} bits per base, perplexity {result.perplexity:.3f}, "
        f"{result.bases_scored:,} bases of {len(result.records):,} records, {result.tokens_per_second:,.0f} tokens/s"
    )


@app.command()
def report(
    run: Annotated[Path, typer.Argument(help="Directory of a training run.", show_default=False)],
    corpus: Annotated[Path, typer.Option(help="The corpus it was trained on.", show_default=False)],
    scores: Annotated[Path, typer.Option("--score", help="What `genomic-llama score` wrote.", show_default=False)],
    out: Annotated[Path, typer.Option(help="HTML file to write.")] = Path("report.html"),
    entropy_floor: Annotated[
        float | None, typer.Option(help="Entropy rate of the source in bits per base, where it is known.")
    ] = None,
) -> None:
    """Write one self-contained HTML page about a run: losses, held-out bits per base, Markov baselines, settings."""
    from evaluation.report import build_report

    build_report(run, corpus, scores, out, entropy_floor=entropy_floor)
    print(f"wrote {out}")


@app.command()
def simulate(
    out: Annotated[Path, typer.Argument(help="FASTA file to write.", show_default=False)],
    contigs: Annotated[int, typer.Option(min=1)] = 60,
    contig_length: Annotated[int, typer.Option(help="Bases.", min=10)] = 25_000,
    seed: Annotated[int, typer.Option()] = 0,
) -> None:
    """Write a made-up genome of known entropy rate, and print that rate in bits per base."""
    from corpus.synthetic import ENTROPY_RATE, write_synthetic_genome

    write_synthetic_genome(out, contigs=contigs, contig_length=contig_length, seed=seed)
    print(f"{ENTROPY_RATE:.6f}")


@app.command()
def tokenizer(
    directory: Annotated[Path, typer.Argument(help="Directory to write.", show_default=False)],
    model_max_length: Annotated[int, typer.Option(help="Context length in tokens.", min=1)] = 8192,
    check: Annotated[bool, typer.Option("--check", help="Only check the tokenizer that is there.")] = False,
    overwrite: Overwrite = False,
) -> None:
    """Write the 256-token nucleotide vocabulary as a Hugging Face tokenizer, or check one."""
    from conduct.atomic import atomic_directory
    from tokenizer.huggingface import validate_tokenizer, write_tokenizer

    if check:
        validate_tokenizer(directory)
        print(f"{directory} holds the nucleotide vocabulary")
        return
    with atomic_directory(directory, mark="tokenizer.json", overwrite=overwrite) as temporary:
        write_tokenizer(temporary, model_max_length=model_max_length)
    print(f"wrote {directory}")


if __name__ == "__main__":
    main()
