"""`conversion.json`: where a converted model came from, and the checksums of its weights."""

import dataclasses
import hashlib
import json
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from conduct.progress import Advance
from configs.llama import LlamaArchitecture
from conversion.output import tensor_bytes
from conversion.weight_table import expand

NAME = "conversion.json"
_BLOCK = 1 << 24


@dataclasses.dataclass(frozen=True, kw_only=True)
class Conversion:
    """What was converted. `tensors` counts Hugging Face's, `bytes` is their size; `sha256` by path in the output."""

    direction: str
    source: str
    tensors: int
    parameters: int
    bytes: int
    sha256: dict[str, str]
    architecture: LlamaArchitecture
    versions: dict[str, str]


def write_record(
    directory: Path,
    architecture: LlamaArchitecture,
    files: Iterable[Path],
    advance: Advance,
    *,
    direction: str,
    source: Path | str,
) -> Conversion:
    """Write `conversion.json` into `directory`, with the checksums of `files`; `advance` gets the bytes read.

    It holds no date, so that equal conversions give equal files.
    """
    conversion = Conversion(
        direction=direction,
        source=str(source),
        tensors=sum(len(weight.hf) for weight in expand(architecture)),
        parameters=architecture.parameters,
        bytes=tensor_bytes(architecture),
        sha256={file.relative_to(directory).as_posix(): _sha256(file, advance) for file in sorted(files)},
        architecture=architecture,
        versions={name: _version(name) for name in ("genomic-llama", "torch", "safetensors")},
    )
    content = json.dumps(dataclasses.asdict(conversion), indent=2)
    (directory / NAME).write_text(content + "\n", encoding="utf-8")
    return conversion


def _sha256(path: Path, advance: Advance) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            advance(len(block))
    return digest.hexdigest()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
