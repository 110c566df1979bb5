"""One Slurm for all tests of a process, where it can be started."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from slurm_cluster import Cluster, lacking


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    if reason := lacking():
        pytest.skip(reason)
    cluster = Cluster()
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(scope="session")
def stub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory for PATH with a `python` that ends as training does, within seconds."""
    python = tmp_path_factory.mktemp("stub") / "python"
    training = Path(__file__).with_name("stub_training.py")
    python.write_text(f'#!/bin/sh\nexec {sys.executable} {training} "$@"\n')
    python.chmod(0o755)
    return python.parent
