"""A tiny model, loaded as a user loads it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tiny_llama import save_tiny_llama


@pytest.fixture(scope="session")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_llama(tmp_path_factory.mktemp("api") / "model", positions=24)


@pytest.fixture(scope="session")
def model(directory: Path) -> Iterator[Any]:
    import torch

    import genomic_llama as gl

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield gl.load_model(directory, device="cpu")
    torch.set_num_threads(threads)
