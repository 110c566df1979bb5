"""A tiny model of 64 positions, and a made-up genome with variants, written in the layouts of the publishers."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_llama import save_tiny_llama

from evaluation.zero_shot.data import TaskData, find_data
from evaluation.zero_shot.spec import read_tasks

POSITIONS = 64
CONTIGS = ("chr1", "chr2", "chr13", "chr17")


@pytest.fixture(scope="session")
def model_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_llama(tmp_path_factory.mktemp("zero_shot"), positions=POSITIONS)


@pytest.fixture(scope="session")
def plain_model(model_directory: Path) -> Iterator[Any]:
    """The same weights as transformers has them: the oracle's."""
    import torch
    from transformers import LlamaForCausalLM

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield LlamaForCausalLM.from_pretrained(model_directory).eval()
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def human() -> dict[str, str]:
    """Four made-up chromosomes."""
    random = np.random.default_rng(4)
    return {name: "".join(random.choice(list("ACGT"), 900)) for name in CONTIGS}


@pytest.fixture
def folder(tmp_path: Path, human: dict[str, str]) -> Path:
    """A folder of data with the genomes that tasks name, and nothing else."""
    (tmp_path / "data" / "genomes").mkdir(parents=True)
    fasta = "".join(f">{name}\n{bases}\n" for name, bases in human.items())
    for genome in ("hg38", "hg19", "hg19_chr13", "hg19_chr17"):
        (tmp_path / "data" / "genomes" / f"{genome}.fa").write_text(fasta)
    return tmp_path / "data"


@pytest.fixture
def find(folder: Path) -> Callable[[str], TaskData]:
    """A shipped task with its data in the folder."""

    def found(name: str) -> TaskData:
        return find_data(read_tasks([name]), folder)[0]

    return found


@pytest.fixture
def suite(find: Callable[[str], TaskData], folder: Path, human: dict[str, str]) -> list[TaskData]:
    """Two tasks of 24 variants: brca1 and bend_disease."""
    rows = [(at, human["chr17"][at - 1], "ACGT"["CGTA".index(human["chr17"][at - 1])]) for at in range(40, 840, 33)]
    (folder / "brca1").mkdir()
    (folder / "bend").mkdir()
    lines = ["chromosome,position (hg19),reference,alt,func.class,function.score.mean,consequence"]
    lines += [
        f"17,{at},{ref},{alt},{('LOF', 'FUNC')[n % 2]},{n / 10},Missense" for n, (at, ref, alt) in enumerate(rows)
    ]
    (folder / "brca1" / "41586_2018_461_MOESM3_ESM.csv").write_text("\n".join(lines) + "\n")
    lines = ["chromosome\tstart\tend\tref\talt\tlabel"]
    lines += [f"chr17\t{at - 1}\t{at}\t{ref}\t{alt}\t{n % 2}" for n, (at, ref, alt) in enumerate(rows)]
    (folder / "bend" / "variant_effects_disease.bed").write_text("\n".join(lines) + "\n")
    return [find(name) for name in ("brca1", "bend_disease")]
