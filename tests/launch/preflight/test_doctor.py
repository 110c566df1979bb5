"""What the doctor says of machines and configurations that will not work, and of this one, which does."""

import json
import resource
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from configs.compose import compose_config
from configs.llama import read_architecture
from launch.preflight import system
from launch.preflight.devices import match_hardware, parse_gpus, torch_findings
from launch.preflight.examine import as_json, as_text, examine
from launch.preflight.finding import Finding
from launch.preflight.software import LOCK, PINNED, locked_versions, software_findings

EIGHT_H100 = parse_gpus("NVIDIA H100 80GB HBM3, 81559, 580.95.05, 9.0\n" * 8)
H100 = compose_config("train_8b_opengenome2")


def states(findings: Sequence[Finding]) -> dict[str, str]:
    return {finding.what: finding.status for finding in findings}


def test_this_environment_is_the_lock() -> None:
    findings = list(software_findings(gpu=False))
    assert {finding.status for finding in findings} == {"ok"}
    assert set(PINNED) <= locked_versions(LOCK.read_text()).keys()
    assert states(list(software_findings(gpu=True)))["transformer-engine"] == "will not work"


def test_a_machine_that_fits() -> None:
    assert set(states(list(match_hardware(H100, EIGHT_H100))).values()) == {"ok"}
    assert [finding.found for finding in match_hardware(H100, EIGHT_H100)] == ["8 x NVIDIA H100 80GB HBM3"]


@pytest.mark.parametrize(
    ("csv", "overrides", "what", "status"),
    [
        ("", [], "GPUs", "will not work"),
        ("NVIDIA H100 80GB HBM3, 81559, 580.95.05, 9.0\n" * 4, [], "GPUs", "will not work"),
        ("NVIDIA A100-SXM4-80GB, 81920, 580.95.05, 8.0\n" * 8, [], "kind of GPU", "will not work"),
        ("NVIDIA H200, 143771, 580.95.05, 9.0\n" * 8, [], "kind of GPU", "warning"),
        ("NVIDIA H100 PCIe, 65247, 580.95.05, 9.0\n" * 8, [], "GPU memory", "warning"),
    ],
)
def test_a_machine_that_does_not(csv: str, overrides: list[str], what: str, status: str) -> None:
    found = states(list(match_hardware(compose_config("train_8b_opengenome2", overrides), parse_gpus(csv))))
    assert found[what] == status


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({"cuda": None, "error": "Torch not compiled with CUDA enabled"}, "built without CUDA"),
        ({"cuda": "13.0", "error": "The NVIDIA driver on your system is too old"}, "CUDA 13.0: The NVIDIA driver"),
        ({"cuda": "13.0", "error": "", "devices": 4, "nccl": "2.28.9"}, "4, 8 needed"),
        ({"cuda": "13.0", "error": "", "devices": 8, "nccl": "2.28.9", "transformer_engine": "no module"}, "no module"),
    ],
)
def test_a_torch_that_does_not(found: dict[str, object], words: str) -> None:
    bad = [finding for finding in torch_findings(found, wanted=8) if finding.status == "will not work"]
    assert len(bad) == 1
    assert words in bad[0].found
    assert bad[0].fix


def test_ports_limits_and_variables() -> None:
    with socket.socket() as busy:
        busy.bind(("", 0))
        busy.listen()
        taken = system.port(str(busy.getsockname()[1]))
    assert taken.status == "will not work"
    assert "is not available" in taken.found
    assert system.port("http").status == "will not work"
    assert system.open_files(1024).status == "warning"
    assert system.open_files(resource.RLIM_INFINITY).status == system.open_files(65536).status == "ok"
    assert system.shared_memory(Path("/nowhere")).status == "will not work"
    assert system.offline({}).status == "warning"
    assert system.offline({"HF_HUB_OFFLINE": "1"}).status == "ok"


def test_the_size_of_a_checkpoint() -> None:
    """Fp32: weights and two moments. Bf16: bf16 weights, and master weights and moments in fp32."""
    tiny, large = compose_config("train_tiny"), compose_config("train_8b_opengenome2")
    assert system.checkpoint_bytes(tiny, read_architecture(tiny.model_tag)) == 12 * 3_082_496
    assert system.checkpoint_bytes(large, read_architecture(large.model_tag)) == 14 * 6_981_685_248


