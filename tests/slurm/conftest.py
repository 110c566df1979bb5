"""One Slurm for all tests of a process, where it can be started."""

from collections.abc import Iterator

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
