"""A rule: something that settings must satisfy, with the words for where they do not."""

import re
from collections.abc import Iterator

from configs.schema import TrainConfig
from foundation.errors import InputError

Rule = tuple[bool, str, str]
"""Whether the rule holds, the problem if not, and the fix."""


def enforce(rules: Iterator[Rule], config: TrainConfig) -> None:
    """Raise the first rule that does not hold: about the model, unless its problem begins with a setting."""
    for holds, problem, fix in rules:
        if not holds:
            where = None if re.match(r"[a-z_]+\.[a-z_0-9]+\b", problem) else config.model_tag
            raise InputError(problem, where=where, fix=fix, kind="settings-rule")
