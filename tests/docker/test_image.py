"""The CPU image, built on a base made by debootstrap, and the demo's steps in it as a random uid on a read-only root.

Runs under `make test-containers`, which sets GENOMIC_LLAMA_CONTAINERS; needs buildah, debootstrap and root.
"""

import json
import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BASE, IMAGE = "localhost/genomic-llama-base:test", "localhost/genomic-llama:cpu-test"
UID = random.Random(os.getpid()).randint(20_000, 60_000)
MOST_BYTES = 2_500_000_000
NEEDED = ("buildah", "debootstrap", "unshare")


def why_not() -> str:
    """Why an image cannot be built here; "" where it can."""
    if not os.environ.get("GENOMIC_LLAMA_CONTAINERS"):
        return "an image takes minutes: make test-containers"
    if os.geteuid() != 0:
        return "needs root, for debootstrap and mounts"
    lacking = [name for name in NEEDED if shutil.which(name) is None]
    return f"{', '.join(lacking)} not installed: apt-get install buildah debootstrap" if lacking else ""


pytestmark = [pytest.mark.skipif(bool(why_not()), reason=why_not()), pytest.mark.timeout(3600)]


def run(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    result = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    return result


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Built from a copy of the committed and changed files, as a clone with umask 077 has them."""
    clone = tmp_path_factory.mktemp("clone")
    files = run("git", "ls-files", "--cached", "--others", "--exclude-standard").stdout.split("\n")
    for name in filter(None, files):
        if (ROOT / name).is_file():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, clone / name)
    for lying_about in (".venv", "runs"):
        (clone / lying_about).mkdir()
        (clone / lying_about / "secret").write_text("x")
    run("chmod", "-R", "go-rwx", clone)
    if subprocess.run(["buildah", "inspect", "--type", "image", BASE], capture_output=True, check=False).returncode:
        run(ROOT / "docker" / "base.sh", BASE)
    options = ["--isolation", "chroot", "--network", "host", "--layers=false", "--pull-never"]
    options += ["--build-arg", f"BASE={BASE}", "--volume", "/etc/ssl/certs/ca-certificates.crt:/ca.crt:ro"]
    pip = "--cert /ca.crt"
    wheels = os.environ.get("PIP_FIND_LINKS", "")
    if Path(wheels).is_dir():
        options += ["--volume", f"{Path(wheels).resolve()}:/wheels:ro"]
        pip += " --find-links /wheels"
    else:
        pip += " --extra-index-url https://download.pytorch.org/whl/cpu"
    run(
        clone / "docker" / "build.sh",
        "cpu",
        IMAGE,
        *options,
        "--build-arg",
        f"PIP_OPTIONS={pip}",
        ENGINE="buildah",
        SBOM=str(clone / "sbom"),
    )
    components = json.loads((clone / "sbom" / "python.cdx.json").read_text())["components"]
    assert {"torch", "nemo-toolkit"} <= {one["name"] for one in components}
    return IMAGE


def inside(directory: Path, *arguments: str | Path) -> str:
    directory.chmod(0o777)
    return run(ROOT / "docker" / "run_readonly.sh", IMAGE, str(UID), directory, *arguments).stdout


def test_size_labels_user_and_entry_point(image: str) -> None:
    (listed,) = json.loads(run("buildah", "images", "--json", image).stdout)
    size = run("buildah", "inspect", "--type", "image", "--format", "{{.OCIv1.RootFS.DiffIDs}}", image)
    assert size.stdout.strip()
    number, unit = listed["size"].split()
    assert float(number) * {"MB": 1e6, "GB": 1e9}[unit] < MOST_BYTES
    config = json.loads(run("buildah", "inspect", "--type", "image", image).stdout)["OCIv1"]["config"]
    assert config["User"] == "1000:1000"
    assert config["Entrypoint"] == ["entrypoint.sh"]
    labels = {name.rpartition(".")[2]: value for name, value in config["Labels"].items() if "opencontainers" in name}
    assert {"title", "version", "revision", "licenses", "created"} <= labels.keys()
    assert labels["version"] != "unknown"


def test_help_and_doctor_as_a_stranger_on_a_read_only_root(image: str, tmp_path: Path) -> None:
    assert "Usage" in inside(tmp_path, "--help")
    inside(tmp_path, "doctor")
    assert inside(tmp_path, "bash", "-c", "id -u; touch /opt/x 2>&1 || true").splitlines()[0] == str(UID)


def test_nothing_that_lay_about_is_inside(image: str, tmp_path: Path) -> None:
    names = "-name secret -o -name .git -o -path '*site-packages/pytest'"
    found = inside(tmp_path, "bash", "-c", f"find / -xdev \\( {names} \\) 2>/dev/null || true")
    assert found.split() == []


def test_the_demos_steps(image: str, tmp_path: Path) -> None:
    inside(tmp_path, "simulate", "genome.fa")
    inside(
        tmp_path, "prepare", "genome.fa", "--out", "corpus", "--validation-fraction", "0.1", "--segment-length", "25000"
    )
    tiny = [
        "trainer.max_steps=4",
        "trainer.validate_every=4",
        "trainer.validation_batches=1",
        "trainer.checkpoint_every=4",
        "optimizer.warmup_steps=1",
        "dataset.sequence_length=256",
        "dataset.global_batch_size=4",
        "dataset.micro_batch_size=4",
    ]
    inside(
        tmp_path,
        "python",
        "-m",
        "recipes.train",
        "--quiet",
        "--config-name",
        "train_tiny",
        "dataset.corpus=corpus",
        "run_dir=run",
        *tiny,
    )
    inside(tmp_path, "convert", "run", "model", "--to", "hf")
    inside(tmp_path, "score", "model", "corpus", "--out", "score.json")
    assert json.loads((tmp_path / "score.json").read_text())
    inside(tmp_path, "report", "run", "--corpus", "corpus", "--score", "score.json", "--out", "report.html")
    assert "<html" in (tmp_path / "report.html").read_text()[:200]
    assert (tmp_path / "report.html").stat().st_uid == UID
