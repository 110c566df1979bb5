"""However a request is cut, its outputs are the same to the byte; what is missing, mixed or damaged is refused."""

import itertools
import json
import os
import pickle
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from refusal import refused

from evaluation.merge import REQUESTS
from evaluation.sharding.part import read_part
from evaluation.sharding.run import run_merge, run_shard, run_whole
from evaluation.sharding.shard import Shard, parse_shard, share
from foundation.typed import from_json, to_json
from genomic_llama.cli.sharding import Sharding, carry_out

Ask = Callable[[str, Path], Any]
NAMES = ("score", "score-corpus", "score-both-parquet", "score-bedgraph", "score-regions-bigwig", "variants", "mutate",
         "embed", "embed-bases", "predict", "generate", "generate-until-eos")  # fmt: skip

pytestmark = [pytest.mark.fast, pytest.mark.usefixtures("small_units", "tiny_model")]


def contents(folder: Path) -> dict[str, bytes]:
    """Outputs and receipts, by name."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if not path.name.endswith(".part")}


def parts_of(request: Any, count: int) -> list[Path]:
    return [run_shard(request, Shard(number=number, count=count), device="cpu") for number in range(1, count + 1)]


ALL = ("score-both-parquet", "variants", "embed-bases", "generate", "predict")  # cut in every way, others in one


@pytest.mark.parametrize("name", NAMES)
def test_any_number_of_shards_gives_the_same_bytes(name: str, ask: Ask, tmp_path: Path) -> None:
    request = ask(name, tmp_path)
    files = run_whole(request, device="cpu").files
    whole = contents(tmp_path)
    assert len(whole) == len(files) + 1
    assert len(list(request.open().units())) > 3
    for count in (1, 3, 7) if name in ALL else (3,):
        for path in tmp_path.iterdir():
            path.unlink()
        run_merge(request, parts_of(request, count)[::-1])
        assert contents(tmp_path) == whole, count


@pytest.mark.parametrize("name", ["score", "variants", "mutate", "embed", "predict", "generate"])
def test_one_process_takes_over_the_shards_of_a_killed_run(
    name: str, ask: Ask, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Also where only a part of a shard is there; what a run of other settings left is removed."""
    request = ask(name, tmp_path)
    run_whole(request, device="cpu")
    whole, folder = contents(tmp_path), tmp_path / f".{request.out.name}.shards"
    for other in (request, replace(request, batch_size=2)):
        for path in tmp_path.iterdir():
            path.unlink()
        one, two, _ = parts_of(other, 3)
        os.truncate(two, two.stat().st_size - 1)  # killed before its end
        folder.mkdir()
        for part in (one, two):
            part.rename(folder / part.name)
        capfd.readouterr()
        carry_out(request, Sharding(), overwrite=False)
        assert ("already finished: 1 of 3 shards" in capfd.readouterr().err) == (other is request)
        assert not folder.exists()
        for part in tmp_path.glob("*.part"):
            part.unlink()
        assert contents(tmp_path) == whole


@pytest.mark.parametrize("name", NAMES)
def test_a_request_travels_to_workers_and_with_its_parts(name: str, ask: Ask, tmp_path: Path) -> None:
    """As processes and Ray get it, and as `merge` reads it, after all that it has looked up."""
    request = ask(name, tmp_path)
    request.check()
    assert pickle.loads(pickle.dumps(request)) == request
    assert from_json(type(request), json.loads(json.dumps(to_json(request))), "a part") == request
    assert REQUESTS[request.command] == f"{type(request).__module__}:{type(request).__name__}"


def test_work_is_shared_out_evenly(ask: Ask, tmp_path: Path) -> None:
    job = ask("score-both-parquet", tmp_path).open()
    units = {number: sum(map(job.work, unit)) for number, unit in enumerate(job.units())}
    taken = []
    for number in (1, 2, 3):
        mine = [unit for unit, _, own in share(job, Shard(number=number, count=3)) if own]
        taken.append(mine)
    assert sorted(itertools.chain(*taken)) == list(units)
    loads = [sum(units[unit] for unit in mine) for mine in taken]
    assert max(loads) - min(loads) <= max(units.values())


