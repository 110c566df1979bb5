"""docs/commands.md is what the commands say of themselves."""

from pathlib import Path

import pytest
import typer.main

from genomic_llama.cli.main import app
from scripts.command_page import command_page

pytestmark = pytest.mark.fast


def test_the_page_of_commands_is_up_to_date() -> None:
    page = Path(__file__).parents[3] / "docs" / "commands.md"
    again = "python -m scripts.command_page > docs/commands.md"
    assert page.read_text(encoding="utf-8") == command_page(typer.main.get_command(app)), again


def test_every_option_says_what_it_means() -> None:
    lines = command_page(typer.main.get_command(app)).splitlines()
    assert [line for line in lines if line.startswith("| `") and line.endswith("|  |")] == []


@pytest.mark.parametrize("words", [("train", "llama3_tiny_genomic"), ("launch", "llama3_tiny_genomic", "--local")])
def test_a_dry_run_has_two_spellings(words: tuple[str, ...]) -> None:
    command = typer.main.get_command(app).commands[words[0]]  # type: ignore[attr-defined]
    given = [command.make_context(words[0], [*words[1:], flag]).params for flag in ("--dryrun", "--dry-run")]
    assert given[0] == given[1] != command.make_context(words[0], list(words[1:])).params
