"""The page of the Python API: `python -m scripts.api_page > docs/api.md`."""

import inspect
import re
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import genomic_llama

FUNCTIONS = ("load_model", "score", "variants", "mutate", "embed", "generate", "predict")
"""In the order of the page: those of models. What remains of the API is documented with its command."""

_HEAD = """# Python API

`import genomic_llama as gl` takes milliseconds, because each function imports its dependencies on first use. The
functions print nothing. Invalid input raises `gl.InputError`, a `ValueError` with `problem`, `where`, `fix` and `kind`.
Warnings are `UserWarning`s. `progress=True` shows a progress bar, in Jupyter a widget. The package is typed. See
[Python by example](python.md).

`python -m scripts.api_page` writes this page from the docstrings; a test keeps it up to date.

## Sequences

Every function that takes sequences accepts any of these:

| type | names of the sequences |
| --- | --- |
| `str`, `bytes`, `bytearray`, a `numpy` array of uint8, or a list of them | `sequence1`, `sequence2`, ... |
| `pathlib.Path` of a FASTA file, plain or gzip, which is streamed | names of the records |
| a dict, a pandas `Series`, or `pyfaidx.Fasta` | keys |
| pairs `(name, sequence)` | first of each |
| records of Biopython (`SeqIO.parse(...)`) or pysam (`FastxFile`) | `id` or `name` |
| `pysam.FastaFile` | `references` |
| a pandas `DataFrame` with a column `sequence` or `seq` | column `name` or `id`, else the index |

A `str` is a sequence, not a path. Letters are IUPAC nucleotide codes in either case; U is read as T, with a warning.
"""


def api_page() -> str:
    """The page, in Markdown: the signature and the docstring of each function, and of what it returns."""
    return "\n".join([_HEAD, *(line for name in FUNCTIONS for line in _section(name)), *_also()])


def _section(name: str) -> Iterator[str]:
    function: Callable[..., Any] = getattr(genomic_llama, name)
    yield f"## `gl.{name}`\n"
    yield f"```python\n{_signature(name, function)}\n```\n"
    yield _text(function) + "\n"
    if (returned := _returned(function)) is not None:
        yield f"### `{returned.__name__}`\n\n{_text(returned)}\n"


def _signature(name: str, function: Callable[..., Any]) -> str:
    """One parameter a line, as a reader would write it."""
    signature = inspect.signature(function)
    lines = []
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and "    *," not in lines:
            lines.append("    *,")
        lines.append(f"    {_unquoted(str(parameter))},")
    return "\n".join([f"gl.{name}(", *lines, f") -> {_unquoted(str(signature.return_annotation))}"])


def _unquoted(text: str) -> str:
    """Without the quotes of forward references, and the modules of names."""
    text = re.sub(r"^<class '(.*)'>$", r"\1", text)
    text = re.sub(r"^'(.*)'$", r"\1", re.sub(r": '(.*?)'(?= = |$)", r": \1", text))
    return re.sub(r"\b(?:[a-z_]+\.)+(?=[A-Z])", "", text).replace("Values", "ndarray")


def _text(what: Any) -> str:
    return inspect.getdoc(what) or ""


def _returned(function: Callable[..., Any]) -> Any:
    """The class of ours that the function returns."""
    name = function.__annotations__.get("return")
    name = name if isinstance(name, str) else getattr(name, "__name__", "")
    found = getattr(import_module(function.__module__), name, None)
    return found if inspect.isclass(found) and found.__module__ == function.__module__ else None


def _also() -> Iterator[str]:
    rest = sorted(set(genomic_llama.__all__) - set(FUNCTIONS) - {"InputError"})
    yield f"## Also\n\n{', '.join(f'`gl.{name}`' for name in rest)} do what the commands of these names do.\n"


if __name__ == "__main__":
    print(api_page(), end="")
