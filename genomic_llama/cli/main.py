"""The command line: options, help and exit statuses. The folders below do the work."""

import os
import signal
import sys
import warnings
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from foundation.errors import InputError, described
from foundation.telemetry import turn_off_telemetry
from foundation.terminal import open_output, print_lines, warn
from genomic_llama.cli import checkpoint, corpus, evaluate
from genomic_llama.cli.doctor import doctor
from genomic_llama.cli.evaluation import commands as evaluation
from genomic_llama.cli.launch import launch
from genomic_llama.cli.options import Overwrite
from genomic_llama.cli.paths import Commands
from genomic_llama.cli.plan import plan
from genomic_llama.cli.prepare import prepare
from genomic_llama.cli.sharding import merge
from genomic_llama.cli.train import train

if TYPE_CHECKING:
    from conversion.checkpoint import Checkpoint

app = typer.Typer(
    cls=Commands,
    name="genomic-llama",
    help="Prepare genomes, train Llama-3 models of DNA, convert checkpoints, score sequence, and report on runs.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from foundation.versions import version_shown

        print_lines(f"genomic-llama {version_shown('genomic-llama')}")
        raise typer.Exit


class Format(str, Enum):
    hf = "hf"
    nemo = "nemo"
    te = "te"
    bridge = "bridge"
    gguf = "gguf"
    peft = "peft"


class StoredDtype(str, Enum):
    float32 = "float32"
    bfloat16 = "bfloat16"
    float16 = "float16"
    q8_0 = "q8_0"


class Verify(str, Enum):
    checksums = "checksums"
    logits = "logits"


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and stop.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    del version  # the callback has printed it


def main() -> None:
    """Run the command line; bad input ends with one message and exit status 1, an interrupt (Typer's) with 130."""
    turn_off_telemetry()
    # Read when torch is imported. Spinning threads take cores from each other and from other processes.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    open_output()
    warnings.filterwarnings("ignore", message="The pynvml package is deprecated")  # from torch, about a dependency
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that temporary files are removed
    try:
        app()
    except (InputError, MemoryError, OSError) as error:
        warn(f"error: {described(error)}")
        sys.exit(1)


def convert(
    source: Annotated[
        Path, typer.Argument(help="A checkpoint or run directory; its format is recognised.", show_default=False)
    ],
    destination: Annotated[Path, typer.Argument(help="Directory to write.", show_default=False)],
    to: Annotated[
        Format,
        typer.Option(
            help="hf: Hugging Face; nemo: NeMo 2; te: BioNeMo's NVLlama; bridge: Megatron-Bridge; "
            "gguf: llama.cpp; peft: a LoRA adapter."
        ),
    ],
    base: Annotated[
        Path | None,
        typer.Option(help="Base model of an adapter; NeMo's adapters record theirs.", show_default=False),
    ] = None,
    dtype: Annotated[
        StoredDtype | None, typer.Option(help="Number format to write; q8_0 is for gguf.", show_default="as stored")
    ] = None,
    optimizer: Annotated[
        bool, typer.Option("--optimizer", help="Keep the optimizer state (nemo and bridge; not for adapters).")
    ] = False,
    verify: Annotated[
        Verify, typer.Option(help="logits: also run both models in fp32, up to the context length.")
    ] = Verify.checksums,
    overwrite: Overwrite = False,
) -> None:
    """Convert a checkpoint to another format. Every tensor is read back; conversion.json records the checksums."""
    from conversion.convert import convert as convert_checkpoint

    def compare(source: "Checkpoint", written: "Checkpoint") -> None:
        from conversion.logits import compare_logits

        difference = compare_logits(source, written, cast=dtype is not None)
        print_lines(f"largest difference of the logits in fp32: {difference:.3g}")

    conversion = convert_checkpoint(
        source,
        destination,
        to=to.value,
        dtype=dtype.value if dtype else None,
        optimizer=optimizer,
        compare=compare if verify is Verify.logits else None,
        overwrite=overwrite,
        base=base,
    )
    if conversion.adapter_base and to is not Format.peft:
        print_lines(f"merged its adapters into {conversion.adapter_base}")
    print_lines(f"wrote {destination}")


def simulate(
    out: Annotated[Path, typer.Argument(help="FASTA file to write.", show_default=False)],
    contigs: Annotated[int, typer.Option(help="Number of contigs.", min=1)] = 60,
    contig_length: Annotated[int, typer.Option(help="Bases per contig.", min=10)] = 25_000,
    seed: Annotated[int, typer.Option(help="Seed of the random genome.")] = 0,
) -> None:
    """Write a synthetic genome, and print its entropy rate in bits per base."""
    from corpus.synthetic import ENTROPY_RATE, write_synthetic_genome

    write_synthetic_genome(out, contigs=contigs, contig_length=contig_length, seed=seed)
    print_lines(f"{ENTROPY_RATE:.6f}")


def tokenizer(
    directory: Annotated[Path, typer.Argument(help="Directory to write or check.", show_default=False)],
    model_max_length: Annotated[int, typer.Option(help="Context length in tokens.", min=1)] = 8192,
    check: Annotated[bool, typer.Option("--check", help="Only check an existing tokenizer.")] = False,
    overwrite: Overwrite = False,
) -> None:
    """Write the 256-token nucleotide vocabulary as a Hugging Face tokenizer, or check one."""
    from foundation.atomic import atomic_directory
    from tokenizer.huggingface import validate_tokenizer, write_tokenizer

    if check:
        validate_tokenizer(directory)
        print_lines(f"{directory} holds the nucleotide vocabulary")
        return
    with atomic_directory(directory, mark="tokenizer.json", overwrite=overwrite) as temporary:
        write_tokenizer(temporary, model_max_length=model_max_length)
    print_lines(f"wrote {directory}")


app.command()(prepare)
app.command()(train)
app.command()(plan)
app.command()(launch)
app.command()(doctor)
app.command()(convert)
app.registered_commands += evaluation.registered_commands
app.command()(merge)
app.command()(simulate)
app.command()(tokenizer)
app.add_typer(evaluate.app, name="evaluate")
app.add_typer(corpus.app, name="corpus")
app.add_typer(checkpoint.app, name="checkpoint")

if __name__ == "__main__":
    main()
