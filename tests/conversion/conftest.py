"""One small model in both formats, and a fresh copy of either for a test that damages it."""

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode does not; for by_hand.py

from by_hand import save_llama

from conversion.convert import convert


@pytest.fixture(scope="session")
def small_hf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_llama(tmp_path_factory.mktemp("small") / "hf")


@pytest.fixture(scope="session")
def square_hf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that every format can hold: NVLlama has no head_dim of its own."""
    return save_llama(tmp_path_factory.mktemp("square") / "hf", head_dim=8)


@pytest.fixture(scope="session")
def small_nemo(small_hf: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("small") / "nemo"
    convert(small_hf, path, to="nemo")
    return path


@pytest.fixture
def hf(small_hf: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small_hf, tmp_path / "hf"))


@pytest.fixture
def nemo(small_nemo: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small_nemo, tmp_path / "nemo"))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Where to write; the directory around it is empty, so that leftovers show."""
    (tmp_path / "around").mkdir()
    return tmp_path / "around" / "out"
