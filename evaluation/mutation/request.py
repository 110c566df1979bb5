"""What `mutate` is asked for, and the job that it is: effects, cut into units of haplotypes."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple

from configs.llama import read_architecture
from corpus.streams.compression import check_opens
from evaluation.digest import named
from evaluation.finished import Work
from evaluation.likelihood.bed import check_bed
from evaluation.likelihood.hub import SETTINGS, check_hub
from evaluation.likelihood.model import check_directory, check_language_model, load_model
from evaluation.likelihood.scoring import STRANDS
from evaluation.mutation.hub import write_hub
from evaluation.mutation.mutants import Kinds
from evaluation.mutation.mutation_files import write_parquet, write_vcf
from evaluation.mutation.mutation_map import MutationMap, plan_mutants, plan_mutation_windows, read_sites
from evaluation.mutation.page import write_page
from evaluation.sharding.job import Compute, Payload, Progress, Results, at_once, cut
from evaluation.variants.effect_arrays import from_arrays, to_arrays
from evaluation.variants.effects import variant_effects
from evaluation.variants.haplotypes import Haplotype, haplotypes, tokens_of_unit
from evaluation.variants.output import journal_path
from evaluation.variants.windows import Placement
from foundation.atomic import check_directory_writable, check_writable
from foundation.place import beside


@dataclass(frozen=True, kw_only=True)
class MutateRequest:
    """What is mutated, how, and `out`, after which the outputs are named: OUT.parquet, OUT.vcf.gz, OUT.html."""

    model: Path
    fasta: Path
    out: Path
    bed: Path | None = None
    deletions: tuple[int, ...] = ()
    tile: int | None = None
    hub: Path | None = None
    assembly: str = ""
    window: int | None = None
    downstream: int | None = None
    grid: int | None = None
    strand: str = "both"
    adapter: Path | None = None
    dtype: str = "float32"
    batch_size: int | None = None

    command = "mutate"

    @property
    def journal(self) -> Path:
        """What a run has so far."""
        return journal_path(self.out)

    @property
    def kinds(self) -> Kinds:
        """What is made beside all SNVs. Errors: `InputError`."""
        return Kinds(deletions=self.deletions, tile=self.tile)

    @property
    def placement(self) -> Placement:
        """The windows. Errors: `InputError` for windows that cannot be."""
        longest = read_architecture(self.model).max_position_embeddings
        return plan_mutation_windows(longest, window=self.window, downstream=self.downstream, grid=self.grid)

    @property
    def settings(self) -> dict[str, str]:
        """What decides the result, for its files."""
        return {
            "model": named(self.model, self.adapter), "genome": self.fasta.name, "strand": self.strand,
            "dtype": self.dtype, **{key: str(value) for key, value in asdict(self.placement).items()},
            "deletions": ",".join(map(str, self.deletions)), "tile": str(self.tile or ""),
        }  # fmt: skip

    @property
    def files(self) -> list[Path]:
        """What is written."""
        own = [beside(self.out, suffix) for suffix in (".parquet", ".vcf.gz", ".html")]
        return own + ([self.hub / SETTINGS] if self.hub else [])

    def at(self, out: Path) -> "MutateRequest":
        """The same, written to `out`."""
        return replace(self, out=out)

    def check(self) -> None:
        """Errors: `InputError` for what can be known to be wrong before the files are read."""
        _ = self.kinds
        if self.bed is not None:
            check_bed(self.bed)
        check_opens(self.fasta)
        check_writable(*self.files[:3], self.journal, given=self.out)
        if self.hub is not None:
            check_directory_writable(self.hub)
            check_hub(self.hub, self.assembly, fasta=self.fasta, bed=self.bed)
        check_directory(self.model, self.adapter)
        check_language_model(self.model, self.adapter)
        _ = self.placement

    def made(self, *, overwrite: bool = False) -> Work:
        """What decides the result, and its files."""
        return Work(
            command=self.command,
            model=self.model,
            adapter=self.adapter,
            sources={"genome": self.fasta, "bed": self.bed},
            settings={
                **{key: value for key, value in self.settings.items() if key != "model"},
                "assembly": self.assembly if self.hub else "",
            },
            files=self.files,
            overwrite=overwrite,
        )

    def open(self) -> "MutateJob":
        """Its job."""
        return MutateJob(self)


class Site(NamedTuple):
    """A haplotype, and the bases of its region that it stands for in the progress bar."""

    haplotype: Haplotype
    bases: float


class MutateJob:
    """Effects of the mutants of one region after another, in units of haplotypes."""

    def __init__(self, request: MutateRequest) -> None:
        self._request, self._placement, self._kinds = request, request.placement, request.kinds
        self._regions, self._contigs = read_sites(request.fasta, request.bed)
        self._kinds.check_fit(self._regions, self._contigs)
        total = sum(len(region.ids) for region in self._regions)
        self.progress = Progress(description="Mutating", unit="b", total=total)

    def units(self) -> Iterator[list[Site]]:
        """Haplotypes, so many that those of one window are mostly of one unit."""
        return cut(self._sites(), tokens_of_unit(self._placement), self.work)

    def work(self, site: Site) -> int:
        """Tokens that the model reads."""
        return site.haplotype.tokens

    def amount(self, site: Site) -> float:
        """Bases of the region."""
        return site.bases

    def load(self, device: str | None) -> Compute[Site]:
        """Load the model."""
        asked = self._request
        model = load_model(asked.model, asked.dtype, device=device, adapter=asked.adapter)

        def compute(unit: list[Site]) -> Payload:
            found = variant_effects(
                model, [site.haplotype.allele for site in unit], self._contigs, self._placement,
                readings=STRANDS[asked.strand], batch_size=asked.batch_size,
            )  # fmt: skip
            return to_arrays([effect for some in found for effect in some])

        return at_once(self, compute)

    def finish(self, results: Results[Site]) -> tuple[list[MutationMap], Sequence[Path]]:
        """Write the table, the VCF file, the page, and the track hub where one is asked for."""
        effects = iter([effect for _, payload in results for effect in from_arrays(payload)])
        planned = (plan_mutants(region, self._contigs, self._kinds) for region in self._regions)
        maps = [one.map(effects) for one in planned]
        asked, (parquet, vcf, page, *_) = self._request, self._request.files
        write_parquet(maps, parquet, asked.settings)
        write_vcf(maps, vcf, asked.settings)
        write_page(maps, page, asked.settings)
        if asked.hub is not None:
            write_hub(maps, asked.hub, asked.assembly)
        return maps, asked.files

    def _sites(self) -> Iterator[Site]:
        for region in self._regions:
            alleles = plan_mutants(region, self._contigs, self._kinds).alleles
            for haplotype in haplotypes(alleles, self._placement, self._request.strand):
                yield Site(haplotype, len(region.ids) / len(alleles))
