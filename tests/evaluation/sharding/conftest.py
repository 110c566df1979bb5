"""Requests of every command that can be cut into shards, on the tiny model, with units small enough to be many."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny_llama import save_tiny_classifier

from evaluation.embedding.request import EmbedRequest
from evaluation.generation import request as generation
from evaluation.generation.request import GenerateRequest
from evaluation.generation.sampling import Sampling
from evaluation.likelihood.request import ScoreRequest
from evaluation.mutation.request import MutateRequest
from evaluation.prediction.request import PredictRequest
from evaluation.sharding import job
from evaluation.variants import haplotypes
from evaluation.variants.request import VariantRequest

Ask = Callable[[str, Path], Any]


@pytest.fixture
def small_units(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "UNIT_TOKENS", 600)
    monkeypatch.setattr(haplotypes, "UNIT_WINDOWS", 20)
    monkeypatch.setattr(generation, "UNIT_ROWS", (5, 8))


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory, genome: dict[str, bytes]) -> Path:
    """A folder with a genome, regions of it, and variants."""
    folder = tmp_path_factory.mktemp("inputs")
    (folder / "genome.fa").write_bytes(b"".join(b">%s\n%s\n" % (name.encode(), one) for name, one in genome.items()))
    long = [name for name, bases in genome.items() if len(bases) > 100]
    lines = [f"{name}\t{10 + n}\t{90 - n}\t.\t0\t{'+-'[n % 2]}\n" for n, name in enumerate(long)]
    (folder / "regions.bed").write_text("".join(lines))
    (folder / "few.bed").write_text("".join(f"{name}\t40\t65\n" for name in long[:2]))
    header = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    rows = [
        "\t".join(
            (name, str(at + 1), ".", chr(genome[name][at]).upper(), f"C,{'T' * (at % 5 + 1)}", ".", ".", f"X={n % 2}")
        )
        for n, name in enumerate(long)
        for at in range(5, len(genome[name]), 40)
    ]
    (folder / "prompts.fa").write_text(">long\nACGTTGA\n>short\nA\n>lower\nacg\n")
    (folder / "variants.vcf").write_text(header + "\n".join(rows) + "\n")
    return folder


@pytest.fixture(scope="session")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_classifier(tmp_path_factory.mktemp("classifier"), positions=512)


@pytest.fixture
def ask(tiny_directory: Path, classifier: Path, inputs: Path, corpus: Path) -> Ask:
    """The request of that name, written into a folder."""
    genome = inputs / "genome.fa"

    def made(name: str, folder: Path) -> Any:
        scored = {"model": tiny_directory, "source": genome, "scores": folder / "out.json", "batch_size": 3}
        embedded = {"model": tiny_directory, "source": genome, "batch_size": 3}
        variants = {"model": tiny_directory, "fasta": genome, "vcf": inputs / "variants.vcf", "out": folder / "out"}
        requests: dict[str, Any] = {
            "score": lambda: ScoreRequest(**scored),
            "score-corpus": lambda: ScoreRequest(**{**scored, "source": corpus, "split": "train"}),
            "score-both-parquet": lambda: ScoreRequest(**scored, strand="both", per_base=folder / "bases.parquet"),
            "score-bedgraph": lambda: ScoreRequest(**scored, per_base=folder / "bases.bedgraph.gz"),
            "score-regions-bigwig": lambda: ScoreRequest(
                **scored, bed=inputs / "regions.bed", flank=7, per_base=folder / "bases.bw", strand="reverse"
            ),
            "variants": lambda: VariantRequest(**variants, window=20, label="X"),
            "mutate": lambda: MutateRequest(
                model=tiny_directory,
                fasta=genome,
                bed=inputs / "few.bed",
                out=folder / "out",
                window=20,
                deletions=(1, 3),
                tile=4,
            ),
            "predict": lambda: PredictRequest(model=classifier, source=genome, out=folder / "out.tsv", batch_size=3),
            "generate": lambda: GenerateRequest(
                model=tiny_directory,
                prompt=("ACG", "TTTTT"),
                prompts=inputs / "prompts.fa",
                out=folder / "out.fa",
                per_base=folder / "bases.bw",
                sampling=Sampling(samples=7, length=12, gc=(0.3, 0.6), tries=3, forbid=("GAW", "TTT"), seed=5),
            ),
            "generate-until-eos": lambda: GenerateRequest(
                model=tiny_directory,
                prompts=inputs / "prompts.fa",
                out=folder / "out.fa",
                sampling=Sampling(samples=6, length=None, min_length=1),
            ),
            "embed": lambda: EmbedRequest(**embedded, out=folder / "out.parquet"),
            "embed-bases": lambda: EmbedRequest(**embedded, out=folder / "out.safetensors", pooling="none", layer=1),
        }
        return requests[name]()

    return made
