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
