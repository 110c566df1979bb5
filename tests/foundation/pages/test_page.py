"""Texts that belong together are written together, or none is."""

import errno
import os
from pathlib import Path

import pytest
from refusal import refused

from foundation.pages.page import write_texts


@pytest.mark.parametrize("full_at", [0, 1])
def test_a_disk_that_is_full_when_one_is_synced_changes_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full_at: int
) -> None:
    paths = [tmp_path / "page.html", tmp_path / "card.md"]
    write_texts(dict.fromkeys(paths, "old"))
    sync = os.fsync

    def full(handle: int) -> None:
        if Path(os.readlink(f"/proc/self/fd/{handle}")).name.startswith(f".{paths[full_at].name}."):
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(handle)

    monkeypatch.setattr(os, "fsync", full)
    with refused("disk-full") as error:
        write_texts(dict.fromkeys(paths, "new"))
    assert paths[full_at].name in str(error.value)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {path.name: "old" for path in paths}
