"""Archives and pickles made and read without torch, against torch, zipfile and pickle."""

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from by_hand import edit_metadata
from hypothesis import given
from hypothesis import strategies as st
from refusal import refused

from conversion.convert import convert
from conversion.files.archive_reader import StoredArray, read_archive, read_tensor
from conversion.files.archive_writer import Tensor, save
from conversion.files.dtypes import DTYPES, raw
from conversion.files.mapped_file import MappedFile
from conversion.files.pickle_writer import dumps

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text() | st.integers(), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(VALUES)
def test_pickles_say_what_they_were_given(value: Any) -> None:
    assert pickle.loads(dumps(value)) == value


@pytest.mark.parametrize("dtype", [name for name in DTYPES if name != "bool"])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (2, 3, 4)])
def test_torch_loads_what_is_written_and_reads_back_what_it_saved(
    dtype: str, shape: tuple[int, ...], tmp_path: Path
) -> None:
    count = int(np.prod(shape))
    data = np.arange(count * DTYPES[dtype].itemsize, dtype="u1").view(raw(dtype)).reshape(shape)
    save(tmp_path / "ours", {"x": [Tensor(dtype=dtype, shape=shape, rows=[data])]})
    loaded = torch.load(tmp_path / "ours", weights_only=True)["x"][0]
    assert (loaded.dtype, loaded.shape) == (getattr(torch, dtype), shape)
    assert loaded.contiguous().view(-1).view(torch.uint8).numpy().tobytes() == data.tobytes()
    with zipfile.ZipFile(tmp_path / "ours") as archive:
        assert archive.testzip() is None
    torch.save(loaded, tmp_path / "theirs")
    file = MappedFile(tmp_path / "theirs")
    found = read_tensor(file, 0, file.size)
    assert (found.dtype, found.shape) == (dtype, shape)
    assert file.array(found.start, shape, dtype).tobytes() == data.tobytes()


def test_mapping_and_alignment(tmp_path: Path) -> None:
    data = np.arange(1000, dtype="<u4")
    save(tmp_path / "x", Tensor(dtype="float32", shape=(1000,), rows=[data[:10], data[10:]]))
    assert torch.load(tmp_path / "x", mmap=True, weights_only=True).view(torch.int32).tolist() == list(range(1000))
    file = MappedFile(tmp_path / "x")
    assert read_tensor(file, 0, file.size).start % 64 == 0


def test_the_metadata_is_what_torch_would_have_written(small_nemo: Path) -> None:
    """Unpickled by torch, it equals the same content made of torch's own classes."""
    from torch.distributed.checkpoint import FileSystemReader
    from torch.distributed.checkpoint import metadata as dcp

    content = FileSystemReader(small_nemo / "weights").read_metadata()
    assert type(content) is dcp.Metadata
    stored = content.state_dict_metadata["module.decoder.layers.mlp.linear_fc2.weight"]
    chunks = [dcp.ChunkStorageMetadata(torch.Size([i, 0, 0]), torch.Size([1, 32, 48])) for i in range(2)]
    expected = dcp.TensorStorageMetadata(dcp.TensorProperties(dtype=torch.float32), torch.Size([2, 32, 48]), chunks)
    assert stored == expected
    assert (content.storage_meta.modules, content.version) == ([], "1.0.0")
    index = dcp.MetadataIndex("module.decoder.final_layernorm.weight", torch.Size([0]))
    assert content.storage_data[index].relative_path == "__0_0.distcp"


def archive(tmp_path: Path, value: Any) -> MappedFile:
    torch.save(value, tmp_path / "archive")
    return MappedFile(tmp_path / "archive")


