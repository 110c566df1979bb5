"""Shell blocks of the documentation, and the commands in them.

A block that not every machine can run says so in its first line: `# needs a GPU`. The site shows that as its title.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(r"^( *)```(sh|console)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
_NEEDS = re.compile(r"# needs (.+)")
_SEPARATORS = {"&&", "||", "|", ";"}
_ASSIGNMENT = re.compile(r"[A-Z_]+=.*")


@dataclass(frozen=True)
class Block:
    """The commands of a block, each as words, and what it says that it needs."""

    commands: tuple[tuple[str, ...], ...]
    needs: str | None


def shell_blocks(page: Path) -> Iterator[Block]:
    """The shell blocks of a Markdown page; of a console block, what is typed."""
    for _, language, text in _BLOCK.findall(page.read_text("utf-8")):
        lines = [line.strip() for line in text.replace("\\\n", " ").splitlines()]
        if language == "console":
            lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        needs = _NEEDS.fullmatch(lines[0])
        yield Block(commands=tuple(_commands(lines)), needs=needs[1] if needs else None)


def _commands(lines: list[str]) -> Iterator[tuple[str, ...]]:
    open_lines = ""
    for line in lines:
        open_lines += line
        try:
            words = shlex.split(open_lines, comments=True)
        except ValueError:  # a quote that a later line closes
            open_lines += "\n"
            continue
        open_lines = ""
        yield from _simple_commands(words)


def _simple_commands(words: list[str]) -> Iterator[tuple[str, ...]]:
    command: list[str] = []
    for word in [*words, ";"]:
        if word not in _SEPARATORS:
            if command or not _ASSIGNMENT.fullmatch(word):
                command.append(word)
        elif command:
            yield tuple(command)
            command = []
