"""Container files: linted, and the packages that they take from the lock. Building them needs an engine."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
LOCK = (ROOT / "requirements" / "cpu.lock").read_text(encoding="utf-8")


def lint(*command: str | Path, text: str | None = None) -> None:
    result = subprocess.run([BIN / command[0], *command[1:]], input=text, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_dockerfile() -> None:
    lint("hadolint", ROOT / "docker" / "Dockerfile")


@pytest.mark.parametrize("path", [*(ROOT / "scripts").glob("*.sh"), *(ROOT / "docker").glob("*.sh")], ids=str)
def test_shell_scripts(path: Path) -> None:
    lint("shellcheck", path)


@pytest.mark.parametrize("section", ["post", "environment", "runscript", "test"])
def test_sections_of_the_apptainer_definition(section: str) -> None:
    definition = (ROOT / "docker" / "genomic-llama.def").read_text(encoding="utf-8")
    match = re.search(rf"^%{section}\n((?:(?: .*)?\n)*)", definition, re.MULTILINE)
    assert match is not None
    lint("shellcheck", "--shell=sh", "--exclude=SC2155", "-", text=match[1])


def test_both_start_from_the_same_image() -> None:
    dockerfile = (ROOT / "docker" / "Dockerfile").read_text(encoding="utf-8")
    definition = (ROOT / "docker" / "genomic-llama.def").read_text(encoding="utf-8")
    base = re.search(r"^ARG BASE=(\S+)$", dockerfile, re.MULTILINE)
    assert base is not None
    assert f"From: {base[1]}\n" in definition
    assert re.fullmatch(r"nvcr\.io/nvidia/pytorch:\d\d\.\d\d-py3", base[1])


def test_the_container_keeps_its_torch_and_gets_the_rest(tmp_path: Path) -> None:
    """`install.sh dependencies`, with a `python` that shows what it would install."""
    shown = tmp_path / "python"
    shown.write_text('#!/bin/bash\ncase "$*" in *pip*) cat /tmp/locked.txt;; *) cat >/dev/null;; esac\n')
    shown.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    command = [ROOT / "docker" / "install.sh", "dependencies"]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    taken = set(result.stdout.split())
    locked = {line.split()[0] for line in LOCK.splitlines() if re.match(r"[A-Za-z0-9._-]+==", line)}
    left_out = {line.split("==")[0] for line in locked} - {line.split("==")[0] for line in taken}
    assert left_out == {"torch", "cuda-bindings", "cuda-pathfinder", "nvidia-ml-py"}
    assert {"megatron-core==0.15.3", "nemo-toolkit==2.7.3", "transformers==4.57.6"} <= taken


def test_no_engine_has_the_environment_or_the_history_in_its_context() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert {".git", ".venv", "runs", "data"} <= set(ignored)
