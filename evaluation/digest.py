"""What tells a model, a genome or a corpus from another: the SHA-256 of its files."""

import hashlib
from pathlib import Path

from corpus.checksum import sha256
from corpus.manifest import FILE_NAME


def model_digest(model: Path) -> str:
    """Of what decides a model's numbers: config.json and the weights, by name and content."""
    return _joined([model / "config.json", *sorted(model.glob("*.safetensors"))], model)


def source_digest(source: Path) -> str:
    """Of a file; of a corpus by its manifest, which has the checksums of the rest; of all files of another folder."""
    if not source.is_dir():
        return sha256(source)
    if (source / FILE_NAME).is_file():
        return sha256(source / FILE_NAME)
    return _joined(sorted(path for path in source.rglob("*") if path.is_file()), source)


def _joined(files: list[Path], folder: Path) -> str:
    lines = (f"{sha256(path)}  {path.relative_to(folder)}\n" for path in files)
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()
