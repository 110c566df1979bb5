"""The reference of all settings: `python -m scripts.configuration_page > docs/configuration.md`."""

import dataclasses
import re
from collections.abc import Iterator
from typing import Any

from configs.schema import TrainConfig
from configs.settings import Row, rows
from foundation.typed import MISSING, hints, optional

_WORDS = {int: "whole number", float: "number", str: "text", bool: "true or false", Any: "text or list"}


def configuration_page(schema: type) -> str:
    """The page, in Markdown: a table for each section of the schema, a row for each setting."""
    sections = {"": schema, **dict(_sections(schema))}
    lines = [
        "# Settings",
        "",
        "Every setting of a training run. Give it as `key=value` to `train`, `plan`, `doctor` or `launch`, or set it",
        "in a YAML file of your own.",
        "",
        "The default applies if no configuration file sets the value. Recipes override many defaults:",
        "`genomic-llama train RECIPE --cfg` prints the values of a recipe. A setting without a default is set by every",
        "recipe here; a configuration of your own must set it.",
        "",
        "Written by `python -m scripts.configuration_page` from `configs/schema.py`; a test keeps it up to date.",
    ]
    for name, section in sections.items():
        own = [row for row in rows(schema) if row.key.rpartition(".")[0] == name]
        lines += ["", f"## {name or 'The run'}", "", _text(section.__doc__ or ""), ""]
        lines += ["| setting | type | default | unit | meaning |", "| --- | --- | --- | --- | --- |"]
        lines += [_line(row) for row in own]
    return "\n".join(lines) + "\n"


def _sections(schema: type) -> Iterator[tuple[str, type]]:
    for field in dataclasses.fields(schema):
        kind = hints(schema)[field.name]
        if isinstance(kind, type) and dataclasses.is_dataclass(kind):
            yield field.name, kind


def _line(row: Row) -> str:
    kind, may_be_none = optional(row.type)
    words = _WORDS.get(kind, "list of text") + (" or null" if may_be_none else "")
    default = "set by the recipe" if row.default == MISSING else _written(row.default)
    return f"| `{row.key}` | {words} | {default} | {row.unit} | {_text(row.sentence)} |"


def _text(sentence: str) -> str:
    """`sentence` for a table, with links to the pages that it names."""
    return re.sub(r"docs/(([a-z]+)\.md(?:#[a-z-]+)?)", r"[\2](\1)", sentence.strip().replace("|", "\\|"))


def _written(value: Any) -> str:
    return {"True": "true", "False": "false", "None": "null"}.get(str(value), str(value))


if __name__ == "__main__":
    print(configuration_page(TrainConfig), end="")
