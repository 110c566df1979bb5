"""What appears at an output's name while the output is made: it stays, and so does the output, under another name."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from refusal import refused

from foundation import place
from foundation.atomic import atomic_directory, atomic_file, check_directory_writable, check_writable
from foundation.errors import InputError


def make(path: Path, content: str = "old") -> Path:
    """A finished output."""
    with atomic_directory(path, mark="mark") as temporary:
        (temporary / "mark").write_text(content)
    return path


def a_file_in_a_folder(path: Path) -> None:
    path.mkdir(exist_ok=True)
    (path / "thesis.tex").write_text("mine")


def a_file(path: Path) -> None:
    path.write_text("mine")


def a_link(path: Path) -> None:
    path.symlink_to("/usr")


def anothers_output(path: Path) -> None:
    make(path, "another's")


@pytest.mark.parametrize("appears", [a_file_in_a_folder, a_file, a_link, anothers_output])
@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("empty", [False, True], ids=["nothing before", "an empty folder before"])
def test_what_appears_stays(appears: Callable[[Path], None], overwrite: bool, empty: bool, tmp_path: Path) -> None:
    out = tmp_path / "out"
    if empty:
        out.mkdir()
    with (
        pytest.raises(InputError) as caught,
        atomic_directory(out, mark="mark", overwrite=overwrite) as temporary,
    ):
        (temporary / "mark").write_text("ours")
        if empty and appears is not a_file_in_a_folder:
            out.rmdir()
        appears(out)
        before = snapshot(out)
    assert (caught.value.kind, caught.value.where) == ("output-appeared", out)
    assert snapshot(out) == before
    assert (tmp_path / "out.new" / "mark").read_text() == "ours"
    assert str(tmp_path / "out.new") in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "out.new"]


def snapshot(path: Path) -> list[tuple[str, int, str]]:
    files = [path, *path.rglob("*")] if not path.is_symlink() else [path]
    return [(str(file), file.lstat().st_ino, file.read_text() if file.is_file() else "") for file in files]


def test_what_changes_in_an_output_that_may_be_replaced_stays_too(tmp_path: Path) -> None:
    out = make(tmp_path / "out")
    with pytest.raises(InputError) as caught, atomic_directory(out, mark="mark", overwrite=True) as temporary:
        (temporary / "mark").write_text("new")
        (out / "notes.txt").write_text("mine")
    assert caught.value.kind == "output-appeared"
    assert (out / "notes.txt").read_text() == "mine"
    assert (out / "mark").read_text() == "old"
    assert (tmp_path / "out.new" / "mark").read_text() == "new"


def test_what_changes_in_the_last_moment_is_kept_beside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out, exchange = make(tmp_path / "out"), place._exchange

    def late(a: Path, b: Path) -> bool:
        (out / "notes.txt").write_text("mine")
        return exchange(a, b)

    monkeypatch.setattr(place, "_exchange", late)
    with atomic_directory(out, mark="mark", overwrite=True) as temporary:
        (temporary / "mark").write_text("new")
    assert (out / "mark").read_text() == "new"
    assert (tmp_path / "out.old" / "notes.txt").read_text() == "mine"
    assert str(tmp_path / "out.old") in capsys.readouterr().err


@pytest.mark.parametrize("exchange", [True, False], ids=["exchange of names", "file systems without it"])
def test_an_output_that_did_not_change_is_replaced(
    exchange: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = make(tmp_path / "out")
    if not exchange:
        monkeypatch.setattr(place, "_exchange", lambda a, b: False)
    with atomic_directory(out, mark="mark", overwrite=True) as temporary:
        (temporary / "mark").write_text("new")
    assert (out / "mark").read_text() == "new"
    assert list(tmp_path.iterdir()) == [out]


def test_an_output_that_was_removed_meanwhile_is_no_reason_to_fail(tmp_path: Path) -> None:
    out = make(tmp_path / "out")
    with atomic_directory(out, mark="mark", overwrite=True) as temporary:
        (temporary / "mark").write_text("new")
        (out / "mark").unlink()
        out.rmdir()
    assert (out / "mark").read_text() == "new"


def test_of_many_at_once_each_is_kept(tmp_path: Path) -> None:
    out, together, errors = tmp_path / "out", threading.Barrier(8), []

    def work(number: int) -> None:
        try:
            with atomic_directory(out, mark="mark") as temporary:
                (temporary / "mark").write_text(str(number))
                together.wait()
        except InputError as error:
            errors.append(error.kind)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == ["output-appeared"] * 7
    assert sorted((path / "mark").read_text() for path in tmp_path.iterdir()) == list("01234567")


def test_a_file_whose_place_became_a_directory(tmp_path: Path) -> None:
    (tmp_path / "x.new").write_text("taken")
    with pytest.raises(InputError) as caught, atomic_file(tmp_path / "x") as temporary:
        temporary.write_text("ours")
        a_file_in_a_folder(tmp_path / "x")
    assert caught.value.kind == "output-appeared"
    assert (tmp_path / "x.new2").read_text() == "ours"
    assert (tmp_path / "x.new").read_text() == "taken"
    assert (tmp_path / "x" / "thesis.tex").read_text() == "mine"


@pytest.mark.parametrize("there", [True, False], ids=["a link", "a link to nothing"])
def test_links_stay_and_what_they_lead_to_is_written(there: bool, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    (tmp_path / "out").symlink_to("disk/out")
    (tmp_path / "file").symlink_to("disk/file")
    if there:
        make(disk / "out")
        (disk / "file").write_text("old")
    with atomic_directory(tmp_path / "out", mark="mark", overwrite=there) as temporary:
        assert temporary.parent == disk
        (temporary / "mark").write_text("new")
    with atomic_file(tmp_path / "file") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "out").is_symlink()
    assert (tmp_path / "file").is_symlink()
    assert (disk / "out" / "mark").read_text() == (disk / "file").read_text() == "new"
    assert sorted(path.name for path in (*tmp_path.iterdir(), *disk.iterdir())) == [
        "disk",
        "file",
        "file",
        "out",
        "out",
    ]


def test_a_link_to_an_output_asks_like_the_output(tmp_path: Path) -> None:
    make(tmp_path / "disk")
    (tmp_path / "out").symlink_to("disk")
    with pytest.raises(InputError) as caught, atomic_directory(tmp_path / "out", mark="mark"):
        pass
    assert caught.value.kind == "output-exists"


def test_a_link_to_itself(tmp_path: Path) -> None:
    (tmp_path / "out").symlink_to("out")
    for output in (atomic_file(tmp_path / "out"), atomic_directory(tmp_path / "out", mark="x")):
        with pytest.raises(InputError) as caught, output:
            pass
        assert caught.value.kind == "link-loop"


def test_what_is_no_file_is_never_replaced_by_one(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/null")
    for path in (tmp_path / "pipe", tmp_path / "link", tmp_path, *map(Path, ("/dev/null", "/dev/stdout", "/dev/fd/1"))):
        before = path.stat().st_mode
        with pytest.raises(InputError) as caught, atomic_file(path) as temporary:
            temporary.write_text("ours")
        assert caught.value.kind == "output-not-a-file"
        with pytest.raises(InputError) as caught:
            check_writable(path)
        assert caught.value.kind == "output-not-a-file"
        assert path.stat().st_mode == before


def test_a_file_without_permission_to_write_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("kept")
    (tmp_path / "kept").chmod(0o444)
    for output in (lambda: check_writable(tmp_path / "kept"), lambda: atomic_file(tmp_path / "kept").__enter__()):
        with refused("output-read-only", where="kept", fix="chmod u+w"):
            output()
    assert (tmp_path / "kept").read_text() == "kept"
    (tmp_path / "kept").chmod(0o644)
    check_writable(tmp_path / "kept")


def test_a_hidden_file_of_ones_own_is_nothing_that_a_command_left(tmp_path: Path) -> None:
    (tmp_path / ".out.my-notes.tmp").write_text("mine")
    make(tmp_path / "out")
    assert (tmp_path / ".out.my-notes.tmp").read_text() == "mine"


def test_prepare_keeps_what_appears(tmp_path: Path) -> None:
    """With a directory that is made while it reads."""
    genome = b">a\n" + b"ACGT" * 500_000 + b"\n"
    command = [Path(sys.executable).with_name("genomic-llama"), "prepare", "-", "--out", "corpus"]
    with subprocess.Popen(
        [*command, "--validation-fraction", "0"], cwd=tmp_path, stdin=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(genome[:300_000])
        process.stdin.flush()
        while not (tmp_path / ".corpus.prepare").exists():
            assert process.poll() is None
            time.sleep(0.01)
        a_file_in_a_folder(tmp_path / "corpus")
        process.stdin.write(genome[300_000:])
        process.stdin.close()
        told = process.stderr.read().decode()
    assert process.returncode == 1
    assert "corpus.new" in told
    assert [path.name for path in (tmp_path / "corpus").iterdir()] == ["thesis.tex"]
    assert (tmp_path / "corpus.new" / "manifest.json").is_file()
    assert not (tmp_path / ".corpus.prepare").exists()


def test_every_output_says_which_file_is_in_the_place_of_its_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    out = tmp_path / "file" / "deeper" / "out"
    outputs: list[Callable[[], object]] = [
        lambda: check_writable(out),
        lambda: check_directory_writable(out),
        lambda: atomic_file(out).__enter__(),
        lambda: atomic_directory(out, mark="x").__enter__(),
        lambda: check_writable(out.with_name("out.tsv"), given=out),
    ]
    for output in outputs:
        with refused("output-not-a-directory", where=out, names=str(tmp_path / "file")):
            output()
    assert (tmp_path / "file").read_text() == "kept"
