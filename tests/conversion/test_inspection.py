"""`genomic-llama checkpoint info | verify | strip`, and `convert --verify logits`, as a user runs them."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from by_hand import SCALING, save_llama
from refusal import refused

from conversion.convert import convert
from conversion.inspection import summarise, verify_checkpoint
from foundation.errors import InputError


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = Path(sys.executable).with_name("genomic-llama")
    return subprocess.run([command, *map(str, arguments)], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def folder(square_hf: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One model in every format."""
    folder = tmp_path_factory.mktemp("formats")
    for name in ("hf", "nemo", "te", "bridge"):
        convert(square_hf, folder / name, to=name)
    return folder


def flip(path: Path, position: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)


def test_info_tells_the_same_of_every_format(folder: Path) -> None:
    summaries = {name: summarise(folder / name) for name in ("hf", "nemo", "te", "bridge")}
    for name, summary in summaries.items():
        assert summary.format == name
        assert (summary.parameters, summary.tensors, summary.dtype) == (31_904, 21, "float32")
        assert (summary.weight_bytes, summary.optimizer_tensors, summary.recorded) == (4 * 31_904, 0, "conversion.json")
    assert len({json.dumps(summary.architecture) for summary in summaries.values()}) == 1


def test_info_on_the_command_line(folder: Path, tmp_path: Path) -> None:
    save_llama(tmp_path / "scaled", rope_scaling=SCALING, tie_word_embeddings=True)
    text = run("checkpoint", "info", tmp_path / "scaled").stdout
    assert "theta 500000, scaled by 8 (Llama 3.1)" in text
    assert "256 rows, tied" in text
    assert "none recorded" in text
    content = json.loads(run("checkpoint", "info", folder / "bridge", "--json").stdout)
    assert (content["format"], content["parameters"]) == ("bridge", 31_904)
    missing = run("checkpoint", "info", tmp_path / "nowhere")
    assert (missing.returncode, "Traceback" in missing.stderr) == (1, False)
    assert str(tmp_path / "nowhere") in missing.stderr


@pytest.mark.parametrize("name", ["hf", "nemo", "te", "bridge"])
def test_verify_finds_every_kind_of_damage(name: str, folder: Path, tmp_path: Path) -> None:
    good = folder / name
    record = verify_checkpoint(good)
    assert record is not None
    assert len(record.tensors) == 21
    weights = next(path for path in good.rglob("*") if path.suffix in (".safetensors", ".distcp")).relative_to(good)
    small = [file for file in record.files if file != weights.as_posix()]
    for file in small:
        shutil.copytree(good, tmp_path / "bad")
        flip(tmp_path / "bad" / file, -1)
        with pytest.raises(InputError):
            verify_checkpoint(tmp_path / "bad")
        shutil.rmtree(tmp_path / "bad")
    for position in (len((good / weights).read_bytes()) // 2, -20_000):
        shutil.copytree(good, tmp_path / "bad")
        flip(tmp_path / "bad" / weights, position)
        with pytest.raises(InputError) as caught:
            verify_checkpoint(tmp_path / "bad")
        assert caught.value.kind in ("tensor-differs", "chunk-unreadable")
        (tmp_path / "bad" / "conversion.json").unlink()
        if weights.suffix == ".distcp":  # its archives have checksums of their own
            with pytest.raises(InputError) as caught:
                verify_checkpoint(tmp_path / "bad")
            assert caught.value.kind in ("chunk-damaged", "chunk-unreadable")
            assert str(caught.value.where).endswith(weights.as_posix())
        else:
            assert verify_checkpoint(tmp_path / "bad") is None
        shutil.rmtree(tmp_path / "bad")


def test_verify_of_a_checkpoint_that_torch_wrote(small_hf: Path) -> None:
    assert verify_checkpoint(small_hf) is None


def test_verify_on_the_command_line(folder: Path, tmp_path: Path) -> None:
    assert "verified: checksums of 21 tensors" in run("checkpoint", "verify", folder / "nemo").stdout
    shutil.copytree(folder / "nemo", tmp_path / "bad")
    (tmp_path / "bad" / "context" / "model.yaml").write_text("config: {}")
    result = run("checkpoint", "verify", tmp_path / "bad")
    assert (result.returncode, "Traceback" in result.stderr) == (1, False)
    assert "model.yaml" in result.stderr


def test_strip_on_the_command_line(folder: Path, tmp_path: Path) -> None:
    result = run("checkpoint", "strip", folder / "nemo", tmp_path / "out")
    assert (result.returncode, "has no optimizer state" in result.stderr) == (1, True)
    assert list(tmp_path.iterdir()) == []


def test_a_record_that_is_damaged(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "hf", tmp_path / "bad")
    record = json.loads((folder / "hf" / "conversion.json").read_text())
    for text, kind in (
        ("", "not-json"),
        ("[]", "wrong-type"),
        ("{}", "missing-value"),
        (json.dumps(record | {"tensors": 3}), "wrong-type"),
        (json.dumps(record | {"surprise": 3}), "unknown-key"),
        (json.dumps(record | {"algorithm": "md5"}), "checksum-algorithm"),
    ):
        (tmp_path / "bad" / "conversion.json").write_text(text)
        with refused(kind):
            verify_checkpoint(tmp_path / "bad")
    record["files"]["../../etc/passwd"] = {"bytes": 1, "checksum": None}
    (tmp_path / "bad" / "conversion.json").write_text(json.dumps(record))
    with refused("recorded-file-differs", where="bad", names="../../etc/passwd"):
        verify_checkpoint(tmp_path / "bad")


def test_nothing_here_needs_torch(folder: Path) -> None:
    code = f"""
import sys
from conversion.inspection import summarise, verify_checkpoint
from pathlib import Path
for name in ("hf", "nemo", "te", "bridge"):
    summarise(Path({str(folder)!r}) / name), verify_checkpoint(Path({str(folder)!r}) / name)
assert not {{"torch", "safetensors", "nemo", "transformers"}} & sys.modules.keys()
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2], capture_output=True)
