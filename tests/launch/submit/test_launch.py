"""Launch scripts: linted, complete, run with stand-ins for a scheduler's programs, and wrong sites refused by name."""

import json
import os
import re
import shlex
import stat
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
import yaml
from refusal import refused

from launch.submit.launch import make_script
from launch.submit.sites import SITES, read_site

BIN = Path(sys.executable).parent
HARD = 'run_dir=runs/it\'s "$HOME" `date`'  # a value that only correct quoting brings through


DOCUMENT = (Path(__file__).parents[3] / "docs" / "launch.md").read_text(encoding="utf-8")
TARGETS = {f"--{target}" for target in SITES}
BUILT_IN = "dataset.corpus=synthetic"  # which the run prepares, so that none has to be here


def script(*overrides: str, target: str = "slurm", recipe: str = "llama3_8b_genomic", directory: Path) -> str:
    return make_script(recipe, overrides, target=target, directory=directory)[2]


def program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/bash\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IEXEC)


SLURM = [
    (),
    ("hardware.num_nodes=8", "parallelism=gpus_64", "launch.account=a", "launch.partition=p", "launch.qos=q"),
    ("launch.container_image=nvcr.io#nvidia/pytorch:25.10-py3", "launch.container_mounts=[/data:/data]"),
    ("launch.setup=. .venv/bin/activate", "launch.gres=gpu:8", "launch.directives=[--mail-type=END]"),
    ("launch.environment={NCCL_IB_HCA: mlx5_0, NCCL_DEBUG: WARN}", HARD),
    ("hardware=cpu", "parallelism=plain", "precision=fp32"),
    ("engine=bridge", "hardware.num_nodes=2"),
]


