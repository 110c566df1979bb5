"""JSON files that end with a checksum over themselves, and the check of files against what such a file says of them.

The checksum is XXH3-128: against damage, not against forgery. It is the last key of the object, `xxh3_128`.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import xxhash

from foundation.checksum import xxh3_128

KEY = "xxh3_128"

Seal = Literal["whole", "none", "broken"]


@dataclass(frozen=True, kw_only=True)
class SealedFormat:
    """How a kind of file is written. `over`: the checksum is of the text before it, or of the values, keys sorted."""

    indent: int
    over: Literal["text", "values"]

    def text(self, content: Mapping[str, Any]) -> str:
        """The content of a file that holds `content`."""
        body = json.dumps(content, indent=self.indent).removesuffix("\n}")
        hashed = body if self.over == "text" else json.dumps(content, sort_keys=True)
        checksum = xxhash.xxh3_128_hexdigest(hashed.encode())
        return f'{body},\n{" " * self.indent}"{KEY}": "{checksum}"\n}}\n'

    def unseal(self, text: str, content: Any) -> tuple[Any, Seal]:
        """`content`, which `text` was parsed to, without the checksum; and whether that is there and fits."""
        if not isinstance(content, dict) or content.get(KEY) is None:
            return content, "none"
        values = {key: value for key, value in content.items() if key != KEY}
        if self.over == "values":
            return values, "whole" if self.text(values) == text else "broken"
        body = text[: text.rfind(f',\n{" " * self.indent}"{KEY}"')]
        sealed = f'{body},\n{" " * self.indent}"{KEY}": "{xxhash.xxh3_128_hexdigest(body.encode())}"\n}}\n'
        return values, "whole" if sealed == text else "broken"


Difference = Literal["missing", "size", "checksum"]


def difference(
    path: Path, *, bytes: int, xxh3: str | None, observe: Callable[[memoryview], object] | None = None
) -> Difference | None:
    """What of a file is not as it was written; its content is read where `xxh3` is given. Errors: `OSError`."""
    if not path.is_file():
        return "missing"
    if path.stat().st_size != bytes:
        return "size"
    return "checksum" if xxh3 is not None and xxh3_128(path, observe) != xxh3 else None
