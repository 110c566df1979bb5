"""Commands in the documentation: each one exists and parses; those of tutorials are run.

A block with a command that needs a GPU, a cluster or other software is marked so, and no other block is.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import typer.main
from shell_blocks import Block, shell_blocks
from tiny_llama import save_tiny_llama
from typer.testing import CliRunner

from configs.compose import compose_config
from corpus.synthetic import write_synthetic_genome
from genomic_llama.cli.main import app
from launch.planning.names import configuration
from scripts.site import titled

ROOT = Path(__file__).parents[3]
WRITTEN_BY_SCRIPTS = {"commands.md", "api.md", "configuration.md", "support.md"}
PAGES = [
    page for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))) if page.name not in WRITTEN_BY_SCRIPTS
]
COMPOSED = {"train", "plan", "doctor", "launch"}
EVERYWHERE = {".", "cat", "cd", "cmp", "echo", "export", "for", "git", "head", "ls", "pip", "python3.11"}
CLUSTER = {"sbatch", "squeue", "torchrun"}
SCHEDULERS = {"--slurm", "--kubernetes", "--skypilot"}
OTHER_SOFTWARE = {"vllm": "vLLM", "llama-completion": "llama.cpp", "lm_eval": "lm-evaluation-harness"}


def _name(program: str) -> str:
    return program.rpartition("/")[2]


def blocks() -> Iterator[Any]:
    for page in PAGES:
        for number, block in enumerate(shell_blocks(page), 1):
            yield pytest.param(block, id=f"{page.stem} {number}")


def documented(page: Path) -> Iterator[list[str]]:
    """The arguments of each `genomic-llama` in the shell blocks of a page."""
    for block in shell_blocks(page):
        yield from (list(words[1:]) for words in block.commands if _name(words[0]) == "genomic-llama")


def accelerator(command: Sequence[str]) -> str | None:
    """What a command trains on, as composed from its words; None if it does not train. Errors: of the configuration."""
    name = _name(command[0])
    if name == "genomic-llama" and command[1] == "train":
        recipe, *overrides = [word for word in command[2:] if not word.startswith("--")]
    elif "recipes.train" in command:
        recipe, overrides = command[command.index("--config-name") + 1], [word for word in command if "=" in word]
    elif name == "nemo":
        recipe, overrides = command[command.index("--factory") + 1], []
    else:
        return None
    config, own = configuration(recipe)
    return compose_config(config, [*own, *overrides]).hardware.accelerator


def needs(block: Block) -> str | None:
    """What the commands of a block need beside this project on a CPU."""
    words = {word for command in block.commands for word in command}
    programs = {_name(command[0]) for command in block.commands}
    submitted = any(SCHEDULERS & set(command) and "--dry-run" not in command for command in block.commands)
    if programs & CLUSTER or submitted or "--ray-address" in words or any("SLURM_ARRAY" in word for word in words):
        return "a cluster"
    if words & {"install-gpu", "sglang.launch_server", "--devices"} or "gpu" in map(accelerator, block.commands):
        return "a GPU"
    return next((software for program, software in OTHER_SOFTWARE.items() if program in programs), None)


@pytest.mark.parametrize("block", blocks())
def test_a_block_says_what_it_needs(block: Block) -> None:
    assert block.commands
    assert block.needs == needs(block)


def test_the_site_shows_what_a_block_needs() -> None:
    for page in PAGES:
        marked = [block.needs for block in shell_blocks(page) if block.needs]
        assert re.findall(r'```\w+ title="Needs (.+)"', titled(page.read_text("utf-8"))) == marked


@pytest.mark.parametrize("block", blocks())
def test_every_program_exists(block: Block) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for program, *words in block.commands:
        name = _name(program)
        if name == "make":
            assert {word for word in words if "=" not in word} <= targets
        elif name in ("python", "torchrun") and "-m" in words:
            module = words[words.index("-m") + 1]
            assert block.needs or find_spec(module), module
        else:
            ours = name in {"genomic-llama", "nemo", "python"} or (ROOT / program).is_file()
            assert block.needs or ours or name in EVERYWHERE, name


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(arguments, id=f"{page.stem}: {' '.join(arguments)[:60]}")
        for page in PAGES
        for arguments in documented(page)
    ],
)
def test_parses(arguments: list[str]) -> None:
    command: Any = typer.main.get_command(app)
    context = command.make_context("genomic-llama", list(arguments))
    rest = [*context._protected_args, *context.args]
    while hasattr(command, "commands"):
        name, command, rest = command.resolve_command(context, rest)
        context = command.make_context(name, rest, parent=context)
        rest = [*context._protected_args, *context.args]
    if context.info_name in COMPOSED and (recipe := context.params.get("recipe")):
        words = [word for word in context.params.get("overrides") or () if not word.startswith("launch.")]
        name, own = configuration(recipe)
        compose_config(name, [*own, *words])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `make demo` leaves one, with a model that has learned nothing."""
    made = tmp_path_factory.mktemp("documented")
    save_tiny_llama(made / "demo" / "model", positions=1024)
    write_synthetic_genome(made / "demo" / "genome.fa", contigs=1, contig_length=7000)
    (made / "promoter.bed").write_text("synthetic_1\t1000\t1200\tpromoter\n")
    return made


@pytest.mark.parametrize("page", ["mutation", "quickstart"])
def test_a_tutorial_runs(page: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of its commands on the demo model. The others of the quick start are those of `make demo`."""
    monkeypatch.chdir(folder)
    commands = [one for one in documented(ROOT / "docs" / f"{page}.md") if "demo/model" in one or one[0] == "score"]
    assert commands
    for arguments in commands:
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, (arguments, result.output, result.exception)


@pytest.mark.torture
def test_the_tour_shows_the_commands_of_its_script(folder: Path) -> None:
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["bash", ROOT / "scripts" / "tour.sh"], cwd=folder, env=environment, text=True, capture_output=True
    )
    assert done.returncode == 0, done.stderr
    run = {line for line in done.stdout.splitlines() if line.startswith("$ ")}
    page = (ROOT / "docs" / "tour.md").read_text("utf-8")
    shown = {line for line in page.splitlines() if line.startswith("$ ")}
    assert shown == run
