"""`genomic-llama corpus`: inspect, verify, merge, pack and describe corpora."""

import json
from pathlib import Path
from typing import Annotated

import typer

from foundation.atomic import check_writable
from foundation.errors import InputError, described
from foundation.pages.quantities import plural
from foundation.terminal import print_lines, print_table, print_text, warn

app = typer.Typer(help="Inspect, verify, merge and describe prepared corpora.", no_args_is_help=True)

Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an existing output.")]
Corpus = Annotated[Path, typer.Argument(help="A prepared corpus.", show_default=False)]


@app.command()
def info(
    corpus: Corpus, as_json: Annotated[bool, typer.Option("--json", help="Print the manifest as JSON.")] = False
) -> None:
    """Print the contents of a corpus: splits, sources, records left out, what is worth checking."""
    from corpus.doubts import doubts, relatives
    from corpus.letters import COLUMNS, MARKUP, OTHER
    from corpus.manifest import read_manifest
    from foundation.typed import to_json

    manifest = read_manifest(corpus)
    if as_json:
        print_text(json.dumps(to_json(manifest), indent=2))
        return
    numbers = ("documents", "bases", "GC", "N", COLUMNS[OTHER], "lower", COLUMNS[MARKUP], "shards")
    rows = []
    for split in manifest.splits:
        letters = split.composition
        known = sum(letters[letter] for letter in "ACGT")
        parts = (letters["N"], letters[COLUMNS[OTHER]], split.soft_masked)
        shares = ((letters["G"] + letters["C"], known), *((part, split.bases) for part in parts))
        percent = (f"{part / whole:.2%}" if whole else "" for part, whole in shares)
        counts = (f"{split.documents:,}", f"{split.bases:,}", *percent, f"{split.markup:,}", f"{len(split.shards):,}")
        rows.append((split.name, *counts))
    print_table({"split": "left", **dict.fromkeys(numbers, "right")}, rows, padding=0)
    stored = sum(source.bytes for source in manifest.sources)
    records = sum(source.records for source in manifest.sources)
    print_lines(
        f"from {plural(len(manifest.sources), 'source')}: {plural(records, 'record')}, {plural(stored, 'stored byte')}"
    )
    for reason, count in manifest.excluded.items():
        print_lines(f"left out by {reason}: {plural(count, 'record')}")
    for sentence in (*doubts(manifest), *(sentence for _, sentence in relatives(manifest))):
        print_lines(f"worth checking: {sentence}")


@app.command()
def verify(corpus: Corpus) -> None:
    """Read every file of a corpus and compare it with the manifest."""
    from corpus.manifest import has_own_checksum, read_manifest
    from corpus.verify import verify_corpus
    from foundation.progress import progress_bar

    size = sum(file.bytes for file in read_manifest(corpus).files())
    with progress_bar("verify", total=size, unit="B") as advance:
        manifest = verify_corpus(corpus, lambda block: advance(len(block)))
    tokens = sum(split.tokens for split in manifest.splits)
    print_lines(f"{corpus} is complete: {plural(len(manifest.files()), 'file')}, {plural(tokens, 'token')}")
    if not has_own_checksum(corpus):
        print_lines("the manifest is older than manifest checksums: changes to it cannot be detected")


@app.command()
def has(
    corpus: Corpus,
    accession: Annotated[str, typer.Argument(help="An accession, with or without its version.", show_default=False)],
) -> None:
    """Check whether a corpus contains an accession. Exits with 0 if it does, 1 if not, 2 on an error.

    Versions are compared only if both the accession and the record have one, as
    with --exclude-accessions.
    """
    from corpus.records import find_records

    try:
        found = find_records(corpus, accession)
    except (InputError, OSError) as error:
        warn(f"error: {described(error)}")
        raise typer.Exit(2) from None
    for record in found:
        places = (f"{split}[{one}]" for split, numbers in record.documents.items() for one in numbers[:_SHOWN])
        counts = ", ".join(f"{len(numbers):,} in {split}" for split, numbers in record.documents.items())
        print_lines(f"{record.name}: {counts} ({', '.join(places)})")
    if not found:
        print_lines(f"no record of {corpus} has the accession {accession}")
        raise typer.Exit(1)


_SHOWN = 3
"""Documents of a record and split whose place is printed."""


