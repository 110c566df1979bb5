"""Files of a JSON object a line, which a process appends to while others read them."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def append_line(path: Path, values: Mapping[str, Any]) -> None:
    """Write `values` as a line at the end of a file. What is not finite becomes null: JSON cannot express it."""
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(_finite(values), allow_nan=False) + "\n")


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(one) for key, one in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
