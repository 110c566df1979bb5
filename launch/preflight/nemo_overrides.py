"""A look at the overrides of `nemo llm pretrain` before NeMo-Run applies them.

NeMo-Run answers a misspelt field with a dump of the whole recipe. The check here names the nearest field instead.
"""

import inspect
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import fiddle

from configs.overrides import split_words
from foundation.errors import InputError, nearest

_OVERRIDE = re.compile(r"(?P<path>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)\s*(?:[-+*/|&]?=)")
_NOT_OF_THE_RECIPE = ("run", "executor", "plugins")


def check_overrides(recipe: fiddle.Buildable[Any], arguments: Sequence[str]) -> None:
    """Check that each `a.b.c=value` of `arguments` names fields of `recipe`. Anything else is left to NeMo-Run.

    Errors: `InputError` naming the field and the nearest one.
    """
    for argument in arguments:
        if argument[:1] in ("+", "~"):
            split_words([argument], ())
    for argument in recipe_overrides(arguments):
        match = _OVERRIDE.match(argument)
        assert match is not None
        _check_path(recipe, match["path"], argument)


def recipe_overrides(arguments: Iterable[str]) -> list[str]:
    """Those of `arguments` that change a field of the recipe."""
    matches = ((argument, _OVERRIDE.match(argument)) for argument in arguments)
    return [one for one, match in matches if match and match["path"].split(".")[0] not in _NOT_OF_THE_RECIPE]


def _check_path(node: Any, path: str, argument: str) -> None:
    walked: list[str] = []
    for name in path.split("."):
        if not isinstance(node, fiddle.Buildable):
            return  # a plain value, which NeMo-Run may still parse
        parameters = _parameters(fiddle.get_callable(node))
        if name not in parameters and not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
            where = ".".join(walked) or "the recipe"
            fix = nearest(name, parameters)
            raise InputError(f"no field {name!r} in {where}", where=argument, fix=fix, kind="unknown-field")
        node = getattr(node, name, None)
        walked.append(name)


def _parameters(target: Any) -> Mapping[str, inspect.Parameter]:
    """What can be given to a function or a class.

    The signature of a class is that of its `__new__` in Python 3.11.0 to 3.11.3: of NeMo's classes `*args, **kwargs`.
    """
    function = target.__init__ if isinstance(target, type) else target  # type: ignore[misc]
    parameters = dict(inspect.signature(function).parameters)
    parameters.pop("self", None)
    return parameters
