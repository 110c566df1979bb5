"""Commands of inference in a process of their own (`nemo_process.run_in_process`, `gpu_process.run_on_gpus`)."""

from pathlib import Path
from typing import Any


def infer(model: Path, genome: Path, variants: Path, out: Path) -> None:
    """Score, rate variants, embed and generate with `model`, into the folder `out`."""
    from genomic_llama.cli.main import app

    out.mkdir()
    for command in (
        ("score", model, genome, "--out", out / "score.json", "--per-base", out / "bases.bedgraph"),
        ("variants", model, genome, variants, "--out", out / "variants"),
        ("embed", model, genome, "--out", out / "embeddings.parquet"),
        ("generate", model, "--prompt", "ACGTTG", "--length", 12, "--samples", 2, "--out", out / "new.fa"),
    ):
        run(app, command)


def run(app: Any, words: tuple[Any, ...]) -> None:
    from typer.testing import CliRunner

    result = CliRunner().invoke(app, list(map(str, words)), catch_exceptions=False)
    assert result.exit_code == 0, result.output
