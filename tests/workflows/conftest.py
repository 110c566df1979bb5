"""A folder with what the wrappers read: a genome, variants on it, and a tiny random model."""

import random
from pathlib import Path

import pytest
from tiny_llama import save_tiny_llama


@pytest.fixture
def project(tmp_path: Path) -> Path:
    letters = random.Random(5)
    contigs = {f"contig{number}": "".join(letters.choices("ACGT", k=400)) for number in range(20)}
    (tmp_path / "genome.fa").write_text("".join(f">{name}\n{bases}\n" for name, bases in contigs.items()))
    header = "##fileformat=VCFv4.3\n##contig=<ID=contig0,length=400>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    bases = contigs["contig0"]
    rows = [
        f"contig0\t{at + 1}\t.\t{bases[at]}\t{'A' if bases[at] != 'A' else 'C'}\t.\t.\t.\n" for at in (100, 200, 300)
    ]
    (tmp_path / "variants.vcf").write_text(header + "".join(rows))
    save_tiny_llama(tmp_path / "model", positions=64)
    return tmp_path
