"""Fixtures of several folders of tests: a small corpus, and runs that were trained on it, each made once."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus of 36,000 bases with a validation split."""
    from corpora import prepare

    from corpus.synthetic import write_synthetic_genome

    folder = tmp_path_factory.mktemp("corpus")
    write_synthetic_genome(folder / "genome.fa", contigs=12, contig_length=3_000)
    prepare([folder / "genome.fa"], folder / "corpus", validation_fraction=0.25)
    return folder / "corpus"


@pytest.fixture(scope="session")
def whole(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six steps of one process, with a checkpoint at the third."""
    from parallel_cases import trained

    run = tmp_path_factory.mktemp("runs") / "whole"
    trained(run, corpus, "train_tiny", steps=6)
    return run


@pytest.fixture(scope="session")
def start(whole: Path) -> str:
    """The override that starts a run from that checkpoint."""
    return f"init_from={whole / 'checkpoints' / 'step=3'}"


@pytest.fixture(scope="session")
def one_process_run(start: str, corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five steps from there, in one process."""
    from parallel_cases import trained

    run = tmp_path_factory.mktemp("runs") / "one_process"
    trained(run, corpus, "finetune_tiny", start)
    return run


@pytest.fixture(scope="session")
def one_process(one_process_run: Path) -> list[float]:
    """Its losses."""
    from parallel_cases import curve

    return curve(one_process_run)


@pytest.fixture(scope="session")
def uninterrupted(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Runs that were not stopped, each with a checkpoint of every step, written in one way or the other."""
    from resume_cases import ASYNCHRONOUS, STEPS, SYNCHRONOUS, train

    folder = tmp_path_factory.mktemp("uninterrupted")
    runs = {SYNCHRONOUS: folder / "synchronous", ASYNCHRONOUS: folder / "asynchronous"}
    for asynchronous, run in runs.items():
        train(run, corpus, STEPS, asynchronous=asynchronous, keep=-1)
    return runs
