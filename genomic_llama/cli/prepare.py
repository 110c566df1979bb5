"""`genomic-llama prepare`: options to settings, and the engine that runs the shards."""

import os
import shlex
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from foundation.errors import InputError
from foundation.pages.quantities import plural
from foundation.terminal import print_lines
from genomic_llama.cli.options import EngineName

if TYPE_CHECKING:
    from foundation.engines.engine import Engine

_SPLIT, _FORMAT, _EXCLUDE, _WORK = "What is held out", "What is read", "What is left out", "How it is done"


class SplitBy(str, Enum):
    sequence = "sequence"
    record = "record"
    source = "source"
    cluster = "cluster"


def prepare(
    sources: Annotated[
        list[str],
        typer.Argument(
            help="FASTA, FASTQ, JSONL, Parquet, 2bit, ShardedEden or Megatron (.bin) files, .gz and .zst too; quoted "
            "wildcards; @LIST, a file of names; - for standard input.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option(help="Directory to write the corpus into.", show_default=False)],
    settings: Annotated[
        str | None,
        typer.Option(help="opengenome2, or a YAML file of settings. Options override it.", show_default=False),
    ] = None,
    validation_fraction: Annotated[
        float | None,
        typer.Option(
            help="Share of the bases held out for validation.",
            show_default="0.05, or 0 with a list",
            rich_help_panel=_SPLIT,
        ),
    ] = None,
    test_fraction: Annotated[
        float | None,
        typer.Option(help="Share of the bases held out for testing.", show_default="0", rich_help_panel=_SPLIT),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of the split.", show_default="0", rich_help_panel=_SPLIT)
    ] = None,
    split_by: Annotated[
        SplitBy | None,
        typer.Option(
            help="Unit of the split: documents, records, files or clusters.",
            show_default="sequence",
            rich_help_panel=_SPLIT,
        ),
    ] = None,
    clusters: Annotated[
        Path | None,
        typer.Option(help="For --split-by cluster: MMseqs2's _cluster.tsv.", rich_help_panel=_SPLIT),
    ] = None,
    validation_list: Annotated[
        Path | None, typer.Option(help="Accessions held out for validation, one per line.", rich_help_panel=_SPLIT)
    ] = None,
    test_list: Annotated[
        Path | None, typer.Option(help="Accessions held out for testing, one per line.", rich_help_panel=_SPLIT)
    ] = None,
    segment_length: Annotated[
        int | None,
        typer.Option(
            help="Cut contigs into documents of at most this many bases; for genomes with few contigs.",
            rich_help_panel=_FORMAT,
        ),
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(
            help="Format of all sources; by default it is detected for each file.",
            show_default="by content",
            rich_help_panel=_FORMAT,
        ),
    ] = None,
    text_field: Annotated[
        str | None,
        typer.Option(
            help="Field or column with the sequence, in JSONL and Parquet.",
            show_default="text, or sequence",
            rich_help_panel=_FORMAT,
        ),
    ] = None,
    markup: Annotated[
        bool | None,
        typer.Option(
            "--markup/--no-markup",
            help="Read OpenGenome2's tags and joins.",
            show_default="no",
            rich_help_panel=_FORMAT,
        ),
    ] = None,
    record_names: Annotated[
        bool | None,
        typer.Option(
            "--record-names/--no-record-names",
            help="Store the names of records.",
            show_default="for fewer than 10 million records",
            rich_help_panel=_FORMAT,
        ),
    ] = None,
    rna: Annotated[
        bool | None,
        typer.Option("--rna/--no-rna", help="Store U of RNA as T.", show_default="no", rich_help_panel=_FORMAT),
    ] = None,
    exclude_accessions: Annotated[
        list[Path] | None,
        typer.Option(help="Leave out these accessions: a file with one per line.", rich_help_panel=_EXCLUDE),
    ] = None,
    exclude_header: Annotated[
        list[str] | None,
        typer.Option(help="Leave out records whose header matches this regular expression.", rich_help_panel=_EXCLUDE),
    ] = None,
    exclude_taxa: Annotated[
        list[str] | None,
        typer.Option(
            help="Leave out a taxon and everything below it: taxid or scientific name.", rich_help_panel=_EXCLUDE
        ),
    ] = None,
    exclude_preset: Annotated[
        list[str] | None,
        typer.Option(
            help="Leave out the taxa of a preset: eukaryotic_viruses, or a YAML file.", rich_help_panel=_EXCLUDE
        ),
    ] = None,
    taxdump: Annotated[
        Path | None, typer.Option(help="Folder of NCBI's nodes.dmp and names.dmp.", rich_help_panel=_EXCLUDE)
    ] = None,
    accession_taxids: Annotated[
        Path | None, typer.Option(help="Table of accessions and their taxids.", rich_help_panel=_EXCLUDE)
    ] = None,
    strict_taxonomy: Annotated[
        bool | None,
        typer.Option(
            "--strict-taxonomy/--no-strict-taxonomy",
            help="Refuse records of unknown taxonomy.",
            show_default="no",
            rich_help_panel=_EXCLUDE,
        ),
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option(help="Shards prepared at once.", min=1, show_default="one per core", rich_help_panel=_WORK),
    ] = None,
    engine: Annotated[
        EngineName, typer.Option(help="Run on this machine, or on a Ray cluster.", rich_help_panel=_WORK)
    ] = EngineName.local,
    ray_address: Annotated[
        str | None, typer.Option(help="Address of a Ray cluster.", show_default="start one here", rich_help_panel=_WORK)
    ] = None,
    shard_mebibytes: Annotated[
        int, typer.Option(help="MiB of source files per shard.", min=1, rich_help_panel=_WORK)
    ] = 512,
    plan_only: Annotated[
        bool,
        typer.Option("--plan-only", help="Write the plan for `corpus shard`, and stop.", rich_help_panel=_WORK),
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing output.")] = False,
) -> None:
    """Turn genomes into a corpus for training: Megatron .bin/.idx files and a manifest.

    Finished shards are kept. Repeat the command to continue an interrupted
    preparation.
    """
    from corpus.preparation.prepare import plan_preparation
    from corpus.preparation.prepare import prepare as prepare_corpus
    from corpus.settings import compose_settings
    from corpus.streams.inputs import expand_inputs
    from foundation.disk import full_disk

    if validation_fraction is None and (validation_list or test_list):
        validation_fraction = 0.0
    given = {
        "split": {
            "validation_fraction": validation_fraction,
            "test_fraction": test_fraction,
            "seed": seed,
            "by": split_by and split_by.value,
            "clusters": clusters,
            "validation_list": validation_list,
            "test_list": test_list,
        },
        "exclusion": {
            "accessions": exclude_accessions,
            "header": exclude_header,
            "taxa": exclude_taxa,
            "preset": exclude_preset,
            "taxdump": taxdump,
            "accession_taxids": accession_taxids,
            "strict": strict_taxonomy,
        },
        "segment_length": segment_length,
        "format": format,
        "text_field": text_field,
        "markup": markup,
        "record_names": record_names,
        "rna": rna,
    }
    composed = compose_settings(settings, _without_none(given))
    paths, shard_bytes = expand_inputs(sources), shard_mebibytes << 20
    if plan_only:
        work, plan = plan_preparation(paths, out, composed, shard_bytes=shard_bytes, overwrite=overwrite)
        print_lines(*_array_lines(str(work.path), len(plan.shards)))
        return
    with full_disk(out):
        manifest = prepare_corpus(
            paths,
            out,
            composed,
            shard_bytes=shard_bytes,
            engine=_engine(engine, processes, ray_address),
            overwrite=overwrite,
        )
    for split in manifest.splits:
        print_lines(f"{split.name}: {plural(split.documents, 'document')}, {plural(split.bases, 'base')}")
    if manifest.excluded:
        print_lines(f"left out: {plural(sum(manifest.excluded.values()), 'record')}")
    print_lines(f"wrote {out}")


def _array_lines(folder: str, shards: int) -> list[str]:
    """How to prepare the shards of a plan: as a job array, or by hand."""
    last, command = shards - 1, f"genomic-llama corpus shard {shlex.quote(folder)}"
    array = f"sbatch --array=0-{last} --wrap {shlex.quote(f'{command} $SLURM_ARRAY_TASK_ID')}"
    lines = [
        f"{plural(shards, 'shard')}. Prepare as a job array of Slurm:",
        f"  {array}",
        f"or run `{command} N` for N from 0 to {last}, on any machine that sees these files, in any order.",
        "Then repeat this command without --plan-only.",
    ]
    if shards > SLURM_ARRAY:
        note = f"Slurm's MaxArraySize is {SLURM_ARRAY + 1:,} unless set higher: --shard-mebibytes makes fewer shards."
        lines.insert(2, note)
    return lines


SLURM_ARRAY = 1000
"""Largest number of tasks in an array, by Slurm's default configuration."""


def _without_none(values: dict[str, Any]) -> dict[str, Any]:
    """The options that were given, nested as before; paths as text, as in a settings file."""
    kept = {key: _without_none(value) if isinstance(value, dict) else value for key, value in values.items()}
    return {key: _as_text(value) for key, value in kept.items() if value is not None and value != []}


def _as_text(value: Any) -> Any:
    if isinstance(value, list):
        return [_as_text(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _engine(name: EngineName, processes: int | None, ray_address: str | None) -> "Engine":
    from foundation.engines.local import LocalEngine
    from foundation.engines.ray_cluster import RayEngine

    if name is EngineName.ray:
        return RayEngine(address=ray_address)
    if ray_address is not None:
        raise InputError(
            "--ray-address needs --engine ray",
            fix="Add it, or leave the address out.",
            kind="ray-address-without-ray",
        )
    return LocalEngine(processes or len(os.sched_getaffinity(0)))
