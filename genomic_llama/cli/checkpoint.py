"""`genomic-llama checkpoint`: describe, verify, or strip a checkpoint."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from foundation.pages.quantities import plural
from foundation.terminal import print_lines, print_table, print_text

if TYPE_CHECKING:
    from conversion.inspection import Summary
    from conversion.listing import Listed

app = typer.Typer(
    help="Inspect, verify or strip a checkpoint of any format. No code in it is run.", no_args_is_help=True
)

Source = Annotated[Path, typer.Argument(help="A checkpoint or run directory, of any format.", show_default=False)]


@app.command()
def info(source: Source, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Print format, architecture, parameters, dtype, sizes and optimizer state. For a run, list its checkpoints."""
    from conversion.inspection import summarise
    from conversion.listing import checkpoints_folder, list_checkpoints

    folder = checkpoints_folder(source)
    listed = list_checkpoints(folder) if folder else []
    content: dict[str, object] = {"checkpoints": [asdict(one) for one in listed]} if folder else {}
    if folder and not as_json:
        _print_table(listed)
    try:
        summary = summarise(source)
        content = {**asdict(summary), **content}
    finally:  # the list is there also where none of them can be opened
        if as_json and content:
            print_text(json.dumps(content, indent=2))
    if not as_json:
        for name, value in _lines(summary):
            print_lines(f"{name + ':':14}{value}")


@app.command()
def verify(source: Source) -> None:
    """Read every file and compare it with the checksums of the run or conversion that wrote it."""
    from conversion.inspection import verify_checkpoint
    from conversion.manifest import CheckpointManifest

    record = verify_checkpoint(source)
    if record is None:
        print_lines(
            "complete: every tensor is present and readable. No checksums were recorded, so values were not compared"
        )
    elif isinstance(record, CheckpointManifest):
        print_lines(f"verified: {plural(len(record.files), 'file')}, {record.bytes:,} bytes, of step {record.step}")
    else:
        count = len(record.tensors) + len(record.optimizer)
        print_lines(f"verified: checksums of {plural(count, 'tensor')} and {plural(len(record.files), 'file')}")


@app.command()
def strip(
    source: Source,
    destination: Annotated[Path, typer.Argument(help="Directory to write.", show_default=False)],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing output.")] = False,
) -> None:
    """Copy a checkpoint without its optimizer state, in the same format."""
    from conversion.convert import strip as strip_checkpoint

    strip_checkpoint(source, destination, overwrite=overwrite)
    print_lines(f"wrote {destination}")


def _print_table(listed: "list[Listed]") -> None:
    columns = {"checkpoint": "left", "step": "right", "bytes": "right", "state": "left", "": "left"}
    print_table(columns, [(one.name, f"{one.step:,}", f"{one.bytes:,}", one.state, one.note) for one in listed])


def _lines(summary: "Summary") -> list[tuple[str, str]]:
    a = summary.architecture
    scaling = a["rope_scaling"]
    rope = f"theta {a['rope_theta']:g}" + (
        f", scaled by {scaling['factor']:g} (Llama 3.1)" if scaling else ", unscaled"
    )
    state = (
        f"{summary.optimizer_bytes:,} bytes in {summary.optimizer_tensors} tensors"
        if summary.optimizer_tensors
        else "none"
    )
    padding = f" and {summary.vocabulary - 256} of padding" if summary.vocabulary > 256 else ""
    return [
        ("path", summary.path),
        ("format", summary.title),
        *([("adapters of", summary.adapter_base)] if summary.adapter_base else []),
        ("parameters", f"{summary.parameters:,}"),
        ("architecture", f"{a['num_hidden_layers']} layers x {a['hidden_size']}, {a['num_attention_heads']} heads of "
                         f"{a['head_dim']}, {a['num_key_value_heads']} key-value heads, MLP {a['intermediate_size']}"),
        ("context", f"{a['max_position_embeddings']:,}"),
        ("RoPE", rope),
        ("embeddings", f"256 rows{padding}, {'tied' if a['tie_word_embeddings'] else 'untied'}"),
        ("dtype", summary.dtype),
        ("tensors", f"{summary.tensors} as in Hugging Face, {summary.weight_bytes:,} bytes"),
        ("optimizer", state),
        ("files", f"{summary.files} of tensors, {summary.file_bytes:,} bytes"),
        ("checksums", f"recorded in {summary.recorded}" if summary.recorded else "none recorded"),
    ]  # fmt: skip
