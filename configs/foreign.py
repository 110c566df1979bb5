"""A directory of configurations from elsewhere, looked at before Hydra composes it: values for our keys, and no more.

Hydra would load callbacks and plugins that a configuration names, import packages from its search path, and read files
and environment variables of whoever runs it.
"""

import re
from pathlib import Path

from foundation.errors import InputError
from foundation.untrusted import read_yaml, read_yaml_text

_PACKAGE = re.compile(r"^\s*#\s*@package\s+(\S+)", re.MULTILINE)
_FIX = "Take it out; whatever Hydra itself is to do differently belongs on the command line."


def check_foreign(directory: Path) -> None:
    """Refuse a directory that reaches beyond itself and our schema. Errors: `InputError` naming file and value."""
    for path in sorted(directory.rglob("*")):
        if path.suffix in (".yaml", ".yml") and not path.is_dir():
            if not path.resolve().is_relative_to(directory.resolve()):
                fix = "Put the file itself there."
                raise InputError("is a link that leads out of the directory", where=path, fix=fix, kind="link-outside")
            _check_file(path)


def _check_file(path: Path) -> None:
    text = read_yaml_text(path, interpolations=False)
    content = read_yaml(path)
    if not isinstance(content, dict):
        return  # Hydra says what is wrong with it
    names = [str(key) for key in content] + [str(part) for part in _PACKAGE.findall(text)]
    for name in names:
        if re.match(r"hydra\b|_global_\.hydra\b", name):
            raise InputError(f"configures Hydra: {name!r}", where=path, fix=_FIX, kind="configures-hydra")
    defaults = content.get("defaults")
    for entry in defaults if isinstance(defaults, list) else []:
        for part in [*entry, *entry.values()] if isinstance(entry, dict) else [entry]:
            if re.search(r"\.\.|://|\bhydra\b", str(part)):
                raise InputError(
                    f"has the default {str(part)!r}, which leads elsewhere",
                    where=path,
                    fix=_FIX,
                    kind="default-elsewhere",
                )
