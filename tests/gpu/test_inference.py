"""`score`, `variants`, `embed` and `generate` on a GPU, pretended: what they give on a CPU."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from gpu_process import run_on_gpus
from inference_cases import infer
from nemo_process import run_in_process
from typer.testing import CliRunner

from genomic_llama.cli.main import app

VCF = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"


def test_a_gpu_gives_what_a_cpu_gives(cpu_run: Path, tmp_path: Path) -> None:
    """The same numbers, on tensors that name a GPU as their device."""
    model, genome, variants = tmp_path / "model", tmp_path / "genome.fa", tmp_path / "variants.vcf"
    result = CliRunner().invoke(app, ["convert", str(cpu_run), str(model), "--to", "hf"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    text = "ACGTTGCAAGGCTAACGGTACATTGACCATGACCGATTTACGACGGGGA" * 3
    genome.write_text(f">c\n{text}\n>d\n{text[::-1]}\n")
    variants.write_text(VCF + "".join(f"c\t{at + 1}\t.\t{text[at]}\t{text[at + 1]}\t.\t.\t.\n" for at in (4, 40, 90)))
    outs = [tmp_path / name for name in ("cpu", "gpu")]
    logs = [tmp_path / f"{out.name}.log" for out in outs]
    assert run_in_process(infer, model, genome, variants, outs[0], log=logs[0]) == 0, logs[0].read_text()[-3000:]
    on_gpu = run_on_gpus(infer, model, genome, variants, outs[1], log=logs[1], named=True)
    assert on_gpu == 0, logs[1].read_text()[-3000:]
    for name in ("bases.bedgraph", "variants.tsv", "new.fa"):
        check_words((outs[0] / name).read_text().split(), (outs[1] / name).read_text().split())
    score, other = (json.loads((out / "score.json").read_text())["totals"] for out in outs)
    assert score == pytest.approx(other, rel=1e-6)
    embeddings, others = (np.stack(pd.read_parquet(out / "embeddings.parquet")["embedding"].to_numpy()) for out in outs)
    assert embeddings.shape == (2, 256)
    np.testing.assert_allclose(embeddings, others, atol=1e-5)


def check_words(found: list[str], expected: list[str]) -> None:
    """The same words, and numbers to five digits: on a GPU batches have other sizes and other kernels."""
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        if one != other:
            assert float(one) == pytest.approx(float(other), rel=1e-5, abs=1e-5)
