"""Bit flips and truncation in every file of a training checkpoint are found: by `verify`, and before a run trains."""

import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from nemo_process import nemo
from resume_cases import SYNCHRONOUS, arguments, train
from torture import Tally, times
from typer.testing import CliRunner

from cli.main import app
from conduct.errors import InputError
from conversion.inspection import verify_checkpoint
from conversion.manifest import CheckpointFile, CheckpointManifest, read_manifest
from recipes.seal import share


@pytest.fixture(scope="module")
def run(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with checkpoints of three steps."""
    run = tmp_path_factory.mktemp("damage") / "run"
    train(run, corpus, 3, keep=3)
    return run


def flip(path: Path, position: int, bit: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 1 << bit
    path.write_bytes(data)


def damages(size: int, count: int) -> Iterator[tuple[str, int, int]]:
    """Bits anywhere, at both ends first; and files cut short, by one byte and to nothing first."""
    random_ = random.Random(0)
    flips = [(0, 0), (size - 1, 7), *((random_.randrange(size), random_.randrange(8)) for _ in range(count))]
    cuts = [size - 1, 0, *(random_.randrange(size) for _ in range(count))]
    yield from (("flip", *one) for one in flips[:count])
    yield from (("cut", one, 0) for one in cuts[:count])


def test_verify_finds_damage_in_every_file(run: Path, tmp_path: Path, tally: Callable[[str], Tally]) -> None:
    counted = tally("damage in a training checkpoint is found by `checkpoint verify`")
    checkpoint = Path(shutil.copytree(run / "checkpoints" / "step=3", tmp_path / "step=3"))
    result = CliRunner().invoke(app, ["checkpoint", "verify", str(checkpoint)])
    assert "of step 3" in result.output
    manifest = verify_checkpoint(checkpoint)
    assert isinstance(manifest, CheckpointManifest)
    every = {path.relative_to(checkpoint).as_posix() for path in checkpoint.rglob("*") if path.is_file()}
    assert every == {*manifest.files, "manifest.json"}
    for name in sorted(every):
        path = checkpoint / name
        whole = path.read_bytes()
        for kind, position, bit in damages(len(whole), times(1, 25)):
            flip(path, position, bit) if kind == "flip" else path.write_bytes(whole[:position])
            with pytest.raises(InputError):
                verify_checkpoint(checkpoint)
            path.write_bytes(whole)
            counted.count(f"{kind} in {_kind(name)}")
        path.unlink()
        if name != "manifest.json":
            with pytest.raises(InputError):
                verify_checkpoint(checkpoint)
        path.write_bytes(whole)
    assert verify_checkpoint(checkpoint) == manifest


def test_a_run_goes_on_from_the_newest_undamaged_checkpoint(run: Path, corpus: Path, tmp_path: Path) -> None:
    """The newest has a flipped bit, the one before a damaged manifest: the third is taken, and the two are kept."""
    copy = Path(shutil.copytree(run, tmp_path / "run", symlinks=True))
    checkpoints = copy / "checkpoints"
    flip(next((checkpoints / "step=3" / "weights").glob("*.distcp")), 5000, 3)
    (checkpoints / "step=2" / "manifest.json").write_text("{")
    said = train(copy, corpus, 4)
    for step in (3, 2):
        assert f"{checkpoints}/step={step} is damaged and set aside as step={step}.damaged: " in said
    assert f"going on from {checkpoints}/step=1, the newest undamaged one" in said
    assert {"step=2.damaged", "step=3.damaged", "step=3", "step=4", "step=4-last"} == {
        path.name for path in checkpoints.iterdir()
    }


def test_a_run_with_nothing_undamaged_is_refused_and_left_as_it_is(run: Path, corpus: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(run, tmp_path / "run", symlinks=True))
    for path in copy.glob("checkpoints/step=?/weights/common.pt"):
        flip(path, 300, 0)
    before = sorted(copy.rglob("checkpoints/**/*"))
    log = tmp_path / "log"
    assert nemo(*arguments(copy, corpus, 4, asynchronous=SYNCHRONOUS), log=log) != 0
    assert "every checkpoint is damaged: in step=3 weights/common.pt was changed" in log.read_text()
    assert sorted(copy.rglob("checkpoints/**/*")) == before


def test_ranks_share_the_files_out(run: Path) -> None:
    """Every file is checked by one rank; none has much more than its share."""
    manifest = read_manifest(run / "checkpoints" / "step=3")
    assert manifest is not None
    large = {f"weights/__{rank}_{part}.distcp": 1000 + rank for rank in range(64) for part in range(2)}
    rows = {name: CheckpointFile(bytes=size, xxh3_128="") for name, size in large.items()}
    for files, ranks in ((manifest.files, 3), (rows, 16)):
        whole = CheckpointManifest(step=1, files=files)
        shares = [share(whole, rank, ranks) for rank in range(ranks)]
        assert sorted(name for one in shares for name in one) == sorted(files)
    assert max(sum(file.bytes for file in one.values()) for one in shares) < 1.1 * whole.bytes / 16


def _kind(name: str) -> str:
    if name.endswith(".distcp"):
        return "shards"
    return "context" if name.startswith("context/") else name.removeprefix("weights/")
