"""The commands about corpora: `prepare`, and `corpus` with what can be done to one."""

import json
import os
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from conduct.errors import InputError

if TYPE_CHECKING:
    from corpus.preparation.engines import Engine

app = typer.Typer(help="Look at, check, merge and describe prepared corpora.", no_args_is_help=True)

Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an output that exists.")]
Corpus = Annotated[Path, typer.Argument(help="A prepared corpus.", show_default=False)]

_SPLIT, _FORMAT, _EXCLUDE, _WORK = "What is held out", "What is read", "What is left out", "How it is done"


class SplitBy(str, Enum):
    sequence = "sequence"
    source = "source"
    cluster = "cluster"


class EngineName(str, Enum):
    local = "local"
    ray = "ray"


def prepare(
    sources: Annotated[
        list[str],
        typer.Argument(
            help="FASTA, FASTQ, JSONL, Parquet, 2bit or ShardedEden files, .gz and .zst too; quoted wildcards; "
            "@LIST, a file of names; - for standard input.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option(help="Directory of the corpus.", show_default=False)],
    validation_fraction: Annotated[
        float | None,
        typer.Option(help="Share held out for validation. [default: 0.05, or 0 with a list]", rich_help_panel=_SPLIT),
    ] = None,
    test_fraction: Annotated[float, typer.Option(help="Share held out for a test.", rich_help_panel=_SPLIT)] = 0.0,
    seed: Annotated[int, typer.Option(help="Seed of the split.", rich_help_panel=_SPLIT)] = 0,
    split_by: Annotated[
        SplitBy, typer.Option(help="What is drawn: sequences, whole files, or clusters.", rich_help_panel=_SPLIT)
    ] = SplitBy.sequence,
    clusters: Annotated[
        Path | None,
        typer.Option(help="For --split-by cluster: MMseqs2's _cluster.tsv.", rich_help_panel=_SPLIT),
    ] = None,
    validation_list: Annotated[
        Path | None, typer.Option(help="Accessions held out for validation, one a line.", rich_help_panel=_SPLIT)
    ] = None,
    test_list: Annotated[
        Path | None, typer.Option(help="Accessions held out for a test, one a line.", rich_help_panel=_SPLIT)
    ] = None,
    segment_length: Annotated[
        int | None,
        typer.Option(
            help="Cut longer contigs into documents of this many bases, for genomes of few contigs.",
            rich_help_panel=_FORMAT,
        ),
    ] = None,
    format: Annotated[
        str | None, typer.Option(help="Format of all sources.", show_default="by content", rich_help_panel=_FORMAT)
    ] = None,
    field: Annotated[
        str | None,
        typer.Option(
            help="Field or column of the sequence in JSONL and Parquet.",
            show_default="text, or sequence",
            rich_help_panel=_FORMAT,
        ),
    ] = None,
    markup: Annotated[
        bool,
        typer.Option("--markup", help="Text has OpenGenome2's tags and joins.", rich_help_panel=_FORMAT),
    ] = False,
    exclude_accessions: Annotated[
        list[Path] | None, typer.Option(help="File of accessions, one a line.", rich_help_panel=_EXCLUDE)
    ] = None,
    exclude_header: Annotated[
        list[str] | None, typer.Option(help="Regular expression on name and description.", rich_help_panel=_EXCLUDE)
    ] = None,
    exclude_taxa: Annotated[
        list[str] | None, typer.Option(help="Taxid or scientific name; with all below it.", rich_help_panel=_EXCLUDE)
    ] = None,
    exclude_preset: Annotated[
        list[str] | None,
        typer.Option(help="eukaryotic_viruses, or a YAML file of taxa.", rich_help_panel=_EXCLUDE),
    ] = None,
    taxdump: Annotated[
        Path | None, typer.Option(help="Folder of NCBI's nodes.dmp and names.dmp.", rich_help_panel=_EXCLUDE)
    ] = None,
    accession_taxids: Annotated[
        Path | None, typer.Option(help="Table of accessions and taxids.", rich_help_panel=_EXCLUDE)
    ] = None,
    strict_taxonomy: Annotated[
        bool,
        typer.Option("--strict-taxonomy", help="A record of unknown taxonomy is an error.", rich_help_panel=_EXCLUDE),
    ] = False,
    processes: Annotated[
        int | None, typer.Option(help="Shards at once.", min=1, show_default="one a core", rich_help_panel=_WORK)
    ] = None,
    engine: Annotated[
        EngineName, typer.Option(help="Processes of this machine, or Ray on many.", rich_help_panel=_WORK)
    ] = EngineName.local,
    ray_address: Annotated[
        str | None, typer.Option(help="Address of a Ray cluster.", show_default="start one here", rich_help_panel=_WORK)
    ] = None,
    shard_mebibytes: Annotated[
        int, typer.Option(help="Stored bytes of the sources of one shard.", min=1, rich_help_panel=_WORK)
    ] = 512,
    plan_only: Annotated[
        bool,
        typer.Option("--plan-only", help="Write the plan, for `corpus shard`, and stop.", rich_help_panel=_WORK),
    ] = False,
    overwrite: Overwrite = False,
) -> None:
    """Turn genomes into a corpus for training: Megatron .bin/.idx files and a manifest.

    What is finished of a preparation that was stopped is kept: the same command goes on from there.
    """
    from corpus.preparation.exclusion import ExclusionRule
    from corpus.preparation.prepare import plan_preparation
    from corpus.preparation.prepare import prepare as prepare_corpus
    from corpus.preparation.settings import Settings
    from corpus.preparation.split import SplitRule
    from corpus.readers.inputs import expand_inputs

    if validation_fraction is None:
        validation_fraction = 0.0 if validation_list or test_list else 0.05
    settings = Settings(
        split=SplitRule(
            validation_fraction=validation_fraction,
            test_fraction=test_fraction,
            seed=seed,
            by=split_by.value,
            clusters=clusters,
            validation_list=validation_list,
            test_list=test_list,
        ),
        exclusion=ExclusionRule(
            accessions=tuple(exclude_accessions or ()),
            header=tuple(exclude_header or ()),
            taxa=tuple(exclude_taxa or ()),
            preset=tuple(exclude_preset or ()),
            taxdump=taxdump,
            accession_taxids=accession_taxids,
            strict=strict_taxonomy,
        ),
        segment_length=segment_length,
        format=format,
        text_field=field,
        markup=markup,
    )
    paths, shard_bytes = expand_inputs(sources), shard_mebibytes << 20
    if plan_only:
        work, plan = plan_preparation(paths, out, settings, shard_bytes=shard_bytes)
        last = len(plan.shards) - 1
        print(f"{last + 1} shards. Run `genomic-llama corpus shard {work.path} N` for N from 0 to {last}, anywhere and")
        print("in any order, then this command again without --plan-only.")
        return
    manifest = prepare_corpus(
        paths,
        out,
        settings,
        shard_bytes=shard_bytes,
        engine=_engine(engine, processes, ray_address),
        overwrite=overwrite,
    )
    for split in manifest.splits:
        print(f"{split.name}: {split.documents:,} documents, {split.bases:,} bases")
    if manifest.excluded:
        print(f"left out: {sum(manifest.excluded.values()):,} records")
    print(f"wrote {out}")


@app.command()
def info(corpus: Corpus, as_json: Annotated[bool, typer.Option("--json", help="The manifest itself.")] = False) -> None:
    """What a corpus is made of."""
    from rich.console import Console
    from rich.table import Table

    from corpus.composition import COLUMNS, MARKUP
    from corpus.manifest import read_manifest
    from corpus.typed_json import to_json

    manifest = read_manifest(corpus)
    if as_json:
        print(json.dumps(to_json(manifest), indent=2))
        return
    table = Table("split", "documents", "bases", "GC", "N", "soft-masked", COLUMNS[MARKUP], "shards")
    for column in table.columns[1:]:
        column.justify = "right"
    for split in manifest.splits:
        letters = split.composition
        known = sum(letters[letter] for letter in "ACGT")
        shares = ((letters["G"] + letters["C"], known), (letters["N"], split.bases), (split.soft_masked, split.bases))
        table.add_row(
            split.name,
            f"{split.documents:,}",
            f"{split.bases:,}",
            *(f"{part / whole:.2%}" if whole else "" for part, whole in shares),
            f"{split.markup:,} B",
            f"{len(split.shards):,}",
        )
    Console().print(table)
    stored = sum(source.bytes for source in manifest.sources)
    records = sum(source.records for source in manifest.sources)
    print(f"from {len(manifest.sources):,} sources: {records:,} records, {stored:,} stored bytes")
    for reason, count in manifest.excluded.items():
        print(f"left out by {reason}: {count:,} records")


@app.command()
def verify(corpus: Corpus) -> None:
    """Read every file of a corpus and compare it with the manifest."""
    from conduct.progress import progress_bar
    from corpus.manifest import read_manifest
    from corpus.verify import verify_corpus

    size = sum(file.bytes for file in read_manifest(corpus).files())
    with progress_bar("verify", total=size, unit="B") as advance:
        manifest = verify_corpus(corpus, lambda block: advance(len(block)))
    tokens = sum(split.tokens for split in manifest.splits)
    print(f"{corpus} is whole: {len(manifest.files()):,} files, {tokens:,} tokens")


@app.command()
def merge(
    corpora: Annotated[list[Path], typer.Argument(help="Prepared corpora.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Directory of the corpus.", show_default=False)],
    copy: Annotated[bool, typer.Option("--copy", help="Copy the files instead of linking them.")] = False,
    overwrite: Overwrite = False,
) -> None:
    """Make one corpus of several that were prepared with the same settings; no data is copied."""
    from corpus.merge import merge as merge_corpora

    manifest = merge_corpora(corpora, out, copy=copy, overwrite=overwrite)
    for split in manifest.splits:
        print(f"{split.name}: {split.documents:,} documents, {split.bases:,} bases, {len(split.shards):,} shards")
    print(f"wrote {out}")


@app.command()
def shard(
    folder: Annotated[Path, typer.Argument(help="What `prepare --plan-only` printed.", show_default=False)],
    number: Annotated[int, typer.Argument(help="Number of the shard, from 0.", show_default=False)],
) -> None:
    """Prepare one shard of a plan: one task of a job array, on any machine that sees the same files."""
    from corpus.preparation.shard import prepare_shard

    prepare_shard(folder, number)
    print(f"shard {number} is finished")


def _engine(name: EngineName, processes: int | None, ray_address: str | None) -> "Engine":
    from corpus.preparation.engines import LocalEngine, RayEngine

    if name is EngineName.ray:
        return RayEngine(address=ray_address)
    if ray_address is not None:
        raise InputError("--ray-address goes with --engine ray", fix="Add it, or leave the address out.")
    return LocalEngine(processes or len(os.sched_getaffinity(0)))
