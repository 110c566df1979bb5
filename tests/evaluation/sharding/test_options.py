"""The options of shards, as the commands take them; and `merge`, from any folder."""

from pathlib import Path

import pytest
from refusal import refused
from typer.testing import CliRunner

from foundation.errors import InputError
from genomic_llama.cli.main import app

pytestmark = [pytest.mark.fast, pytest.mark.usefixtures("small_units", "tiny_model")]


def call(*words: object) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        (("--shard", "1/2", "--processes", "2"), "two-ways-to-shard"),
        (("--devices", "all", "--engine", "ray"), "two-ways-to-shard"),
        (("--ray-address", "10.0.0.1:6379"), "ray-address-without-ray"),
        (("--shard", "3/2"), "shard-number"),
        (("--devices", "all"), "no-gpu"),
        (("--engine", "ray", "--ray-address", "127.0.0.1:9"), "ray-unreachable"),
    ],
)
def test_options_that_cannot_be(
    options: tuple[str, ...], kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything else, such as a source that is not there."""
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    with refused(kind):
        call("score", tmp_path / "model", tmp_path / "genome.fa", "--out", tmp_path / "s.json", *options)


def test_a_watcher_is_not_cut(tmp_path: Path) -> None:
    with refused("watch-in-shards"):
        call("evaluate", tmp_path / "suite.yaml", "--watch", tmp_path, "--out", tmp_path / "out", "--processes", 2)


@pytest.mark.parametrize(
    ("words", "kind"),
    [(("-", "--out", "s.json"), "shards-of-standard-input"), (("genome.fa",), "shard-without-output")],
)
def test_what_cannot_be_cut(
    words: tuple[str, ...], kind: str, tiny_directory: Path, inputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(inputs)
    with pytest.raises(InputError) as caught:
        call("score", tiny_directory, *words, "--shard", "1/2")
    assert caught.value.kind == kind


def test_merge_from_another_folder(
    tiny_directory: Path, inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Paths of the inputs count from where the shards were computed; the output is where `merge` says."""
    monkeypatch.chdir(inputs)
    command = ("score", tiny_directory, "genome.fa", "--out", tmp_path / "s.json")
    told = [call(*command, "--shard", f"{number}/2") for number in (1, 2)]
    assert f"genomic-llama merge {tmp_path}/s.json {tmp_path}/s.json.*-of-2.part" in told[1]
    monkeypatch.chdir(tmp_path)
    assert "merged 2 parts" in call("merge", "s.json", *sorted(path.name for path in tmp_path.glob("*.part")))
    merged = (tmp_path / "s.json").read_bytes()
    monkeypatch.chdir(inputs)
    assert "is finished" in call(*command)
    call(*command, "--overwrite")
    assert (tmp_path / "s.json").read_bytes() == merged
