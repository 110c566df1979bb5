"""What tells a model, a genome or a corpus from another: the SHA-256 of its files.

A file is read once in a process, as long as its size and time of change stay.
"""

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from conversion.adapters.peft_adapter import TENSORS
from conversion.adapters.peft_config import NAME as CONFIG
from conversion.adapters.peft_head import NAME as TASK_HEAD
from conversion.origin import origin_of
from corpus.manifest import FILE_NAME
from foundation.checksum import sha256
from foundation.progress import progress_bar
from foundation.versions import version_shown

_PACKAGES = ("genomic-llama", "torch", "transformers")


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Of a model: SHA-256 of its files (`model_digest`), and the run and step that it comes from, where known."""

    weights: str | None = None
    run: str | None = None
    step: int | None = None


_known: dict[tuple[str, int, int], str] = {}


def read_ahead(models: Iterable[Path], sources: Iterable[Path]) -> None:
    """Read the files that the digests of these are made of, with a progress bar; those that are known are left out."""
    files = [file for model in models for file in _model_files(model)]
    files += [file for source in sources for file in _source_files(source)]
    sizes = {file: key[1] for file in files if (key := _key(file)) and key not in _known}
    if sizes:
        with progress_bar("Checksums", total=sum(sizes.values()), unit="B") as advance:
            for file, size in sizes.items():
                _digest(file)
                advance(size)


def named(model: Path, adapter: Path | None) -> str:
    """What the outputs of a command call the model."""
    return f"{model} with {adapter}" if adapter else str(model)


def identify(model: Path, adapter: Path | None = None) -> Identity:
    """Read the files of `model`, with a progress bar; with an `adapter` its run and step are named.

    Errors: `InputError`.
    """
    read_ahead([model], [adapter] if adapter else [])
    origin = origin_of(adapter or model)
    return Identity(weights=model_digest(model, adapter), run=origin.run, step=origin.step)


def model_digest(model: Path, adapter: Path | None = None) -> str:
    """Digest of what determines a model's results: config.json and weights by name and content; an adapter's too.

    Errors: `InputError`.
    """
    base = _joined(_model_files(model), model)
    if adapter is None:
        return base
    files = [adapter / CONFIG, adapter / TENSORS, *(path for path in [adapter / TASK_HEAD] if path.exists())]
    return hashlib.sha256(f"{base}\n{_joined(files, adapter)}".encode()).hexdigest()


def source_digest(source: Path) -> str:
    """Of a file; of a corpus by its manifest, which has the checksums of the rest; of all files of another folder.

    Errors: `InputError`.
    """
    files, known = _source_files(source), (source / FILE_NAME).is_file()
    return _joined(files, source) if source.is_dir() and not known else _digest(files[0])


def versions() -> dict[str, str]:
    """Of the software that decides the numbers."""
    return {package: version_shown(package) for package in _PACKAGES}


def _model_files(model: Path) -> list[Path]:
    return [model / "config.json", *sorted(model.glob("*.safetensors"))]


def _source_files(source: Path) -> list[Path]:
    if not source.is_dir():
        return [source]
    if (source / FILE_NAME).is_file():
        return [source / FILE_NAME]
    return sorted(path for path in source.rglob("*") if path.is_file())


def _joined(files: list[Path], folder: Path) -> str:
    lines = (f"{_digest(path)}  {path.relative_to(folder)}\n" for path in files)
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def _digest(path: Path) -> str:
    key = _key(path)
    if key is None:
        return sha256(path)  # which says what is wrong with it
    if key not in _known:
        _known[key] = sha256(path)
    return _known[key]


def _key(path: Path) -> tuple[str, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return os.path.abspath(path), found.st_size, found.st_mtime_ns
