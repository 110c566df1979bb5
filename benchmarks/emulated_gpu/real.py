"""The real extension's functions against `interface.txt`, where it is installed; no GPU is needed to import it.

`python -m benchmarks.emulated_gpu.real` after `make install-gpu`. The exit status is 1 where they differ.
"""

import re
import sys
from typing import Any

from benchmarks.emulated_gpu.extension import NAME, interface


def signature(function: Any) -> list[str]:
    """The arguments in pybind's own words, written as `interface` does; those without names are arg0, arg1, …"""
    head = (function.__doc__ or "").partition("\n")[0]
    inside = head[head.index("(") + 1 : head.rindex(") ->")]
    parts, depth = [""], 0
    for letter in inside:
        depth += (letter in "[(<{") - (letter in "])>}")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    words = [part.strip() for part in parts if part.strip()]
    return [re.split(r"[:=]", word)[0].strip() + ("=" if "=" in word else "") for word in words]


def difference(name: str, found: list[str], expected: list[str]) -> str:
    """What is not as expected; "" where nothing is."""
    if expected[-1:] == ["/"]:
        expected = [f"arg{place}" for place in range(len(expected) - 1)]
    return "" if found == expected else f"{name}: {found}, expected {expected}"


def main() -> int:
    """Compare. Returns the exit status."""
    import transformer_engine.pytorch  # noqa: F401  # loads the extension

    real = sys.modules[NAME]
    problems = []
    for name, arguments in interface().items():
        function = getattr(real, name, None)
        if problem := difference(name, signature(function), arguments) if function else f"{name} is missing":
            problems.append(problem)
    print("\n".join(problems) or f"{len(interface())} functions are as in interface.txt")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