def test_a_run_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    for run, keep, expected in (
        (tmp_path / "run", 2, {"run directory": "ok", "disk space": "ok"}),
        (tmp_path / "run", 10**8, {"run directory": "ok", "disk space": "warning"}),
        (tmp_path / "file" / "run", 2, {"run directory": "will not work"}),
    ):
        config = compose_config("train_tiny", [f"run_dir={run}", f"trainer.keep_checkpoints={keep}"])
        assert states(list(system.run_directory(config, read_architecture(config.model_tag)))) == expected
    config = compose_config("train_35b", [f"run_dir={tmp_path}"])
    architecture = read_architecture(config.model_tag)
    one = system.checkpoint_bytes(config, architecture)
    for free, expected in ((one - 1, "will not work"), (one, "warning"), (3 * one, "ok")):
        monkeypatch.setattr("shutil.disk_usage", lambda path, free=free: SimpleNamespace(free=free, total=free, used=0))
        (_, space) = system.run_directory(config, architecture)
        assert space.status == expected
    assert not (tmp_path / "run").exists()  # nothing is left of the look


def test_a_run_of_the_tiny_model(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("MASTER_PORT", raising=False)
    values = [f"dataset.corpus={corpus}", f"run_dir={tmp_path}/run"]
    findings = list(examine("train_tiny", values))
    assert not [finding for finding in findings if finding.status == "will not work"]
    assert "0 will not work" in as_text(findings)
    assert json.loads(as_json(findings))[0].keys() == {"what", "status", "found", "fix"}
    for wrong, what in (
        (f"dataset.corpus={tmp_path}/none", "corpus"),
        ("model_tag=./none", "configuration"),
        ("dataset.global_batch_size=7", "configuration"),
    ):
        assert states(list(examine("train_tiny", [*values, wrong])))[what] == "will not work"


def test_the_command_is_quick_and_says_by_its_status(tmp_path: Path) -> None:
    program = [sys.executable, "-c", "from genomic_llama.cli.main import main; main()"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    run = subprocess.run(
        [*program, "doctor", "llama3_8b_genomic", "dataset.corpus=/nowhere", f"run_dir={tmp_path}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 1, run.stderr
    assert "/nowhere: is not a prepared corpus" in run.stdout
    assert "Traceback" not in run.stderr
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 5  # seconds; one on a quiet machine
    modules = "{'torch', 'nemo', 'megatron', 'transformers'} & sys.modules.keys()"
    code = f"import sys; from launch.preflight.examine import examine; list(examine(None, [])); print({modules})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.stdout.strip() == "set()", run.stderr


def test_a_gpu_run_without_gpus_is_told_before_nemo_is_imported(corpus: Path, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    if torch.version.cuda is not None:
        pytest.skip("torch is built with CUDA here")
    values = [f"dataset.corpus={corpus}", f"run_dir={tmp_path}/run", "hardware.devices=1", "parallelism=gpus_1"]
    arguments = ["--config-name", "train_tiny", "hardware=h100", "precision=bf16", *values]
    code = "import sys; from recipes.train import main; print(main(sys.argv[1:]), 'nemo' in sys.modules)"
    program = [sys.executable, "-c", code, *arguments]
    run = subprocess.run(program, capture_output=True, text=True, check=False)
    assert "error: hardware=h100: needs GPUs, but torch is built without CUDA. Install" in run.stderr
    assert run.stdout.strip() == "1 False"


def test_an_installation_without_the_lock_file_is_compared_with_its_own_pins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a wheel: the lock file is part of the repository alone."""
    from launch.preflight import software

    monkeypatch.setattr(software, "LOCK", tmp_path / "none")
    pins = software.required_versions()
    assert pins["nemo-toolkit"] == "2.7.3"
    assert "numpy" not in pins  # a bound
    found = {one.what: one for one in software.software_findings(gpu=False)}
    assert {found[name].status for name in software.PINNED} == {"ok"}
    assert "not compared" in found["other packages"].found
