"""Downloads from a server that is like the Hub, over real connections: whole, resumed, refused, hostile."""

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

import hub_server
import pytest
from omegaconf import OmegaConf
from refusal import refused

import corpus.download.files
from configs.locate import CONFIGS
from corpus.download.hub import is_safe
from corpus.download.opengenome2 import RECORD, ROOT, SOURCES, download_opengenome2

ORGANELLE = f"{ROOT}/organelle/data_organelle_{{}}_chunk{{}}.jsonl.gz"
TRAIN = ORGANELLE.format("train", 1)
RESOLVED = f"/datasets/arcinstitute/opengenome2/resolve/{hub_server.COMMIT}/{TRAIN}"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[hub_server.Hub]:
    monkeypatch.setattr(corpus.download.files, "FIRST_PAUSE", 0.001)
    files = {
        ORGANELLE.format(split, chunk): os.urandom(300_000 + chunk)
        for split in ("train", "valid", "test")
        for chunk in (1, 2, 10)
    }
    files |= {f"{ROOT}/organelle/README.md": b"read", f"{ROOT}/mrna/data_mrna_train_chunk1.jsonl.gz": b""}
    files |= {f"{ROOT}/eukaryotic_genic_windows/windows_5kb_test_chunk1.jsonl.gz": b"genic"}
    with hub_server.serve(hub_server.Hub(files)) as served:
        monkeypatch.setenv("HF_ENDPOINT", served.address)
        monkeypatch.delenv("HF_TOKEN", raising=False)
        yield served


def fetch(out: Path, **options) -> list[Path]:
    return download_opengenome2(out, **{"sources": ["organelle"], **options})


def assert_whole(hub: hub_server.Hub, out: Path, paths: list[Path]) -> None:
    assert paths
    for path in paths:
        assert path.read_bytes() == hub.files[path.relative_to(out).as_posix()]
    assert not list(out.rglob("*.part"))


def test_all_files_of_a_source_are_fetched_over_all_pages(hub: hub_server.Hub, tmp_path: Path) -> None:
    asked: list[str] = []
    paths = fetch(
        tmp_path, sources=["organelle", "mrna", "genic_windows"], confirm=lambda text: bool(asked.append(text)) or True
    )
    assert_whole(hub, tmp_path, paths)
    assert {path.relative_to(tmp_path).as_posix() for path in paths} == set(hub.files) - {f"{ROOT}/organelle/README.md"}
    assert len(asked) == 1
    assert "organelle         9 files" in asked[0]
    assert hub_server.COMMIT in asked[0]
    record = json.loads((tmp_path / RECORD).read_text())["files"]
    assert record[TRAIN] == {
        "bytes": len(hub.files[TRAIN]),
        "sha256": hashlib.sha256(hub.files[TRAIN]).hexdigest(),
        "commit": hub_server.COMMIT,
    }


def test_splits_are_chosen(hub: hub_server.Hub, tmp_path: Path) -> None:
    paths = fetch(tmp_path, splits=["valid"])
    assert {path.name for path in paths} == {f"data_organelle_valid_chunk{chunk}.jsonl.gz" for chunk in (1, 2, 10)}


def test_a_second_call_fetches_nothing_and_asks_nothing(hub: hub_server.Hub, tmp_path: Path) -> None:
    paths = fetch(tmp_path)
    hub.served.clear()
    assert fetch(tmp_path, confirm=lambda text: pytest.fail("asked")) == paths
    (tmp_path / RECORD).unlink()  # then what is there is checked
    assert fetch(tmp_path) == paths
    assert not hub.served


def test_no_is_no(hub: hub_server.Hub, tmp_path: Path) -> None:
    assert fetch(tmp_path / "out", confirm=lambda text: False) == []
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("ranges", [True, False])
def test_a_cut_connection_is_resumed(hub: hub_server.Hub, tmp_path: Path, ranges: bool) -> None:
    hub.ranges = ranges
    hub.cut_after[TRAIN] = [100_000, 50_000]
    assert_whole(hub, tmp_path, fetch(tmp_path, splits=["train"]))
    size = len(hub.files[TRAIN])
    assert hub.served[TRAIN] == (size if ranges else size + 150_000)


