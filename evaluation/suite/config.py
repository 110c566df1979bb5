"""What a suite may say: the tasks of a YAML file, each with its type and unit. An unknown key is an error."""

from dataclasses import dataclass, field
from pathlib import Path

from foundation.errors import InputError
from foundation.typed import MISSING, from_settings
from foundation.untrusted import read_yaml


@dataclass
class LikelihoodTask:
    """Bits per base of sequence, against a uniform guess and Markov chains."""

    name: str = MISSING
    source: str = MISSING  # FASTA file, or directory of a prepared corpus
    split: str = "validation"  # of a corpus
    fitted_on: str | None = None  # FASTA file or corpus (its training split) for the chains; null: the source's corpus
    context_length: int | None = None  # bases; null: the model's positions
    stride: int | None = None  # bases; null: half the context


@dataclass
class VariantTask:
    """Discrimination of labelled variants by their effect."""

    name: str = MISSING
    genome: str = MISSING  # FASTA file
    vcf: str = MISSING
    label: str = MISSING  # INFO key
    positive: list[str] = field(default_factory=lambda: ["1"])
    negative: list[str] = field(default_factory=list)  # empty: all other values
    by: str | None = None  # INFO key of classes
    window: int = 8192  # bases; cut to the model's positions
    downstream: int | None = None  # bases; null: 1,024, or half the window
    grid: int | None = None  # bases; null: an eighth of what is downstream
    strand: str = "both"


@dataclass
class ProbeTask:
    """Heads on embeddings of labelled sequences."""

    name: str = MISSING
    directory: str = MISSING
    layer: int = -1
    pooling: str = "mean"
    heads: list[str] = field(default_factory=lambda: ["linear"])
    seeds: int = 5


@dataclass
class RecallTask:
    """A made-up needle that comes again after a distance: does the model copy it?"""

    name: str = "recall"
    distances: list[int] = field(
        default_factory=lambda: [128, 256, 512, 1024, 2048, 4096, 8000]
    )  # bases, 64 (the needle) or more; those that fit, with 64 after them
    samples: int = 32
    seed: int = 0


@dataclass
class LabelTask:
    """Labelled sequences, predicted by a model with a head, against the commonest label and k-mers."""

    name: str = MISSING
    table: str = MISSING  # .csv, .tsv, .parquet or FASTA file; or .bed, with genome and bigwig
    sequence: str = "sequence"  # its column of sequences
    labels: list[str] = field(default_factory=lambda: ["label"])  # its columns of labels
    genome: str | None = None  # FASTA file of the regions
    bigwig: str | None = None  # their labels, a number per base
    bigwig_fill: float | None = None  # of bases that the bigWig leaves out; null: they are not counted
    fitted_on: str | None = None  # file of the same columns, for the baselines; null: none
    truncate: str = "refuse"  # or left, right: the end that is cut off a sequence longer than the model's positions
    calibrated: bool = False


Task = LikelihoodTask | VariantTask | ProbeTask | RecallTask | LabelTask
"""Any of them."""

KINDS = {
    LikelihoodTask: "likelihood",
    RecallTask: "recall",
    VariantTask: "variants",
    ProbeTask: "probe",
    LabelTask: "labels",
}
"""The word for each in results."""

SOURCES = ("source", "fitted_on", "genome", "vcf", "directory", "table", "bigwig")
"""The keys of tasks that are paths."""


@dataclass
class Suite:
    """All tasks of a file."""

    likelihood: list[LikelihoodTask] = field(default_factory=list)
    variants: list[VariantTask] = field(default_factory=list)
    probes: list[ProbeTask] = field(default_factory=list)
    recall: list[RecallTask] = field(default_factory=list)
    labels: list[LabelTask] = field(default_factory=list)
    batch_size: int = 8


def read_suite(path: Path) -> Suite:
    """Read a YAML file. Errors: `InputError` for an unknown key, a value of the wrong type, or one that is missing."""
    suite = from_settings(Suite, read_yaml(path) or {}, str(path), fix=_FIX)
    names = [(type(task).__name__, task.name) for task in tasks(suite)]
    if not names:
        raise InputError("has no task", where=path, fix=_FIX, kind="suite-empty")
    if len(set(names)) < len(names):
        raise InputError(
            "two tasks of the same kind share a name",
            where=path,
            fix="Give them different names.",
            kind="task-name-twice",
        )
    return suite


def sources(task: Task) -> list[Path]:
    """The files and directories that `task` reads."""
    return [Path(found) for key in SOURCES if (found := getattr(task, key, None))]


def tasks(suite: Suite) -> list[Task]:
    """All tasks in the order in which they run."""
    return [*suite.likelihood, *suite.recall, *suite.variants, *suite.probes, *suite.labels]


_FIX = "See configs/evaluation/demo.yaml."