def test_a_killed_shard_resumes(ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut off in the middle of a record, at every length: what is whole is kept, and the part is the same."""
    request, shard = ask("score", tmp_path), Shard(number=1, count=2)
    path = run_shard(request, shard, device="cpu")
    whole, part = path.read_bytes(), read_part(path)
    for size in (3, 20, 60, part.end // 2, part.end - 1):
        path.write_bytes(whole[:size])
        kept = sum(place.offset + place.size <= size for place in part.places.values())
        again = run_shard(request, shard, device="cpu")
        assert again.read_bytes() == whole, size
        assert kept < len(part.places) or size == part.end - 1


@pytest.mark.parametrize(
    ("text", "kind"),
    [("", "shard-form"), ("3", "shard-form"), ("a/b", "shard-form"), ("-1/4", "shard-form"), ("1/4/2", "shard-form"),
     ("0/0", "shard-count"), ("1/9999999", "shard-count"), ("0/4", "shard-number"), ("5/4", "shard-number")],
)  # fmt: skip
def test_what_is_no_shard(text: str, kind: str) -> None:
    with refused(kind):
        parse_shard(text)
    assert parse_shard("03/64") == Shard(number=3, count=64)


def test_parts_that_do_not_fit(ask: Ask, tmp_path: Path) -> None:
    request = ask("score", tmp_path)
    one, two, three = parts_of(request, 3)
    with refused("part-missing", names="2"):
        run_merge(request, [one, three])
    with refused("part-twice", where="copy.part"):
        run_merge(request, [one, two, three, Path(shutil.copy(two, tmp_path / "copy.part"))])
    other = run_shard(request, Shard(number=2, count=2), device="cpu")
    with refused("parts-cut-differently"):
        run_merge(request, [one, other, three])
    with refused("not-a-part", where="genome.fa"):
        run_merge(request, [one, two, three, request.source])
    with refused("cannot-be-read", where="none"):
        run_merge(request, [tmp_path / "none"])
    with refused("part-missing"):
        run_merge(request, [])
    assert not request.scores.exists()


@pytest.mark.parametrize(
    ("changes", "named"),
    [({"strand": "reverse"}, "--strand"), ({"batch_size": 4}, "--batch-size"), ({"dtype": "bfloat16"}, "--dtype"),
     ({"source": "other"}, "source"), ({"model": "other"}, "model")],
)  # fmt: skip
def test_parts_of_different_runs(ask: Ask, tmp_path: Path, changes: dict[str, Any], named: str) -> None:
    from dataclasses import replace

    request = ask("score", tmp_path)
    if "source" in changes:
        changes = {"source": Path(shutil.copy(request.source, tmp_path / "other.fa"))}
        changes["source"].write_bytes(request.source.read_bytes() + b">more\nACGT\n")
    if "model" in changes:
        changes = {"model": Path(shutil.copytree(request.model, tmp_path / "model"))}
        config = changes["model"] / "config.json"
        config.write_text(config.read_text() + "\n")
    first = run_shard(request, Shard(number=1, count=2), device="cpu")
    second = run_shard(replace(request, **changes), Shard(number=2, count=2), device="cpu")
    with refused("parts-of-different-runs", where=second.name, names=named):
        run_merge(request, [first, second])
    with refused("part-of-another-run", where=first.name, names=named):
        run_shard(replace(request, **changes), Shard(number=1, count=2), device="cpu")
    assert run_shard(replace(request, **changes), Shard(number=1, count=2), device="cpu", overwrite=True) == first


def test_an_input_that_changed_since(ask: Ask, tmp_path: Path) -> None:
    from dataclasses import replace

    request = ask("score", tmp_path)
    request = replace(request, source=Path(shutil.copy(request.source, tmp_path / "mine.fa")))
    parts = parts_of(request, 2)
    request.source.write_bytes(request.source.read_bytes().replace(b">contig0", b">changed"))
    with refused("parts-of-another-input", where=parts[0].name, names="source"):
        run_merge(request, parts)


def test_a_damaged_or_unfinished_part(ask: Ask, tmp_path: Path) -> None:
    request = ask("score", tmp_path)
    one, two = parts_of(request, 2)
    whole, part = two.read_bytes(), read_part(two)
    place = next(iter(part.places.values()))
    flipped = bytearray(whole)
    flipped[place.offset + place.size // 2] ^= 1
    two.write_bytes(flipped)
    with refused("part-damaged", where=two.name):
        run_merge(request, [one, two])
    two.write_bytes(whole[:-30])
    with refused("part-unfinished", where=two.name, fix="2/2"):
        run_merge(request, [one, two])
    two.write_bytes(whole[:40])
    with refused("part-damaged", where=two.name):
        run_merge(request, [one, two])
    assert not request.scores.exists()


def test_a_shard_is_of_one_process(ask: Ask, tmp_path: Path) -> None:
    import fcntl

    request, shard = ask("score", tmp_path), Shard(number=1, count=2)
    with open(shard.part(request.out), "ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with refused("part-in-use", where="1-of-2.part"):
            run_shard(request, shard, device="cpu")


def test_shards_need_an_output(ask: Ask, tmp_path: Path) -> None:
    from dataclasses import replace

    with refused("shard-without-output", fix="--out"):
        run_shard(replace(ask("score", tmp_path), scores=None), Shard(number=1, count=2))
