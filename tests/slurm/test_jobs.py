"""Jobs that lose a node, that cannot be submitted, that start other ranks than asked for; and job arrays."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from slurm_cluster import Cluster
from tiny_llama import save_tiny_llama

from evaluation.report.stops import read_stops

BIN = Path(sys.executable).parent


def stub_job(cluster: Cluster, stub: Path, run: Path, what: str, *overrides: str) -> str:
    setup = f"launch.setup=export PATH={stub}:$PATH STUB={what}"
    return cluster.launch("llama3_tiny_genomic", f"run_dir={run}", "dataset.micro_batch_size=1", setup, *overrides)


def logged(run: Path, job: str) -> str:
    return (run / "slurm" / f"llama3-tiny-genomic-{job}.log").read_text()


@pytest.mark.parametrize("nodes", [1, 2])
def test_a_node_that_is_lost_and_comes_back(nodes: int, cluster: Cluster, stub: Path, tmp_path: Path) -> None:
    """Slurm itself requeues such a job, alone or with a healthy node; the run asked for nothing and resumes."""
    names = "n3" if nodes == 1 else "n2,n3"
    where = (f"hardware.num_nodes={nodes}", "launch.partition=frail", f'launch.directives=["--nodelist={names}"]')
    job = stub_job(cluster, stub, tmp_path / "run", "0:wait", *where)
    cluster.wait((tmp_path / "run" / "steps").exists, 200, what="steps")
    cluster.lose_node("n3")
    cluster.wait(lambda: cluster.job(job)["Restarts"] == "1", 90, what="Slurm to notice")
    cluster.start_node("n3")
    ended = cluster.wait_for(job)
    assert (ended["JobState"], ended["Restarts"], ended["ExitCode"]) == ("COMPLETED", "1", "0:0"), logged(
        tmp_path / "run", job
    )


def test_the_log_of_a_run_whatever_its_name(cluster: Cluster, stub: Path, tmp_path: Path) -> None:
    run = tmp_path / 'it\'s a 100%x "run"'
    job = stub_job(cluster, stub, run, "0:ask-2")
    assert cluster.wait_for(job)["JobState"] == "COMPLETED"
    assert "requeued: SIGUSR1 after step 2; the run resumes from step 2" in logged(run, job)
    assert len(read_stops(run)) == 1


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["launch.partition=nowhere"], "invalid partition specified: nowhere"),
        (["launch.container_image=/x.sqsh"], "launch.container_image: needs pyxis, which this Slurm does not have"),
    ],
)
def test_a_job_that_cannot_be_submitted(overrides: list[str], told: str, cluster: Cluster, tmp_path: Path) -> None:
    """Slurm's own words, and its status; of a container before that."""
    mount = "launch.container_mounts=[/:/]"
    command = [BIN / "genomic-llama", "launch", "llama3_tiny_genomic", "--slurm", f"run_dir={tmp_path}/run", *overrides]
    refused = subprocess.run([*command, mount], env=cluster.environment(), capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert told in refused.stderr


def test_a_script_for_another_cluster_says_that_pyxis_is_missing(cluster: Cluster, tmp_path: Path) -> None:
    given = [f"run_dir={tmp_path}/run", "launch.container_image=/x.sqsh", "launch.container_mounts=[/:/]"]
    script = cluster.run(str(BIN / "genomic-llama"), "launch", "llama3_tiny_genomic", "--slurm", "--dry-run", *given)
    (tmp_path / "job.sbatch").write_text(script)
    (tmp_path / "run" / "slurm").mkdir(parents=True)
    job = cluster.run("sbatch", "--parsable", str(tmp_path / "job.sbatch")).strip()
    assert cluster.wait_for(job)["ExitCode"] == "1:0"
    assert "launch.container_image needs pyxis" in logged(tmp_path / "run", job)


@pytest.mark.parametrize(
    ("tasks", "command", "told"),
    [
        (1, "genomic-llama launch llama3_tiny_genomic --local", "asks for 2 ranks, but Slurm started 1"),
        (1, "srun python -m recipes.train --config-name train_tiny", "asks for 2 ranks, but Slurm started 1"),
        (
            2,
            "python -m recipes.train --config-name train_tiny",
            "asks for 2 ranks, but the batch script of a Slurm job is a single process",
        ),
        (
            2,
            "srun -n1 torchrun --nproc-per-node=1 -m recipes.train --config-name train_tiny",
            "asks for 2 ranks, but torchrun started 1",
        ),
    ],
)
def test_other_ranks_than_asked_for(tasks: int, command: str, told: str, cluster: Cluster, tmp_path: Path) -> None:
    """In a job script of one's own."""
    line = f"PATH={BIN}:$PATH; {command} hardware.devices=2 run_dir={tmp_path}/run"
    options = [f"--ntasks-per-node={tasks}", "--nodes=1", f"--output={tmp_path}/log"]
    job = cluster.run("sbatch", "--parsable", *options, "--wrap", line).strip()
    assert cluster.wait_for(job)["JobState"] == "FAILED"
    assert told in (tmp_path / "log").read_text()
    assert not (tmp_path / "run" / "metrics.jsonl").exists()


def test_shards_of_a_corpus_as_a_job_array(cluster: Cluster, tmp_path: Path) -> None:
    """The line that is printed, and one that is too long by some; the corpus is the same to the byte as at once."""
    genomes = []
    for number in range(4):
        genomes.append(tmp_path / f"{number}.fa")
        genomes[-1].write_text(f">{number}\n" + "ACGTTGCA"[number:] * 200_000 + "\n")
    prepare = [str(BIN / "genomic-llama"), "prepare", *map(str, genomes), "--shard-mebibytes", "1", "--out"]
    cluster.run(*prepare, str(tmp_path / "at-once"))
    printed = cluster.run(*prepare, str(tmp_path / "array"), "--plan-only")
    line = shlex.split(next(line for line in printed.splitlines() if "sbatch --array=" in line))
    last = int(line[1].rpartition("-")[2])
    assert last >= 3
    path = f"{BIN}:{cluster.environment()['PATH']}"
    longer = [line[0], f"--array=0-{last + 2}", *line[2:]]
    log = f"--output={tmp_path}/shard-%a.log"
    jobs = [cluster.run(one[0], "--parsable", log, *one[1:], PATH=path).strip() for one in (line, longer)]
    for job in jobs:
        cluster.wait(lambda job=job: not cluster.run("squeue", "--noheader", "--job", job), 60, what="the array")
        states = cluster.run("scontrol", "show", "job", job)
        assert states.count("JobState=COMPLETED") == states.count("ArrayTaskId=")
    told = f"nothing to do: the plan has shards 0 to {last}, and this is number {last + 2}"
    assert told in (tmp_path / f"shard-{last + 2}.log").read_text()
    cluster.run(*prepare, str(tmp_path / "array"))
    files = sorted(path.name for path in (tmp_path / "at-once").iterdir() if path.suffix in (".bin", ".idx"))
    assert files
    for name in files:
        assert (tmp_path / "array" / name).read_bytes() == (tmp_path / "at-once" / name).read_bytes()


def test_shards_of_a_score_as_a_job_array(cluster: Cluster, tmp_path: Path) -> None:
    """The line of docs/launch.md; the merged result is the same to the byte as at once."""
    genome = tmp_path / "genome.fa"
    genome.write_text("".join(f">{number}\n{'ACGTTGCAAC'[number:] * 4000}\n" for number in range(8)))
    model = save_tiny_llama(tmp_path / "model", positions=64)
    score = [str(BIN / "genomic-llama"), "score", str(model), str(genome), "--out"]
    cluster.run(*score, str(tmp_path / "at-once.json"))
    path, parts = f"{BIN}:{cluster.environment()['PATH']}", tmp_path / "array.json"
    line = f"genomic-llama score {model} {genome} --out {parts} --shard $SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT"
    options = ("--parsable", "--array=1-3", f"--output={tmp_path}/score-%a.log", "--wrap", line)
    job = cluster.run("sbatch", *options, PATH=path).strip()
    cluster.wait(lambda: not cluster.run("squeue", "--noheader", "--job", job), 200, what="the array")
    written = sorted(tmp_path.glob("array.json.*.part"))
    assert len(written) == 3, (tmp_path / "score-1.log").read_text()
    cluster.run(str(BIN / "genomic-llama"), "merge", str(parts), *map(str, written))
    assert parts.read_bytes() == (tmp_path / "at-once.json").read_bytes()