@pytest.mark.parametrize(
    "value",
    [
        torch.zeros(4, 4).t()[1:],
        torch.zeros(8)[::2],
        torch.nn.Parameter(torch.zeros(3)),
        torch.zeros(3, dtype=torch.complex64),
        torch.zeros(3).to_sparse(),
        {"a": torch.zeros(3)},
        [None],
        7,
    ],
    ids=["transposed", "strided", "parameter", "complex", "sparse", "dict", "list", "number"],
)
def test_anything_but_a_plain_tensor_is_refused(value: Any, tmp_path: Path) -> None:
    file = archive(tmp_path, value)
    with pytest.raises(ValueError, match=r"contiguous|asks to load|not a tensor|refers to"):
        read_tensor(file, 0, file.size)


def test_a_view_into_a_larger_storage_is_read(tmp_path: Path) -> None:
    file = archive(tmp_path, torch.arange(10.0)[4:7])
    found = read_tensor(file, 0, file.size)
    assert file.array(found.start, found.shape, found.dtype).view("<f4").tolist() == [4.0, 5.0, 6.0]


def tampered(tmp_path: Path, storage: tuple[Any, ...], offset: int, shape: tuple[int, ...]) -> MappedFile:
    """An archive of three float32 whose pickle says something else."""
    from conversion.files.pickle_writer import Call, Global, Persistent

    strides = tuple(1 for _ in shape)
    content = Call(
        Global("torch._utils", "_rebuild_tensor_v2"), (Persistent(storage), offset, shape, strides, False, {})
    )
    with zipfile.ZipFile(tmp_path / "bad", "w") as file:
        file.writestr("archive/data.pkl", dumps(content))
        file.writestr("archive/data/0", bytes(12))
    return MappedFile(tmp_path / "bad")


def test_sizes_that_cannot_be_are_refused(tmp_path: Path) -> None:
    from conversion.files.pickle_writer import Global

    kind = Global("torch", "FloatStorage")
    whole = tampered(tmp_path, ("storage", kind, "0", "cpu", 3), 0, (3,))
    assert read_tensor(whole, 0, whole.size).shape == (3,)
    for storage, offset, shape in (
        (("storage", kind, "0", "cpu", 1 << 60), 0, (3,)),
        (("storage", kind, "0", "cpu", -3), 0, (3,)),
        (("storage", kind, "0", "cpu", 3), 1, (3,)),
        (("storage", kind, "0", "cpu", 3), -1, (3,)),
        (("storage", kind, "0", "cpu", 3), 0, (1 << 62,)),
        (("storage", kind, "0", "cpu", 3), 0, (-3,)),
        (("storage", kind, "../../x", "cpu", 3), 0, (3,)),
        (("file", kind, "0", "cpu", 3), 0, (3,)),
    ):
        file = tampered(tmp_path, storage, offset, shape)
        with pytest.raises((ValueError, KeyError)):
            read_tensor(file, 0, file.size)


def test_compressed_archives_are_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    torch.save(torch.zeros(1000), buffer)
    with zipfile.ZipFile(buffer) as old, zipfile.ZipFile(tmp_path / "x", "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    file = MappedFile(tmp_path / "x")
    with pytest.raises(ValueError, match="compressed"):
        read_tensor(file, 0, file.size)


def test_values_of_common_pt_are_plain(tmp_path: Path) -> None:
    file = archive(tmp_path, {"step": torch.tensor(4), "groups": [{"lr": 0.1, "betas": (0.9, 0.95)}]})
    value = read_archive(file, 0, file.size)
    assert isinstance(value["step"], StoredArray)
    assert value["groups"] == [{"lr": 0.1, "betas": (0.9, 0.95)}]


def test_chunks_that_claim_more_than_their_files_hold(nemo: Path, out: Path) -> None:
    """Two chunks over the same small archive, of a tensor as large as the configuration says."""

    def grow(content: Any) -> None:
        stored = content.state_dict_metadata["module.decoder.final_layernorm.weight"]
        stored.chunks[0].sizes = torch.Size([1 << 50])
        stored.size = torch.Size([1 << 50])

    edit_metadata(nemo, grow)
    with refused("tensor-shape", where="__0_0.distcp", names="[1125899906842624]"):
        convert(nemo, out, to="hf")
    assert list(out.parent.iterdir()) == []
