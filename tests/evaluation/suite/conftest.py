"""A suite of three tasks on a made-up genome."""

from pathlib import Path

import numpy as np
import pytest

GENOME = ">c\n" + "ACGTTGCAAGGCTNACGGTACATTGACCATGACCGATTTACGACGGGGA" * 3 + "\n"
VCF = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"


@pytest.fixture
def suite_file(tmp_path: Path) -> Path:
    (tmp_path / "genome.fa").write_text(GENOME)
    rows = [f"c\t{3 + 7 * i}\t.\t{GENOME[4 + 7 * i + 1]}\t{alt}\t.\t.\tL={i % 2}\n" for i, alt in enumerate("AAAA")]
    (tmp_path / "v.vcf").write_text(VCF + "".join(rows))
    folder = tmp_path / "task"
    folder.mkdir()
    random = np.random.default_rng(0)
    for part, count in (("train", 12), ("test", 6)):
        lines = [f"{''.join(random.choice(list('AC' if i % 2 else 'GT'), 20))},{i % 2}\n" for i in range(count)]
        (folder / f"{part}.csv").write_text("sequence,label\n" + "".join(lines))
    (tmp_path / "suite.yaml").write_text(f"""
likelihood: [{{name: genome, source: {tmp_path}/genome.fa, fitted_on: {tmp_path}/genome.fa}}]
variants: [{{name: made up, genome: {tmp_path}/genome.fa, vcf: {tmp_path}/v.vcf, label: L, strand: forward}}]
probes: [{{name: letters, directory: {folder}, seeds: 2}}]
batch_size: 4
""")
    return tmp_path / "suite.yaml"
