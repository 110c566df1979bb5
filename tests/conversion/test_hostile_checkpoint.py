"""Checkpoints made to run code, or to read files that are not theirs: nothing runs, and the error tells."""

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from by_hand import edit_metadata
from refusal import refused

from conversion.convert import convert
from conversion.formats import open_checkpoint


class Runs:
    """Pickles to a call of `function(*arguments)`."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.call


def test_the_hostile_pickle_works_where_nothing_guards(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Runs(os.system, f"touch {tmp_path / 'ran'}")))
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("protocol", "place"),
    [(0, "instead"), (2, "instead"), (4, "instead"), (2, "inside"), (4, "inside"), (4, "beside the plan")],
)
def test_no_code_of_a_metadata_runs(protocol: int, place: str, nemo: Path, out: Path, tmp_path: Path) -> None:
    path = nemo / "weights" / ".metadata"
    content = pickle.loads(path.read_bytes())
    runs = Runs(os.system, f"touch {tmp_path / 'ran'}")
    if place == "instead":
        content = runs
    elif place == "inside":
        content.state_dict_metadata["module.decoder.final_layernorm.weight"] = runs
    else:
        content.all_local_plans = [runs]
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    with refused("pickle-code", where=path, names="system"):
        convert(nemo, out, to="hf")
    assert not (tmp_path / "ran").exists()
    assert list(out.parent.iterdir()) == []


@pytest.mark.parametrize(
    "name",
    [
        ("builtins", "eval"),
        ("builtins", "exec"),
        ("builtins", "__import__"),
        ("torch", "load"),
        ("torch", "float32.__class__"),
        ("torch.serialization", "load"),
        ("pathlib", "PosixPath.unlink"),
        ("torch.distributed.checkpoint.metadata", "os.system"),
        ("megatron.core.dist_checkpointing.strategies.torch", "pickle.loads"),
    ],
)
def test_no_name_outside_of_the_list_is_found(name: tuple[str, str], nemo: Path) -> None:
    """Dotted names too, which the pickle module would follow from an allowed module."""
    path = nemo / "weights" / ".metadata"
    text = b"".join(b"\x8c" + bytes([len(part)]) + part.encode() for part in name)
    path.write_bytes(b"\x80\x04" + text + b"\x93\x8c\x011\x85R.")
    with refused("pickle-code", where=path, names=repr(".".join(name))):
        open_checkpoint(nemo)


def test_getattr_is_not_getattr(nemo: Path) -> None:
    """It is on the list for enums of an old Python, as a stand-in that looks nothing up."""
    (nemo / "weights" / ".metadata").write_bytes(
        pickle.dumps(Runs(getattr, Runs(getattr, "text", "__class__"), "__mro__"), protocol=4)
    )
    with refused("metadata-damaged", where=".metadata", names="'str'"):
        open_checkpoint(nemo)


def test_no_code_of_a_shard_runs(nemo: Path, out: Path, tmp_path: Path) -> None:
    shard = nemo / "weights" / "__0_0.distcp"
    torch.save(Runs(os.system, f"touch {tmp_path / 'ran'}"), tmp_path / "hostile")
    hostile = (tmp_path / "hostile").read_bytes()
    offset = shard.stat().st_size
    shard.write_bytes(shard.read_bytes() + hostile)

    def redirect(content: Any) -> None:
        for index, info in content.storage_data.items():
            if index.fqn.endswith("final_layernorm.weight"):
                info.offset, info.length = offset, len(hostile)

    edit_metadata(nemo, redirect)
    with refused("chunk-unreadable", where=shard, names="posix.system"):
        convert(nemo, out, to="hf")
    assert not (tmp_path / "ran").exists()


def test_common_pt_is_never_opened(nemo: Path, out: Path, tmp_path: Path) -> None:
    torch.save(Runs(os.system, f"touch {tmp_path / 'ran'}"), nemo / "weights" / "common.pt")
    convert(nemo, out, to="hf")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["../../secret", "/etc/passwd", "..", "a/../../../secret", "..\\secret"])
def test_no_shard_outside_of_the_checkpoint_is_opened(name: str, nemo: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes((nemo / "weights" / "__0_0.distcp").read_bytes())

    def redirect(content: Any) -> None:
        for info in content.storage_data.values():
            info.relative_path = name

    edit_metadata(nemo, redirect)
    with refused("shard-outside", where=".metadata", names=repr(name)):
        open_checkpoint(nemo)


@pytest.mark.parametrize("name", ["weights/__0_0.distcp", "weights/.metadata", "weights", "context/model.yaml"])
def test_no_link_out_of_the_checkpoint_is_followed(name: str, nemo: Path, tmp_path: Path) -> None:
    (nemo / name).rename(tmp_path / "elsewhere")
    (nemo / name).symlink_to(tmp_path / "elsewhere")
    with refused("link-outside", where=nemo / name):
        open_checkpoint(nemo)


def test_a_link_inside_of_the_checkpoint_is_followed(nemo: Path, out: Path) -> None:
    shard = nemo / "weights" / "__0_0.distcp"
    shard.rename(shard.with_name("data"))
    shard.symlink_to("data")
    convert(nemo, out, to="hf")
    assert (out / "model.safetensors").is_file()