def test_a_later_call_goes_on_where_one_was_given_up(
    hub: hub_server.Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corpus.download.files, "RETRIES", 2)
    hub.cut_after[TRAIN] = [100_000, *[0] * 5]
    with refused("download-failed", where="data_organelle_train_chunk1.jsonl.gz"):
        fetch(tmp_path, splits=["train"], connections=1)
    assert (tmp_path / f"{TRAIN}.part").stat().st_size == 100_000
    assert not (tmp_path / TRAIN).exists()
    hub.cut_after.clear()
    assert_whole(hub, tmp_path, fetch(tmp_path, splits=["train"]))
    assert hub.served[TRAIN] == len(hub.files[TRAIN])


def test_a_part_of_something_else_does_not_survive(hub: hub_server.Hub, tmp_path: Path) -> None:
    (tmp_path / TRAIN).parent.mkdir(parents=True)
    (tmp_path / f"{TRAIN}.part").write_bytes(b"x" * 400_000)  # too long: downloaded again from the start
    assert_whole(hub, tmp_path, fetch(tmp_path, splits=["train"]))


def test_a_wrong_checksum_is_an_error(hub: hub_server.Hub, tmp_path: Path) -> None:
    hub.sha256[TRAIN] = "f" * 64
    with refused("download-checksum", where="data_organelle_train_chunk1.jsonl.gz.part"):
        fetch(tmp_path)
    assert not list(tmp_path.rglob("data_organelle_train_chunk1.*"))


@pytest.mark.parametrize("status", [429, 503, 500])
def test_a_busy_server_is_asked_again(hub: hub_server.Hub, tmp_path: Path, status: int) -> None:
    hub.statuses[RESOLVED] = [status] * 3
    hub.statuses["/api/datasets/arcinstitute/opengenome2/revision/main"] = [status]
    hub.statuses[f"/api/datasets/arcinstitute/opengenome2/tree/{hub_server.COMMIT}/{ROOT}/organelle"] = [status, status]
    assert_whole(hub, tmp_path, fetch(tmp_path))
    assert hub.requests[RESOLVED] == 4


@pytest.mark.parametrize(
    ("status", "kind", "fix"),
    [(404, "not-on-server", "revision"), (403, "server-refuses", "HF_TOKEN"), (418, "server-answer", "endpoint")],
)
def test_a_refusal_is_an_error_at_once(hub: hub_server.Hub, tmp_path: Path, status: int, kind: str, fix: str) -> None:
    hub.statuses[RESOLVED] = [status] * 9
    with refused(kind, where=TRAIN, fix=fix, names=str(status)):
        fetch(tmp_path)
    assert hub.requests[RESOLVED] == 1


@pytest.mark.parametrize(
    ("options", "kind", "where", "fix"),
    [
        ({"revision": "v9"}, "not-on-server", "revision/v9", "revision"),
        ({"sources": ["metagenomic"]}, "unknown-name", "metagenomic", "'metagenomics'"),
        ({"sources": []}, "nothing-chosen", None, "organelle"),
        ({"splits": ["validation"]}, "unknown-name", "validation", "'valid'"),
        ({"sources": ["promoters"]}, "not-on-server", "promoters", "name"),
        (
            {"sources": ["genic_windows"], "splits": ["train"]},
            "folder-without-files",
            "arcinstitute/opengenome2",
            "Hub",
        ),
        ({"connections": 0}, "connection-count", "connections", "1"),
        ({"endpoint": "http://127.0.0.1:9"}, "server-unreachable", "revision/main", "network"),
        ({"endpoint": "nowhere"}, "not-an-address", "nowhere", "https://"),
    ],
)
def test_what_is_not_there_is_an_error(
    hub: hub_server.Hub, tmp_path: Path, options, kind: str, where: str | None, fix: str
) -> None:
    with refused(kind, where=where, fix=fix):
        fetch(tmp_path, **options)
    assert not list(tmp_path.rglob("*.gz"))


