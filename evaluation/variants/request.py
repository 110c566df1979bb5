"""What `variants` is asked for, and the job that it is: effects, cut into units of haplotypes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from configs.llama import read_architecture
from corpus.streams.compression import check_opens
from evaluation.finished import Work
from evaluation.likelihood.model import check_directory, check_language_model, load_model
from evaluation.sharding.job import Compute, Progress, Results, at_once
from evaluation.variants.calibration import check_null
from evaluation.variants.haplotypes import Haplotype
from evaluation.variants.labels import Labelling, split_values
from evaluation.variants.output import journal_path, result_paths, write_result
from evaluation.variants.run import VariantResult, VariantRun, VariantScoring, check_window, effects_of_unit
from evaluation.variants.windows import plan_placement
from foundation.atomic import check_writable

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True, kw_only=True)
class VariantRequest:
    """What is scored, how, and `out`, after which the outputs are named: OUT.vcf.gz, OUT.tsv, OUT.metrics.json."""

    model: Path
    fasta: Path
    vcf: Path
    out: Path
    window: int | None = None
    downstream: int | None = None
    grid: int | None = None
    strand: str = "both"
    label: str | None = None
    positive: str = "1"
    negative: str = ""
    by: str | None = None
    dtype: str = "float32"
    batch_size: int | None = None
    distances: bool = False
    null: int = 0
    adapter: Path | None = None

    command = "variants"

    @property
    def journal(self) -> Path:
        """The results of a run so far."""
        return journal_path(self.out)

    @property
    def labelling(self) -> Labelling | None:
        """The label to measure by."""
        if self.label is None:
            return None
        values = {"positive": split_values(self.positive), "negative": split_values(self.negative)}
        return Labelling(key=self.label, by=self.by, **values)

    @property
    def run(self) -> VariantRun:
        """How variants are scored. Errors: `InputError` for windows that cannot be."""
        longest = read_architecture(self.model).max_position_embeddings
        placement = plan_placement(longest, window=self.window, downstream=self.downstream, grid=self.grid)
        return VariantRun(
            model=self.model, fasta=self.fasta, vcf=self.vcf, placement=placement, strand=self.strand,
            dtype=self.dtype, batch_size=self.batch_size, distances=self.distances,
            null=self.null, adapter=self.adapter,
        )  # fmt: skip

    def at(self, out: Path) -> "VariantRequest":
        """The same, written to `out`."""
        return replace(self, out=out)

    def check(self) -> None:
        """Errors: `InputError` for what can be known to be wrong before the files are read."""
        check_null(self.null)
        check_writable(*result_paths(self.out), self.journal, given=self.out)
        check_opens(self.fasta, self.vcf)
        check_directory(self.model, self.adapter)
        check_language_model(self.model, self.adapter)
        check_window(self.run, read_architecture(self.model).max_position_embeddings)
        _ = self.labelling

    def made(self, *, overwrite: bool = False) -> Work:
        """What decides the result, and its files."""
        return Work(
            command=self.command,
            model=self.model,
            adapter=self.adapter,
            sources={"genome": self.fasta, "vcf": self.vcf},
            settings={
                **{key: value for key, value in self.run.settings.items() if key != "model"},
                "label": self.label, "positive": self.positive, "negative": self.negative, "by": self.by,
            },
            files=result_paths(self.out),
            out=self.out,
            overwrite=overwrite,
        )  # fmt: skip

    def open(self) -> "VariantJob":
        """Its job."""
        return VariantJob(self)


class VariantJob(VariantScoring):
    """Effects of variants, in units of haplotypes."""

    def __init__(self, request: VariantRequest) -> None:
        super().__init__(request.run, request.labelling)
        self._out = request.out
        self.progress = Progress(description=f"Scoring {request.vcf.name}", unit=" haplotypes", total=self.total)

    def _model(self, device: str | None) -> "PreTrainedModel":
        return load_model(self.run.model, self.run.dtype, device=device, adapter=self.run.adapter)

    def load(self, device: str | None) -> Compute[Haplotype]:
        """Load the model."""
        return at_once(self, partial(effects_of_unit, self._model(device), self))

    def finish(self, results: Results[Haplotype]) -> tuple[VariantResult, Sequence[Path]]:
        """Write the VCF file, the table, and the measures."""
        result = self.result(results)
        return result, write_result(result, self.run, self._out)
