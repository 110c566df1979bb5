"""The reference of all commands: `python -m scripts.command_page > docs/commands.md`."""

from collections.abc import Iterator
from typing import Any

import typer.main

from genomic_llama.cli.main import app


def command_page(group: Any) -> str:
    """The page, in Markdown: a section for each command, with its usage, arguments and options."""
    lines = [
        "# Commands",
        "",
        "Every command, as `genomic-llama COMMAND --help` prints it. Written by `python -m scripts.command_page`; a",
        "test keeps it up to date.",
    ]
    for name, command in _commands(group, "genomic-llama"):
        lines += ["", f"## {name}", "", *_section(name, command)]
    return "\n".join(lines) + "\n"


def _commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    if not hasattr(command, "commands"):
        yield name, command
        return
    for part, inner in command.commands.items():
        yield from _commands(inner, f"{name} {part}")


def _section(name: str, command: Any) -> list[str]:
    context = command.context_class(command, info_name=name)
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    options = [each for each in command.params if each.param_type_name == "option" and not each.hidden]
    usage = " ".join([name, *command.collect_usage_pieces(context)])
    lines = [_prose(command.help or ""), "", "```sh", usage, "```"]
    if arguments:
        lines += ["", "| argument | meaning |", "| --- | --- |"]
        lines += [
            f"| `{each.make_metavar(context)}` | {_cell(getattr(each, 'help', '') or '')} |" for each in arguments
        ]
    if options:
        lines += ["", "| option | value | default | meaning |", "| --- | --- | --- | --- |"]
        lines += [_option(each, context) for each in options]
    return lines


def _option(option: Any, context: Any) -> str:
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    value = "" if option.is_flag else f"`{_value(option, context)}`"
    return f"| {names} | {value} | {_default(option)} | {_cell(option.help or '')} |"


def _value(option: Any, context: Any) -> str:
    if hasattr(option.type, "choices"):
        return " ".join(str(getattr(choice, "value", choice)) for choice in option.type.choices)
    return str(option.make_metavar(context))


def _default(option: Any) -> str:
    shown = getattr(option, "show_default", None)
    if option.required:
        return "required"
    if isinstance(shown, str):
        return shown
    if shown is False or option.default is None or option.default is False or option.default in ((), [], ""):
        return ""
    return f"`{getattr(option.default, 'value', option.default)}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _prose(text: str) -> str:
    return text.replace("\b\n", "").strip()


if __name__ == "__main__":
    print(command_page(typer.main.get_command(app)), end="")