@app.command()
def merge(
    corpora: Annotated[list[Path], typer.Argument(help="Prepared corpora.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Directory to write the corpus into.", show_default=False)],
    copy: Annotated[bool, typer.Option("--copy", help="Copy the files instead of linking them.")] = False,
    overwrite: Overwrite = False,
) -> None:
    """Merge corpora that were prepared with the same settings. Files are linked, not copied."""
    from corpus.manifest import FILE_NAME, has_own_checksum
    from corpus.merge import merge as merge_corpora

    for corpus in corpora:
        if (corpus / FILE_NAME).is_file() and not has_own_checksum(corpus):
            old = "its manifest is older than manifest checksums, and is not verified"
            warn(f"warning: {corpus}: {old}")
    manifest = merge_corpora(corpora, out, copy=copy, overwrite=overwrite)
    for split in manifest.splits:
        documents, bases = plural(split.documents, "document"), plural(split.bases, "base")
        print_lines(f"{split.name}: {documents}, {bases}, {plural(len(split.shards), 'shard')}")
    print_lines(f"wrote {out}")


@app.command()
def shard(
    folder: Annotated[
        Path, typer.Argument(help="Working folder that `prepare --plan-only` printed.", show_default=False)
    ],
    number: Annotated[int, typer.Argument(help="Number of the shard, counted from 0.", show_default=False)],
) -> None:
    """Prepare one shard of a plan: one task of a job array, on any machine that sees the same files."""
    from corpus.preparation.shard import prepare_shard
    from corpus.preparation.shard_progress import show_shard

    with show_shard(folder, number):
        shards = prepare_shard(folder, number)
    if number < shards:
        print_lines(f"shard {number} is finished")
    else:
        print_lines(f"nothing to do: the plan has shards 0 to {shards - 1}, and this is number {number}")


@app.command()
def card(
    corpus: Corpus,
    out: Annotated[Path, typer.Option(help="Folder to write datacard.html and DATACARD.md into.", show_default=False)],
    text: Annotated[
        Path | None, typer.Option(help="YAML file: title, description, licence, source_licences.", show_default=False)
    ] = None,
) -> None:
    """Write the data card of a corpus: sources, licences, composition, what was left out."""
    from corpus.card.page import read_card_text, write_card

    check_writable(out / "datacard.html", given=out)

    for path in write_card(corpus, out, read_card_text(text) if text else None):
        print_lines(f"wrote {path}")


@app.command()
def pack(
    corpus: Corpus,
    sequence_length: Annotated[int, typer.Option(help="Tokens per sample.", min=2, max=1 << 24)] = 8192,
    context_parallel: Annotated[int, typer.Option(help="parallelism.context of the run that reads it.", min=1)] = 1,
) -> None:
    """Pack the documents of a corpus into samples for dataset.mode=packed. A run does this itself when it starts."""
    from corpus.samples.datasets import pack_corpus
    from training.data.order import document_multiple

    for path in pack_corpus(corpus, sequence_length, document_multiple(context_parallel)):
        print_lines(f"wrote {path}")


@app.command()
def download(
    name: Annotated[str, typer.Argument(help="opengenome2")],
    out: Annotated[Path, typer.Option(help="Folder to download into.", show_default=False)],
    source: Annotated[
        list[str] | None, typer.Option(help="Source of the blend; can be repeated.", show_default="all")
    ] = None,
    split: Annotated[
        list[str] | None, typer.Option(help="train, valid or test; can be repeated.", show_default="all")
    ] = None,
    revision: Annotated[str, typer.Option(help="Branch, tag or commit of the data set.")] = "main",
    connections: Annotated[int, typer.Option(help="Files downloaded at once.", min=1)] = 4,
    yes: Annotated[bool, typer.Option("--yes", help="Download without asking.")] = False,
) -> None:
    """Download OpenGenome2 from the Hugging Face Hub. Shows sizes first; repeat the command to continue."""
    from corpus.download.opengenome2 import SOURCES, SPLITS, download_opengenome2

    if name != "opengenome2":
        raise InputError(f"no data set {name!r}", fix="Known: opengenome2.", kind="unknown-data-set")

    def confirm(summary: str) -> bool:
        print_text(summary)
        return yes or typer.confirm("Fetch them?")

    paths = download_opengenome2(
        out,
        sources=source or tuple(SOURCES),
        splits=split or SPLITS,
        revision=revision,
        connections=connections,
        confirm=confirm,
    )
    print_lines(f"{plural(len(paths), 'file')} in {out}")