@pytest.mark.parametrize("overrides", SLURM)
def test_shell_scripts_pass_shellcheck(overrides: tuple[str, ...], tmp_path: Path) -> None:
    """SC2016: a dollar sign in a value is meant as one."""
    texts = [script(*overrides, directory=tmp_path)]
    texts.append(script(HARD, target="local", recipe="llama3_tiny_genomic", directory=tmp_path))
    for text in texts:
        result = subprocess.run(
            [BIN / "shellcheck", "--exclude=SC2016", "-"], input=text, capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, result.stdout


def test_the_sbatch_script_says_what_was_asked(tmp_path: Path) -> None:
    text = script(*SLURM[1], "launch.time=08:00:00", "launch.grace_seconds=600", directory=tmp_path)
    directives = [line.removeprefix("#SBATCH ") for line in text.splitlines() if line.startswith("#SBATCH")]
    assert directives == [
        "--job-name=llama3-8b-genomic",
        "--account=a",
        "--partition=p",
        "--qos=q",
        "--nodes=8",
        "--ntasks-per-node=8",
        "--gpus-per-node=8",
        "--exclusive",
        "--mem=0",
        "--time=08:00:00",
        "--signal=USR1@600",
        "--requeue",
        "--open-mode=append",
        f"--output={tmp_path}/runs/llama3_8b_genomic/slurm/%x-%j.log",
    ]


@pytest.mark.parametrize(("status", "requeued"), [(0, False), (1, False), (75, False), (75, True)])
def test_the_sbatch_script_requeues_where_the_run_asked(status: int, requeued: bool, tmp_path: Path) -> None:
    """`srun`, `scontrol` and `python` are stand-ins that note their arguments; the script is what is submitted."""
    work = tmp_path / "a work directory"
    work.mkdir()
    programs = tmp_path / "bin"
    programs.mkdir()
    word = 'mkdir -p "$GENOMIC_LLAMA_STOP_DIR"; echo because > "$GENOMIC_LLAMA_STOP_DIR/requeue"' if requeued else ""
    program(
        programs / "srun",
        f'[ "$1" = --help ] && exec echo --container-image\n{word}\n'
        f'printf "%s\\n" "$@" > "{tmp_path}/srun"; exec bash -c "${{@: -1}}"',
    )
    program(programs / "scontrol", f'echo "$@" >> "{tmp_path}/scontrol"; [ "$1" = requeue ] || echo node1')
    program(
        programs / "python",
        f"exec '{sys.executable}' -c 'import json, os, sys; json.dump([sys.argv[1:], os.getcwd(), dict(os.environ)], "
        f'open("{tmp_path}/python", "w")); sys.exit({status})\' "$@"',
    )
    text = script(HARD, 'launch.setup=export MARK="it\'s $HOME"', "launch.container_image=i", directory=work)
    environment = {
        "PATH": f"{programs}:/usr/bin:/bin",
        "HOME": "/h",
        "SLURM_JOB_NODELIST": "node1",
        "SLURM_JOB_ID": "7",
    }
    result = subprocess.run(["bash", "-c", text], env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == status, result.stderr
    arguments, directory, variables = json.loads((tmp_path / "python").read_text())
    assert arguments == ["-m", "recipes.train", "--config-name", "train_8b_opengenome2", HARD]
    assert directory == str(work)
    assert variables["MARK"] == "it's /h"
    assert (variables["MASTER_ADDR"], variables["MASTER_PORT"]) == ("node1", "20007")
    assert variables["CUDA_DEVICE_MAX_CONNECTIONS"] == "32"
    assert variables["GENOMIC_LLAMA_STOP_DIR"].endswith("/slurm/7.0")
    assert ("requeued: because" in result.stdout) is requeued
    assert f"--container-mounts={work}:{work}" in (tmp_path / "srun").read_text().splitlines()
    assert ("requeue 7" in (tmp_path / "scontrol").read_text().splitlines()) is requeued


def test_megatron_bridge_is_started_by_its_own_python(tmp_path: Path) -> None:
    """In a container it is the container's; ranks are started as NeMo's are."""
    own = f"exec {Path(__file__).parents[3]}/.venv-bridge/bin/python -m recipes.train "
    for target, recipe in (("slurm", "llama3_8b_genomic"), ("local", "llama3_tiny_genomic")):
        text = script("engine=bridge", target=target, recipe=recipe, directory=tmp_path)
        assert own in text
        assert text.replace(own, f"exec {sys.executable} -m recipes.train ").replace(
            " \\\n    engine=bridge", ""
        ) == script(target=target, recipe=recipe, directory=tmp_path)
    assert "exec python -m" in script("engine=bridge", "launch.container_image=i", directory=tmp_path)
    stored = ("engine=bridge", *STORED, "launch.image=i", "launch.claim=c")
    assert "engine=bridge" in script(*stored, target="kubernetes", directory=tmp_path)
    with refused("engine-door", names="skypilot"):
        script("engine=bridge", target="skypilot", directory=tmp_path)
    with refused("engine-setting", names="precision.fp8"):
        script("engine=bridge", "precision=fp8_current", directory=tmp_path)


def test_tensor_parallelism_changes_the_environment(tmp_path: Path) -> None:
    split = ("parallelism.tensor=4", "parallelism.sequence_parallel=true")
    assert "CUDA_DEVICE_MAX_CONNECTIONS=1 " in script(*split, directory=tmp_path)
    assert "CUDA_DEVICE_MAX_CONNECTIONS=32 " in script(*split, "hardware=b200", directory=tmp_path)


STORED = ("run_dir=/workspace/run", "dataset.corpus=/workspace/corpus")


@pytest.mark.parametrize(
    ("target", "overrides", "kind", "names", "fix"),
    [
        ("slurm", ["launch.acount=a"], "unknown-key", "'acount'", "'account'"),
        ("slurm", ["launch.account"], "not-an-override", "'launch.account'", "launch.KEY=VALUE"),
        ("slurm", ["launch.grace_seconds=soon"], "not-a-number", "'soon'", "20"),
        ("slurm", ["launch.account=a\nb"], "unprintable", r"a\nb", ""),
        ("slurm", ["launch.account=a b;c"], "not-one-word", "launch.account='a b;c'", "one word"),
        ("slurm", ["launch.environment={A-B: x}"], "variable-name", "'A-B'", ""),
        ("slurm", ["launch.container_mounts=/a"], "not-a-list", "'/a'", "launch.container_mounts=[/a]"),
        ("skypilot", ["launch.mounts=/data"], "not-a-list", "'/data'", "{key: value}"),
        ("slurm", ["precision=mxfp8"], "settings-rule", "precision.fp8=mxfp8", "b200"),
        ("slurm", ["trainer.max_step=2"], "unknown-key", "'max_step'", "'max_steps'"),
        ("local", ["hardware.num_nodes=2"], "local-nodes", "hardware.num_nodes=2", "hardware.num_nodes=1"),
        ("kubernetes", [], "site-lacks", "launch.image, launch.claim, run_dir, dataset.corpus", "genomic-llama launch"),
        (
            "kubernetes",
            ["launch.claim=c", "launch.image=i", "run_dir=/home/me/run", "dataset.corpus=/workspace/c"],
            "off-mounts",
            "run_dir=/home/me/run",
            "run_dir=/workspace/run",
        ),
        (
            "kubernetes",
            ["launch.claim=c", "launch.image=i", "run_dir=/workspace/../etc/y", "dataset.corpus=/workspace/c"],
            "off-mounts",
            "run_dir=/workspace/../etc/y",
            "run_dir=/workspace/y",
        ),
        (
            "slurm",
            [
                "launch.container_image=i",
                "run_dir=/lustre/run",
                "dataset.corpus=/data/c",
                "launch.container_mounts=[/x:/data:ro]",
            ],
            "off-container-mounts",
            "run_dir=/lustre/run",
            "[/lustre:/lustre]",
        ),
        (
            "kubernetes",
            ["launch.claim=c", "launch.image=i"],
            "site-lacks",
            "run_dir, dataset.corpus",
            "run_dir=/workspace/",
        ),
        ("kubernetes", ["launch.clam=c"], "unknown-key", "'clam'", "'claim'"),
        ("skypilot", ["run_dir=/data/run"], "site-lacks", "launch.mounts, dataset.corpus", "'launch.mounts="),
    ],
)
def test_refused(target: str, overrides: list[str], kind: str, names: str, fix: str, tmp_path: Path) -> None:
    with refused(kind, names=names, fix=fix):
        script(*overrides, target=target, directory=tmp_path)


@pytest.mark.parametrize("target", ["kubernetes", "skypilot"])
@pytest.mark.parametrize("given", [(), ("run_dir=runs/mine",), ("parallelism=gpus_64", "hardware.num_nodes=8")])
def test_the_example_of_a_refusal_is_accepted(target: str, given: tuple[str, ...], tmp_path: Path) -> None:
    """One line has all that lacks: what it prints is a job."""
    refused = command("llama3_8b_genomic", f"--{target}", *given, cwd=tmp_path)
    assert refused.returncode == 1
    _, _, example = refused.stderr.strip().partition("genomic-llama launch ")
    accepted = command(*shlex.split(example), cwd=tmp_path)
    assert accepted.returncode == 0, accepted.stderr
    assert list(yaml.safe_load_all(accepted.stdout))


def test_weights_to_start_from_are_on_a_mount_too(tmp_path: Path) -> None:
    given = (*STORED, "launch.image=i", "launch.claim=c")
    with refused("off-mounts", names="init_from=/home/8b", fix="init_from=/workspace/8b"):
        script(*given, "init_from=/home/8b", target="kubernetes", recipe="llama3_8b_genomic_lora", directory=tmp_path)


def test_weights_are_looked_for_where_the_job_runs_without_a_container(tmp_path: Path) -> None:
    given = ("llama3_8b_genomic_lora", "--slurm", f"init_from={tmp_path}/none", f"run_dir={tmp_path}/run", BUILT_IN)
    assert command(*given, "--dry-run", cwd=tmp_path).returncode == 0  # for elsewhere
    refused = command(*given, cwd=tmp_path)
    assert refused.returncode == 1
    assert f"{tmp_path}/none: no such directory" in refused.stderr
    assert list(tmp_path.iterdir()) == []


def examples() -> list[str]:
    """Every command of docs/launch.md and docs/cloud.md, and of README.md where it launches."""
    docs = Path(__file__).parents[3]
    text = "".join(
        (docs / name).read_text(encoding="utf-8") for name in ("docs/launch.md", "docs/cloud.md", "README.md")
    )
    blocks = re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [line for line in lines if line.startswith("genomic-llama launch")]


@pytest.mark.parametrize("line", examples())
def test_the_examples_of_the_documents(line: str, tmp_path: Path) -> None:
    (tmp_path / "my_cluster.yaml").write_text(re.search(r"```yaml\n(.*?)```", DOCUMENT, flags=re.DOTALL)[1])
    words = shlex.split(line)[2:]
    printed = command(*words, *([] if "--dry-run" in words else ["--dry-run"]), cwd=tmp_path)
    assert printed.returncode == 0, printed.stderr
    assert "recipes.train" in printed.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["my_cluster.yaml"]


def test_the_documents_have_an_example_of_each_target() -> None:
    assert {word for line in examples() for word in shlex.split(line) if word in TARGETS} == TARGETS


@pytest.mark.parametrize("target", sorted(SITES))
def test_the_documents_list_every_key(target: str) -> None:
    page = "cloud.md" if target in ("kubernetes", "skypilot") else "launch.md"
    text = (Path(__file__).parents[3] / "docs" / page).read_text(encoding="utf-8")
    listed = {name for row in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE) for name in re.findall(r"`(.+?)`", row)}
    names = {one.name for one in fields(SITES[target])}
    assert {name for name in names if not {name, f"launch.{name}"} & listed} == set()


def test_a_site_of_ones_own(tmp_path: Path) -> None:
    site = tmp_path / "site.yaml"
    site.write_text("account: from_file\ntime: '01:00:00'\nenvironment: {NCCL_SOCKET_IFNAME: eth0}\n")
    read, lacking = read_site("slurm", site, ["launch.account=from_command"])
    assert not lacking
    assert read == SITES["slurm"](account="from_command", time="01:00:00", environment={"NCCL_SOCKET_IFNAME": "eth0"})
    for text, kind, where in (
        ("- a\n", "site-file", site),
        ("a: [", "not-yaml", site),
        ("acount: x\n", "unknown-key", "launch"),
    ):
        site.write_text(text)
        with refused(kind, where=where):
            read_site("slurm", site, [])


def test_words_of_the_command_line_stay_as_written() -> None:
    """YAML 1.1 makes 43200 of 12:00:00, which Slurm takes for 30 days."""
    given = ["launch.time=12:00:00", "launch.account=0123", "launch.partition=on", "launch.environment={A: 01:30}"]
    read, _ = read_site("slurm", None, [*given, "launch.grace_seconds=60", "launch.qos=null"])
    assert read == SITES["slurm"](
        time="12:00:00", account="0123", partition="on", environment={"A": "01:30"}, grace_seconds=60
    )


@pytest.mark.parametrize(
    ("given", "kind", "names", "fix"),
    [
        (["launch.time=banana"], "time-limit", "launch.time=banana", "HOURS:MINUTES:SECONDS"),
        (["launch.time=720"], "time-limit", "launch.time=720", "HOURS:MINUTES:SECONDS"),
        (["launch.time=00:04:59"], "no-time-to-train", "-1 s", "180 s"),
        (["launch.time=00:02:00", "launch.grace_seconds=110"], "no-time-to-train", "10 s", "180 s"),
        (["launch.grace_seconds=-5"], "no-time-to-train", "launch.grace_seconds=-5", "180 s"),
    ],
)
def test_times_that_cannot_be(given: list[str], kind: str, names: str, fix: str, tmp_path: Path) -> None:
    with refused(kind, names=names, fix=fix):
        read_site("slurm", None, given)
    (tmp_path / "site.yaml").write_text("time: 12:00:00\n")
    site, _ = read_site("slurm", tmp_path / "site.yaml", [])
    assert site == SITES["slurm"](time="12:00:00")  # YAML 1.1 makes 43200 of it


def command(*arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **variables}
    line = [BIN / "genomic-llama", "launch", *arguments]
    return subprocess.run(line, capture_output=True, text=True, cwd=cwd, env=environment, check=False)


def test_the_command(tmp_path: Path) -> None:
    dry = command("llama3_8b_genomic", "--slurm", "--dry-run", BUILT_IN, cwd=tmp_path)
    assert (dry.returncode, dry.stdout) == (0, script(BUILT_IN, directory=tmp_path.resolve()))
    assert list(tmp_path.iterdir()) == []
    none = command("llama3_8b_genomic", "--slurm", BUILT_IN, cwd=tmp_path, PATH="/nowhere")
    assert none.returncode == 1
    assert "sbatch is not on this machine" in none.stderr
    two = command("llama3_8b_genomic", "--slurm", "--local", cwd=tmp_path)
    assert two.returncode == 1
    assert list(tmp_path.iterdir()) == []
    program(tmp_path / "sbatch", 'cp "$1" sent; echo Submitted batch job 17 on cluster x; exit 3')
    sent = command("llama3_8b_genomic", "--slurm", BUILT_IN, cwd=tmp_path, PATH=f"{tmp_path}:/usr/bin:/bin")
    run = tmp_path.resolve() / "runs" / "llama3_8b_genomic"
    assert (sent.returncode, sent.stdout.splitlines()) == (
        3,
        [
            "Submitted batch job 17 on cluster x",
            f"script: {run}/launch.sbatch",
            f"log:    {run}/slurm/llama3-8b-genomic-17.log",
        ],
    )
    assert (tmp_path / "sent").read_text() == dry.stdout
    assert (run / "slurm").is_dir()
    assert (tmp_path / "runs/llama3_8b_genomic/launch.sbatch").read_text() == dry.stdout


def test_a_job_that_will_not_fit_gets_a_warning(tmp_path: Path) -> None:
    dry = command("llama3_8b_genomic", "--slurm", "--dry-run", "precision.grad_reduce_in_fp32=true", cwd=tmp_path)
    assert dry.returncode == 0
    assert dry.stderr.startswith("warning: the plan says that this needs 86.1 GiB on a GPU of 79.6")
    assert dry.stderr.splitlines()[0].endswith(
        "genomic-llama plan llama3_8b_genomic precision.grad_reduce_in_fp32=true"
    )


def test_adapters_get_no_warning_for_the_memory_of_all_weights(tmp_path: Path) -> None:
    given = ("init_from=x", "hardware.devices=1", "trainer.max_steps=3000")
    dry = command("llama3_8b_genomic_lora", "--slurm", "--dry-run", *given, cwd=tmp_path)
    assert dry.returncode == 0
    assert dry.stderr.startswith("warning: the schedule ends at step 2,000 of 3,000: the 1,000 steps after it")
    assert dry.stderr.count("warning:") == 1


def test_it_imports_nothing_heavy() -> None:
    heavy = {"torch", "nemo", "nemo_run", "hydra"}
    code = (
        "import sys; from pathlib import Path; from launch.submit.launch import make_script\n"
        "make_script('llama3_8b_genomic', [], target='slurm', directory=Path('.'))\n"
        f"print({heavy!r} & sys.modules.keys())"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "set()\n"