@pytest.mark.parametrize(
    "path",
    [
        "../../evil_train_chunk1.jsonl.gz",
        f"{ROOT}/organelle/../../../../evil_train_chunk1.jsonl.gz",
        "/etc/evil_train_chunk1.jsonl.gz",
        f"{ROOT}/organelle/C:\\evil_train_chunk1.jsonl.gz",
        f"{ROOT}/organelle//evil_train_chunk1.jsonl.gz",
        f"{ROOT}/organelle/\x00_train_chunk1.jsonl.gz",
        f"{ROOT}/organelle/.hidden_train_chunk1.jsonl.gz",
        f"{ROOT}/mrna/evil_train_chunk1.jsonl.gz",  # another folder than asked for
        7,
    ],
)
def test_a_hostile_file_name_is_an_error(hub: hub_server.Hub, tmp_path: Path, path) -> None:
    hub.rows = [{"type": "file", "path": path, "lfs": {"oid": "0" * 64, "size": 1}}]
    with refused("unsafe-file-name"):
        fetch(tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_a_link_out_of_the_folder_is_an_error(hub: hub_server.Hub, tmp_path: Path) -> None:
    (tmp_path / "out/json").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out/json/pretraining_or_both_phases").symlink_to(tmp_path / "elsewhere")
    with refused("link-outside", where="organelle"):
        fetch(tmp_path / "out")
    assert not list((tmp_path / "elsewhere").rglob("*.gz*"))


@pytest.mark.parametrize("lfs", [{"oid": "xyz", "size": 1}, {"oid": "0" * 64, "size": -1}, {"oid": "0" * 64}, [1]])
def test_a_list_without_sense_is_an_error(hub: hub_server.Hub, tmp_path: Path, lfs) -> None:
    hub.rows = [{"type": "file", "path": ORGANELLE.format("train", 11), "lfs": lfs}]
    with refused("file-without-checksum"):
        fetch(tmp_path)


def test_a_disk_without_the_room_is_an_error(hub: hub_server.Hub, tmp_path: Path) -> None:
    hub.rows = [{"type": "file", "path": ORGANELLE.format("train", 11), "lfs": {"oid": "0" * 64, "size": 1 << 60}}]
    with refused("not-enough-disk", where="out"):
        fetch(tmp_path / "out", confirm=lambda text: pytest.fail("asked"))


def test_a_body_longer_than_listed_is_an_error(hub: hub_server.Hub, tmp_path: Path) -> None:
    path = ORGANELLE.format("train", 11)
    hub.rows = [{"type": "file", "path": path, "lfs": {"oid": "0" * 64, "size": 1000}}]
    hub.files[path.replace(ROOT, "x")] = b""
    resolved = RESOLVED.replace(TRAIN, path)
    hub.statuses[resolved] = []
    hub.files[path] = b"y" * 3000
    rows, hub.rows = hub.rows, []
    tree = hub.tree
    hub.tree = lambda folder: [row for row in tree(folder) if row["path"] != path] + rows  # type: ignore[method-assign]
    with refused("download-too-long", where="data_organelle_train_chunk11.jsonl.gz"):
        fetch(tmp_path)
    assert not (tmp_path / path).exists()


def test_a_file_of_another_version_is_not_overwritten(hub: hub_server.Hub, tmp_path: Path) -> None:
    fetch(tmp_path, splits=["test"])
    changed = ORGANELLE.format("test", 2)
    old, hub.files[changed] = hub.files[changed], b"new"
    with refused("another-revision", where="data_organelle_test_chunk2.jsonl.gz"):
        fetch(tmp_path)
    (tmp_path / RECORD).unlink()
    with refused("another-file-there", where="data_organelle_test_chunk2.jsonl.gz"):
        fetch(tmp_path)
    assert (tmp_path / changed).read_bytes() == old


def test_a_token_is_sent_to_the_endpoint(hub: hub_server.Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "mine")
    fetch(tmp_path)
    assert hub.authorizations == {"Bearer mine"}


def test_nine_sources_in_nine_folders() -> None:
    assert len(SOURCES) == len(set(SOURCES.values())) == 9
    assert all(is_safe(folder) for folder in SOURCES.values())


def test_the_blend_is_of_the_sources() -> None:
    blend = OmegaConf.load(CONFIGS / "data" / "opengenome2.yaml").corpus
    assert [Path(source.corpus).name for source in blend] == list(SOURCES)
    assert sum(source.weight for source in blend) == pytest.approx(1.0053)
