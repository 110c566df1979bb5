"""Paths of the command line: an empty one is refused, because Python reads it as the current directory."""

from typing import Any

from typer.core import TyperGroup
from typer.models import TyperPath


class GivenPath(TyperPath):
    """A path with a name in it."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if value == "":
            self.fail("The path is empty. Is a shell variable unset?", param, ctx)
        return super().convert(value, param, ctx)


class Commands(TyperGroup):
    """Commands, and groups of them, whose paths are each a `GivenPath`."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        found = super().get_command(ctx, cmd_name)
        for command in (found, *getattr(found, "commands", {}).values()):
            for param in getattr(command, "params", ()):
                if type(param.type) is TyperPath:
                    param.type = GivenPath()
        return found
