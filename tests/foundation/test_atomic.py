"""Outputs that exist whole or not at all, and the error that a user's input gets."""

import errno
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from refusal import refused

from foundation.atomic import atomic_directory, atomic_file
from foundation.errors import InputError, nearest


def test_a_file_appears_at_the_end_or_never(tmp_path: Path) -> None:
    target = tmp_path / "new" / "file"
    with atomic_file(target) as temporary:
        temporary.write_text("whole")
        assert not target.exists()
    assert target.read_text() == "whole"
    with pytest.raises(KeyError), atomic_file(target) as temporary:
        temporary.write_text("half")
        raise KeyError
    assert target.read_text() == "whole"
    assert list(target.parent.iterdir()) == [target]


def test_a_directory_appears_at_the_end_or_never(tmp_path: Path) -> None:
    target = tmp_path / "out"
    with pytest.raises(KeyError), atomic_directory(target, mark="old") as temporary:
        (temporary / "half").touch()
        raise KeyError
    assert list(tmp_path.iterdir()) == []
    with atomic_directory(target, mark="old") as temporary:
        (temporary / "sub").mkdir()
        (temporary / "sub" / "whole").write_text("1")
        assert not target.exists()
    assert (target / "sub" / "whole").read_text() == "1"


def test_a_directory_that_exists_is_replaced_only_when_asked(tmp_path: Path) -> None:
    target = tmp_path / "out"
    with atomic_directory(target, mark="old") as temporary:
        (temporary / "old").touch()
    with refused("output-exists", where=target, fix="--overwrite"), atomic_directory(target, mark="old"):
        pass
    with pytest.raises(KeyError), atomic_directory(target, mark="old", overwrite=True):
        raise KeyError
    assert (target / "old").exists()
    with atomic_directory(target, mark="old", overwrite=True) as temporary:
        (temporary / "new").touch()
    assert [path.name for path in target.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [target]


def test_a_directory_that_is_no_output_of_this_kind_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.tex").touch()
    with (
        refused("output-of-another-kind", where="thesis"),
        atomic_directory(tmp_path / "thesis", mark="manifest", overwrite=True),
    ):
        pass
    assert (tmp_path / "thesis" / "chapter1.tex").exists()


def test_a_full_disk_is_a_clear_error_also_when_a_library_wraps_it(tmp_path: Path) -> None:
    def full_disk() -> None:
        try:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise RuntimeError("inline_container.cc: file write failed") from error

    with refused("disk-full", where="out"), atomic_file(tmp_path / "out"):
        full_disk()
    with (
        refused("disk-full", where="out"),
        atomic_directory(tmp_path / "out", mark="x"),
    ):
        full_disk()
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_the_file_system_refuses(tmp_path: Path) -> None:
    name = "x" * 300
    with refused("cannot-be-written", where=name), atomic_file(tmp_path / name):
        pass
    with refused("cannot-be-written", where=name), atomic_directory(tmp_path / name, mark="x"):
        pass


def test_outputs_obey_the_umask(tmp_path: Path) -> None:
    with atomic_file(tmp_path / "file"):
        pass
    with atomic_directory(tmp_path / "directory", mark="old"):
        pass
    mask = os.umask(0)
    os.umask(mask)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o666 & ~mask
    assert (tmp_path / "directory").stat().st_mode & 0o777 == 0o777 & ~mask


def test_a_killed_process_leaves_nothing_of_that_name(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from foundation.atomic import atomic_directory\n"
        "with atomic_directory(Path(sys.argv[1]), mark='old') as temporary:\n"
        "    (temporary / 'half').touch(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    result = subprocess.run([sys.executable, "-c", code, tmp_path / "out"], check=False)
    assert result.returncode == -signal.SIGKILL
    assert not (tmp_path / "out").exists()


def test_what_a_killed_process_left_goes_and_what_another_writes_stays(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from foundation.atomic import atomic_directory, atomic_file\n"
        "with atomic_directory(Path(sys.argv[1]), mark='old') as a, atomic_file(Path(sys.argv[2])) as b:\n"
        "    (a / 'half').touch(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    for _ in range(2):
        subprocess.run([sys.executable, "-c", code, tmp_path / "out", tmp_path / "file"], check=False)
        assert len(list(tmp_path.iterdir())) == 2  # the second process removed what the first had left
    with atomic_directory(tmp_path / "out", mark="old") as ours, atomic_directory(tmp_path / "out", mark="old"):
        assert ours.exists()
    with atomic_file(tmp_path / "file"):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "out"]
    assert capfd.readouterr().err.count("left by an interrupted command") == 4


def test_an_output_that_is_replaced_is_there_at_every_moment(tmp_path: Path) -> None:
    """By exchange of names, where the system has it; else there would be a moment with neither."""
    target = tmp_path / "out"
    with atomic_directory(target, mark="old") as temporary:
        (temporary / "old").touch()
    inode, watched = target.stat().st_ino, []

    def watch(event: str, _: object) -> None:
        if event in ("os.rename", "shutil.rmtree", "ctypes.call_function"):
            watched.append(target.exists())

    sys.addaudithook(watch)
    with atomic_directory(target, mark="old", overwrite=True) as temporary:
        (temporary / "old").touch()
    assert target.stat().st_ino != inode
    assert watched
    assert all(watched)


def test_an_error_names_the_place_and_the_fix_and_crosses_processes() -> None:
    error = InputError("is empty", where="genome.fa", fix="Give a FASTA file.", kind="empty")
    assert str(error) == "genome.fa: is empty. Give a FASTA file."
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    assert str(InputError("no", kind="no")) == "no"


def test_nearest_names_a_close_one_or_lists_all() -> None:
    assert nearest("max_step", ["max_steps", "lr"]) == "Did you mean 'max_steps'?"
    assert nearest("train_8b", ["train_1b", "train_8b_opengenome2"]) == "Did you mean 'train_8b_opengenome2'?"
    assert nearest("zzz", ["b", "a"]) == "Known: a, b."
