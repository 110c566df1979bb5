"""Arguments and options that several commands share."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from evaluation.limits import MOST


class Dtype(str, Enum):
    float32 = "float32"
    bfloat16 = "bfloat16"
    float16 = "float16"


class Strand(str, Enum):
    forward = "forward"
    reverse = "reverse"
    both = "both"


class EngineName(str, Enum):
    local = "local"
    ray = "ray"


class Pooling(str, Enum):
    mean = "mean"
    last = "last"
    max = "max"
    none = "none"


class Truncate(str, Enum):
    refuse = "refuse"
    left = "left"
    right = "right"


class Head(str, Enum):
    linear = "linear"
    mlp = "mlp"


Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an existing output.")]
BatchSize = Annotated[int, typer.Option(help="Sequences per forward pass.", min=1, max=MOST)]
FittingBatchSize = Annotated[
    int | None,
    typer.Option("--batch-size", help="Sequences per forward pass.", min=1, max=MOST, show_default="as many as fit"),
]
Model = Annotated[Path, typer.Argument(help="Hugging Face directory.", show_default=False)]
Adapter = Annotated[
    Path | None,
    typer.Option(help="PEFT LoRA adapter to merge into the model's weights.", show_default=False),
]
Markup = Annotated[
    bool, typer.Option("--markup", help="Allow OpenGenome2's tags and joins in FASTA records; they are not scored.")
]
Tag = Annotated[
    str | None,
    typer.Option(help="Phylogenetic tag to put before each sequence: 'd__Bacteria;p__Bacillota'.", show_default=False),
]
ModelDtype = Annotated[Dtype, typer.Option("--dtype", help="Number format of the model.")]
Split = Annotated[str, typer.Option(help="Split to read from a corpus.")]
Bed = Annotated[
    Path | None, typer.Option(help="BED file of regions; only these are read from the FASTA file.", show_default=False)
]
ContextLength = Annotated[
    int | None, typer.Option(help="Window length, in bases.", min=1, show_default="the model's positions")
]
Stride = Annotated[
    int | None,
    typer.Option(
        help="Step between windows, in bases. Each base sees at least window - stride bases of context.",
        min=1,
        show_default="half the context",
    ),
]
