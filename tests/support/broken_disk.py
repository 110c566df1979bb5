"""Commands that write to a disk that is full, fills up, or is read-only: a tmpfs in a mount namespace of its own.

unshare --map-root-user --mount python broken_disk.py WORK, where WORK has what the commands read; prints JSON.
"""

import contextlib
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

SIZE = 1 << 20
ROOM = {"full": 0, "fills up": 4096, "read-only": SIZE}
OLD = ("score.json", "picture.svg", "generated.fa", "genome.fa", "report.html", "embeddings.parquet", "table.json")


def commands(work: Path, disk: Path) -> dict[str, list[object]]:
    """By name; paths of what is read are below `work`, of what is written below `disk`."""
    genome, corpus, model, nemo = (work / name for name in ("genome.fa", "corpus", "model", "nemo"))
    return {
        "prepare": ["prepare", genome, "--out", disk / "corpus", "--processes", 1],
        "merge": ["corpus", "merge", corpus, work / "other", "--copy", "--out", disk / "merged"],
        "card": ["corpus", "card", corpus, "--out", disk / "card"],
        **{f"convert to {to}": ["convert", model, disk / to, "--to", to] for to in ("nemo", "te", "bridge")},
        "convert to hf": ["convert", nemo, disk / "hf", "--to", "hf"],
        "tokenizer": ["tokenizer", disk / "tokenizer"],
        "simulate": ["simulate", disk / "genome.fa"],
        "plan": ["plan", "llama3_8b_genomic", "--picture", disk / "picture.svg"],
    }


def long_commands(work: Path, disk: Path) -> dict[str, list[object]]:
    """Not for a disk that fills up: they look at it before they start and take their time then, or write little."""
    genome, model, corpus = work / "genome.fa", work / "model", work / "corpus"
    return {
        "launch": ["launch", "train_tiny", "--local", f"run_dir={disk}/run", f"dataset.corpus={corpus}"],
        "pack": ["corpus", "pack", disk / "packed", "--sequence-length", 64],
        "score": ["score", model, genome, "--out", disk / "score.json"],
        "variants": ["variants", model, genome, work / "none.vcf", "--out", disk / "scored"],
        "embed": ["embed", model, genome, "--out", disk / "embeddings.parquet"],
        "probe": ["probe", model, work, "--out", disk / "table.json"],
        "generate": ["generate", model, "--prompt", "ACGT", "--out", disk / "generated.fa"],
        "evaluate": ["evaluate", work / "suite.yaml", model, "--out", disk / "evaluation"],
        "report": ["report", work, "--corpus", work, "--score", work, "--out", disk / "report.html"],
    }


def mount(kind: str, work: Path) -> Path:
    """The disk, with old outputs and a corpus on it, and `ROOM` bytes left."""
    disk = work / f"disk {kind}"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "none", disk], check=True)
    for name in OLD:
        (disk / name).write_text("old")
    shutil.copytree(work / "corpus", disk / "packed")
    with open(disk / "filler", "wb", buffering=0) as file, contextlib.suppress(OSError):
        while shutil.disk_usage(disk).free > ROOM[kind]:
            file.write(bytes(4096))
    if kind == "read-only":
        subprocess.run(["mount", "-o", "remount,bind,ro", disk], check=True)
    return disk


def call(arguments: list[object]) -> tuple[Any, str]:
    """Exit status and standard error of a command, as `genomic-llama` runs it."""
    from genomic_llama.cli.main import main

    sys.argv = ["genomic-llama", *map(str, arguments)]
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        try:
            main()
            status: Any = 0
        except SystemExit as error:
            status = error.code
        except BaseException as error:
            status = f"{type(error).__name__}: {error}"
    return status, said.getvalue()


def results_of(kind: str, work: Path) -> dict[str, Any]:
    """Of each command: its exit status, what it said, and which files are others than before."""
    disk = mount(kind, work)
    chosen = commands(work, disk) | ({} if kind == "fills up" else long_commands(work, disk))
    before, results = files(disk), dict[str, Any]()
    for name, arguments in chosen.items():
        status, said = call(arguments)
        results[name] = {"status": status, "said": said, "changed": sorted(files(disk) ^ before)}
        if kind != "read-only":
            for path in {Path(path) for path, _ in files(disk) ^ before if Path(path).exists()}:
                path.unlink()
    return results


def files(disk: Path) -> set[tuple[str, str]]:
    """Paths and contents, without the filler."""
    return {
        (str(path), path.read_bytes().hex()) for path in disk.rglob("*") if path.is_file() and path.name != "filler"
    }


if __name__ == "__main__":
    given = Path(sys.argv[1])
    print(json.dumps({kind: results_of(kind, given) for kind in ROOM}))
