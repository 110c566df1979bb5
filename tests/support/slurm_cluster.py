"""A Slurm of the tests: one controller and some nodes on this machine, each in a network of its own.

Debian's slurmctld, slurmd and munged, started here and ended by their process ids. A node is a network, host-name and
mount namespace with an address of its own on a bridge inside the controller's namespace, so ranks of two nodes meet
over a network, and nothing outside can reach or be reached. The file system is shared, as a cluster's is.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

NODES = ("n1", "n2", "n3")
ADDRESSES = {"login": "10.77.0.1"} | {node: f"10.77.0.{number}" for number, node in enumerate(NODES, start=11)}
PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch", "ip", "nsenter", "unshare")

CONFIG = """
ClusterName=tests
SlurmctldHost=login(10.77.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SchedulerType=sched/builtin
SchedulerParameters=builtin_interval=1,sched_interval=1,sched_min_interval=100000
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=8
SlurmdTimeout=10
MinJobAge=7200
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd-%n.log
PartitionName=tests Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP
PartitionName=frail Nodes=n3,n2 MaxTime=INFINITE State=UP
"""


def lacking() -> str:
    """Why no cluster can be started here; "" where one can."""
    if os.geteuid() != 0:
        return "a Slurm of the tests is started by root alone"
    search = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    if missing := [program for program in PROGRAMS if shutil.which(program, path=search) is None]:
        return (
            f"not installed: {', '.join(missing)}; `make test-slurm` installs slurm-wlm, munge and iproute2 on Debian"
        )
    namespaces = subprocess.run(["unshare", "--net", "--uts", "--mount", "true"], capture_output=True, check=False)
    return "" if namespaces.returncode == 0 else "no namespaces can be made here"


class Cluster:
    """A running Slurm. `programs`: for PATH, its commands run on the login node; `small`: a disk of 1 MB."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="slurm-"))
        self.programs, self.small = self.folder / "bin", self.folder / "small"
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        self._holders: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        for name in ("state", "log", "bin", "small"):
            (self.folder / name).mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tests", str(self.small)], check=True)
        nodes = "".join(f"NodeName={node} NodeAddr={ADDRESSES[node]} CPUs=64\n" for node in NODES)
        (self.folder / "slurm.conf").write_text(
            CONFIG.format(folder=self.folder).replace("PartitionName", nodes + "PartitionName", 1)
        )
        (self.folder / "hosts").write_text(
            "".join(f"{address} {name}\n" for name, address in ADDRESSES.items()) + "127.0.0.1 localhost\n"
        )
        for program in ("sbatch", "srun", "scontrol", "scancel", "squeue", "sinfo"):
            self._write_program(program)
        self._start_munged()
        self._make_networks()
        self._daemon("slurmctld", "login", ["slurmctld", "-D"])
        for node in NODES:
            self.start_node(node)
        self.wait(lambda: set(self.nodes().values()) == {"idle"}, 60, what="nodes")

    def stop(self) -> None:
        """End what was started, by process id: the daemons, then every process that is still in a namespace of ours."""
        for daemon in self._daemons.values():
            daemon.kill()
            daemon.wait()
        for name in (*NODES, "login"):
            if name in self._holders:
                self._kill_inside(name)
                self._holders[name].wait()
        subprocess.run(["umount", "--lazy", str(self.small)], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def start_node(self, node: str) -> None:
        self._daemon(node, node, ["slurmd", "-D", "-N", node])

    def lose_node(self, node: str) -> None:
        """As in a power cut: every process of the node is killed without notice."""
        self._kill_inside(node, spare=self._holders[node].pid)
        self._daemons[node].wait()

    def inside(self, where: str, command: Sequence[str]) -> list[str]:
        """The command line that runs `command` on a node, or on the login node."""
        namespaces = ["nsenter", "--target", str(self._holders[where].pid), "--net", "--uts", "--mount"]
        return [*namespaces, f"--wd={Path.cwd()}", *command]

    def environment(self, **variables: str) -> dict[str, str]:
        """Of a user at the login node."""
        own = {"PATH": f"{self.programs}:{os.environ['PATH']}", "SLURM_CONF": str(self.folder / "slurm.conf")}
        return {**os.environ, **own, **variables}

    def run(self, *command: str, **variables: str) -> str:
        """What a command on the login node prints."""
        result = subprocess.run(
            self.inside("login", command),
            env=self.environment(**variables),
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, f"{command}: {result.stderr}"
        return result.stdout

    def launch(self, recipe: str, *overrides: str, **variables: str) -> str:
        """The number of the job that `genomic-llama launch RECIPE --slurm` submits."""
        program = Path(sys.executable).with_name("genomic-llama")
        told = self.run(str(program), "launch", recipe, "--slurm", *overrides, **variables)
        return told.split("Submitted batch job ")[1].split()[0]

    def nodes(self) -> dict[str, str]:
        """The state of each node."""
        lines = self.run("sinfo", "--noheader", "--Node", "--format=%N %T").split("\n")
        return dict(line.split() for line in lines if line)  # type: ignore[misc]

    def job(self, job: str) -> dict[str, str]:
        """`scontrol show job`: JobState, Restarts, ExitCode and so on."""
        return dict(re.findall(r"(\w+)=(\S*)", self.run("scontrol", "show", "job", job)))

    def wait_for(self, job: str, *states: str, seconds: float = 300) -> dict[str, str]:
        """The job when it is in one of `states`; without one, when it is over."""
        over = states or ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY")
        self.wait(lambda: self.job(job)["JobState"] in over, seconds, what=f"job {job} to be {over}")
        return self.job(job)

    def wait(self, true: Callable[[], bool], seconds: float, *, what: str) -> None:
        deadline = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < deadline, f"waited {seconds} s for {what}\n{self.run('squeue')}\n{self._log()}"
            time.sleep(0.2)

    def _log(self) -> str:
        return "".join(path.read_text()[-1500:] for path in sorted((self.folder / "log").iterdir()))

    def _write_program(self, name: str) -> None:
        path = self.programs / name
        path.write_text(
            f'#!/bin/sh\nexec nsenter --target "$(cat {self.folder}/login.pid)" --net --uts --mount '
            f'--wd="$PWD" {shutil.which(name)} "$@"\n'
        )
        path.chmod(0o755)

    def _start_munged(self) -> None:
        key = self.folder / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(64))
        options = {"key-file": key, "socket": "munge.socket", "pid-file": "munged.pid", "seed-file": "munge.seed"}
        command = [f"--{name}={self.folder / value}" for name, value in options.items()]
        self._popen("munged", ["munged", "--foreground", "--force", *command])

    def _make_networks(self) -> None:
        for name in ("login", *NODES):
            script = (
                f"hostname {name}; mount --bind {self.folder}/hosts /etc/hosts; ip link set lo up; exec sleep infinity"
            )
            command = ["unshare", "--net", "--uts", "--mount", "sh", "-c", script]
            self._holders[name] = subprocess.Popen(command, env=self._path())
            (self.folder / f"{name}.pid").write_text(str(self._holders[name].pid))
        time.sleep(0.5)
        self._ip("login", "link add br0 type bridge", "addr add 10.77.0.1/24 dev br0", "link set br0 up")
        for node in NODES:
            self._ip(
                "login",
                f"link add v{node} type veth peer name eth0 netns {self._holders[node].pid}",
                f"link set v{node} master br0",
                f"link set v{node} up",
            )
            self._ip(node, f"addr add {ADDRESSES[node]}/24 dev eth0", "link set eth0 up")

    def _ip(self, where: str, *commands: str) -> None:
        for command in commands:
            subprocess.run(self.inside(where, ["ip", *command.split()]), env=self._path(), check=True)

    def _daemon(self, name: str, where: str, command: Sequence[str]) -> None:
        self._popen(name, self.inside(where, [*command, "-f", f"{self.folder}/slurm.conf"]))

    def _popen(self, name: str, command: Sequence[str]) -> None:
        with open(self.folder / "log" / f"{name}.out", "ab") as log:
            self._daemons[name] = subprocess.Popen(command, stdout=log, stderr=log, env=self._path())

    def _path(self) -> Mapping[str, str]:
        """Daemons get no variables of the tests: jobs have those of their user."""
        return {"PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}

    def _kill_inside(self, name: str, *, spare: int = 0) -> None:
        """End the processes in the network namespace of a node, again until there are none."""
        space = os.stat(f"/proc/{self._holders[name].pid}/ns/net").st_ino
        for _ in range(20):
            pids = [int(entry) for entry in os.listdir("/proc") if entry.isdecimal()]
            ours = [pid for pid in pids if pid != spare and _namespace(pid) == space]
            for pid in ours:
                os.kill(pid, signal.SIGKILL)
            if not ours:
                return
            time.sleep(0.1)


def _namespace(pid: int) -> int:
    """The inode of a process's network; 0 where it has ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return 0 if state == "Z" else os.stat(f"/proc/{pid}/ns/net").st_ino
    except OSError:
        return 0
