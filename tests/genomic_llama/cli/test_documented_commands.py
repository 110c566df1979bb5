"""Commands in the documentation: each one parses, with options and settings that exist; those of tutorials are run."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from tiny_llama import save_tiny_llama
from typer.testing import CliRunner

from configs.compose import compose_config
from corpus.synthetic import write_synthetic_genome
from genomic_llama.cli.main import app
from launch.planning.names import configuration

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
WRITTEN_BY_SCRIPTS = {"commands.md", "api.md", "configuration.md", "support.md"}
RUN = {"train", "plan", "doctor", "launch"}
PLACEHOLDERS = ("…", "...", "<")


def documented(page: Path) -> Iterator[list[str]]:
    """The arguments of each `genomic-llama` in the shell blocks of a page, without those that leave something out."""
    for block in re.findall(r"^ *```(?:sh|console)?\n(.*?)^ *```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE):
        for line in block.replace("\\\n", " ").splitlines():
            line = line.strip().removeprefix("$ ")
            if line.startswith("genomic-llama ") and not any(mark in line for mark in PLACEHOLDERS):
                yield shlex.split(line, comments=True)[1:]


ALL = [
    pytest.param(arguments, id=f"{page.stem}: {' '.join(arguments)[:60]}")
    for page in PAGES
    if page.name not in WRITTEN_BY_SCRIPTS
    for arguments in documented(page)
]


@pytest.mark.parametrize("arguments", ALL)
def test_parses(arguments: list[str]) -> None:
    command: Any = typer.main.get_command(app)
    context = command.make_context("genomic-llama", list(arguments))
    rest = [*context._protected_args, *context.args]
    while hasattr(command, "commands"):
        name, command, rest = command.resolve_command(context, rest)
        context = command.make_context(name, rest, parent=context)
        rest = [*context._protected_args, *context.args]
    if context.info_name in RUN and (recipe := context.params.get("recipe")):
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
