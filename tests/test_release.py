"""What `make release` makes: a wheel that works alone, bills of materials that are complete, checksums that agree."""

import hashlib
import json
import os
import re
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not (ROOT / ".git").exists():
        pytest.skip("no git checkout: a release is made of what is committed")
    out = tmp_path_factory.mktemp("release") / "dist"
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run([ROOT / "scripts" / "release.sh", out], check=True, env={**os.environ, "PATH": path})
    return out


def wheel(release: Path) -> zipfile.ZipFile:
    (path,) = release.glob("*.whl")
    return zipfile.ZipFile(path)


def test_the_wheel_has_all_packages_and_their_data_and_nothing_else(release: Path) -> None:
    names = [name for name in wheel(release).namelist() if ".dist-info/" not in name]
    tops = {name.split("/")[0] for name in names}
    assert tops == {
        "configs",
        "conversion",
        "corpus",
        "evaluation",
        "foundation",
        "genomic_llama",
        "launch",
        "recipes",
        "tokenizer",
        "training",
    }
    tracked = subprocess.run(["git", "ls-files", *sorted(tops)], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(names) == set(tracked.stdout.split())


def test_the_wheel_names_no_place_of_this_machine(release: Path) -> None:
    archive = wheel(release)
    for name in archive.namelist():
        content = archive.read(name)
        assert str(ROOT).encode() not in content, name
        assert not re.search(rb"/(?:home|root|Users)/\w", content), name


@pytest.fixture(scope="module")
def fresh(release: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment in which the wheel is installed, beside the packages of this one but ours."""
    folder = tmp_path_factory.mktemp("fresh")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (path,) = release.glob("*.whl")
    command = [Path(sys.executable).with_name("uv"), "pip", "install", "--offline", "--no-deps", "--python"]
    subprocess.run([*command, folder / "bin" / "python", path], check=True, capture_output=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")  # its own .pth files are not read
    return folder / "bin"


WHEEL = {
    "--version": "genomic-llama ",
    "--help": "Prepare genomes",
    "doctor": "nemo-toolkit",
    "doctor llama3_tiny_genomic": "0 will not work",
    "plan llama3_8b_genomic --gpus 8": "GiB",
    "prepare genome.fa --out corpus": "",
    "launch llama3_tiny_genomic --local --dry-run": "llama3_tiny_genomic",
    "train llama3_tiny_genomic --cfg": "model_tag: ./llama3_tiny_genomic_config",
}


@pytest.mark.parametrize("words", WHEEL)
def test_the_wheel_works_from_any_directory(words: str, fresh: Path, tmp_path: Path) -> None:
    (tmp_path / "genome.fa").write_text(">a\n" + "ACGTTGCA" * 500 + "\n>b\n" + "GATTACAA" * 500 + "\n")
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [fresh / "genomic-llama", *words.split()]
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr + result.stdout
    assert WHEEL[words] in result.stdout
    code = "import corpus; print(corpus.__file__)"
    found = subprocess.run([fresh / "python", "-P", "-c", code], env=environment, capture_output=True, text=True)
    assert Path(found.stdout.strip()).is_relative_to(fresh.parent)


@pytest.mark.parametrize("lock", ["cpu", "transformers5"])
def test_a_bill_of_materials_has_every_locked_package_and_its_hashes(lock: str, release: Path) -> None:
    bill = json.loads((release / f"sbom-{lock}.cdx.json").read_text())
    assert bill["bomFormat"] == "CycloneDX"
    text = (ROOT / "requirements" / f"{lock}.lock").read_text()
    locked = dict(re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^ ;\\]+)", text, re.MULTILINE))
    found = {component["name"]: component for component in bill["components"]}
    assert {name: component["version"] for name, component in found.items()} == locked
    assert all(reference["hashes"] for c in found.values() for reference in c["externalReferences"])


def test_the_checksums_agree(release: Path) -> None:
    lines = (release / "SHA256SUMS").read_text().splitlines()
    assert {line.split()[1] for line in lines} == {path.name for path in release.iterdir()} - {"SHA256SUMS"}
    for line in lines:
        digest, name = line.split()
        assert hashlib.sha256((release / name).read_bytes()).hexdigest() == digest


def test_a_directory_that_is_there_is_left_alone(tmp_path: Path) -> None:
    result = subprocess.run([ROOT / "scripts" / "release.sh", tmp_path], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "exists. Move it away." in result.stderr
