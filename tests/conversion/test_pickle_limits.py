"""Small pickles that ask for years of hashing or for all memory: refused in seconds, in each file that is a pickle."""

import pickle
import struct
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from conversion.convert import convert
from conversion.files import pickle_reader
from conversion.formats import open_checkpoint
from conversion.megatron.common_state import read_common
from foundation.errors import InputError

NESTED = b"X\x01\x00\x00\x00a" + b"2\x86" * 60  # a tuple that holds itself twice, sixty deep
BY_MEMO = b"X\x01\x00\x00\x00a" + b"\x94" + b"".join(b"h%ch%c\x86\x94" % (n, n) for n in range(60))
MERSENNE = (1 << 61) - 1  # modulo this integers are hashed


def whole(number: int) -> bytes:
    return b"\x8a\x0c" + number.to_bytes(12, "little")


def name(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def often(head: bytes, step: bytes, times: int = 3_000) -> bytes:
    """A large value at the memo's 0, and `step` many times."""
    return head + b"q\x000](" + step * times + b"e"


LONG_LIST = b"](" + b"K\x01" * 1_000_000 + b"e"
LONG_TUPLE = b"(" + b"K\x01" * 1_000_000 + b"t"
LONG_DICT = b"}(" + b"".join(struct.pack("<cI", b"J", n) + b"N" for n in range(200_000)) + b"u"
LONG_TEXT = b"X" + struct.pack("<I", 1 << 21) + b"a" * (1 << 21)

PICKLES = {
    "key": b"}" + NESTED + b"Ns",
    "keys": b"}(" + NESTED + b"Nu",
    "key of a dictionary made at once": b"(" + NESTED + b"Nd",
    "key by memo": b"}" + BY_MEMO + b"Ns",
    "element of a set": b"\x8f(" + NESTED + b"\x90",
    "element of a frozen set": b"(" + NESTED + b"\x91",
    "key that is a frozen set": b"}(K\x01\x91Ns",
    "key that is a number of many digits": b"}\x8b" + struct.pack("<i", 1 << 20) + b"\x01" * (1 << 20) + b"Ns",
    "keys of one hash": b"}(" + b"".join(whole(k * MERSENNE) + b"N" for k in range(200_000)) + b"u",
    "numbers of the memo of one hash": b"N" + b"".join(b"p%d\n" % (k * MERSENNE) for k in range(200_000)),
    "OrderedDict of a dictionary": often(LONG_DICT, name("collections", "OrderedDict") + b"h\x00\x85R"),
    "arguments of a text": often(LONG_TEXT, name("collections", "OrderedDict") + b"h\x00R"),
    "names of a text": often(LONG_TEXT, b"h\x00h\x00\x93"),
    "nested lists": b"]" * 300_000 + b"a" * 299_999,
}
OF_METADATA = {
    "Size of a list": often(LONG_LIST, name("torch", "Size") + b"h\x00\x85R"),
    "object of many arguments": often(
        LONG_TUPLE, name("torch.distributed.checkpoint.metadata", "Metadata") + b"h\x00\x81"
    ),
    "call of many arguments": often(LONG_TUPLE, name("pathlib", "PosixPath") + b"h\x00R"),
    "offset of an index": b"}(" + name("torch.distributed.checkpoint.metadata", "MetadataIndex")
    + b")\x81}(X\x03\x00\x00\x00fqnX\x01\x00\x00\x00aX\x06\x00\x00\x00offset" + NESTED + b"ubNu",
}  # fmt: skip
OF_ARCHIVES = {
    "many names": b"](" + b"".join(name("x", f"n{n}") for n in range(200_000)) + b"e",
    "key of a storage": often(LONG_TEXT, b"(X\x07\x00\x00\x00storage" + name("torch", "FloatStorage")
                              + b"h\x00X\x03\x00\x00\x00cpuK\x01tQ"),
    "shape of a tensor": often(LONG_TUPLE, name("torch._utils", "_rebuild_tensor_v2") + b"(NK\x00h\x00h\x00tR"),
}  # fmt: skip


def refused(read: Callable[[], object]) -> InputError:
    began = time.process_time()
    with pytest.raises(InputError) as caught:
        read()
    assert time.process_time() - began < 20
    return caught.value


def archive(path: Path, content: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", b"\x80\x02" + content + b".")
    return path


@pytest.mark.parametrize("case", PICKLES | OF_METADATA)
def test_in_the_metadata(case: str, nemo: Path) -> None:
    path = nemo / "weights" / ".metadata"
    content = (PICKLES | OF_METADATA)[case]
    if case == "offset of an index":  # where it is looked at
        content = (
            name("torch.distributed.checkpoint.metadata", "Metadata")
            + b")\x81}(X\x13\x00\x00\x00state_dict_metadata}X\x0c\x00\x00\x00storage_data" + content + b"ub"
        )  # fmt: skip
    path.write_bytes(b"\x80\x04" + content + b".")
    assert refused(lambda: open_checkpoint(nemo)).where == path


@pytest.mark.parametrize("case", PICKLES | OF_ARCHIVES)
def test_in_common_pt(case: str, tmp_path: Path) -> None:
    path = archive(tmp_path / "common.pt", (PICKLES | OF_ARCHIVES)[case])
    error = refused(lambda: read_common(path, within=tmp_path))
    assert (error.where, error.kind) == (path, "common-state")


@pytest.mark.parametrize("case", PICKLES | OF_ARCHIVES)
def test_in_a_shard(case: str, nemo: Path, out: Path, tmp_path: Path) -> None:
    from by_hand import edit_metadata

    shard = nemo / "weights" / "__0_0.distcp"
    hostile = archive(tmp_path / "hostile", (PICKLES | OF_ARCHIVES)[case]).read_bytes()
    offset = shard.stat().st_size
    shard.write_bytes(shard.read_bytes() + hostile)

    def redirect(content: object) -> None:
        for index, info in content.storage_data.items():  # type: ignore[attr-defined]
            if index.fqn.endswith("final_layernorm.weight"):
                info.offset, info.length = offset, len(hostile)

    edit_metadata(nemo, redirect)
    assert refused(lambda: convert(nemo, out, to="hf")).where == shard


def test_steps_are_counted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = archive(tmp_path / "common.pt", b"}" + b"N0" * 400)
    assert "more than" not in refused(lambda: read_common(path, within=tmp_path)).problem
    monkeypatch.setattr(pickle_reader, "STEPS", 800)
    assert "more than 800 steps" in refused(lambda: read_common(path, within=tmp_path)).problem


def test_no_two_ways_to_one_opcode() -> None:
    """What is left of Python's own steps neither hashes, nor calls, nor fills what a stranger chose."""
    own = {code for code, step in pickle_reader.DataUnpickler.dispatch.items() if step.__module__ == "pickle"}
    assert not own & {pickle.SETITEM[0], pickle.SETITEMS[0], pickle.DICT[0], pickle.ADDITEMS[0], pickle.FROZENSET[0],
                      pickle.REDUCE[0], pickle.NEWOBJ[0], pickle.BUILD[0], pickle.APPEND[0], pickle.APPENDS[0],
                      pickle.PUT[0], pickle.GLOBAL[0], pickle.STACK_GLOBAL[0]}  # fmt: skip
