"""Connectors for `llm.import_ckpt(model, "hf://DIRECTORY")` and `llm.export_ckpt(checkpoint, "hf")`.

Models with this project's vocabulary are converted by `conversion.convert`, all other Llamas by NeMo's own connectors.
Importing this module replaces NeMo's connectors in its registry.
"""

from pathlib import Path
from typing import Any

from nemo.collections import llm
from nemo.collections.llm.gpt.model.llama import HFLlamaExporter, HFLlamaImporter
from nemo.lightning import io

from conversion.checkpoint import read_mapping
from conversion.convert import convert
from foundation.untrusted import read_json
from tokenizer.nucleotide import NucleotideTokenizer
from tokenizer.vocabulary import VOCAB_SIZE


@io.model_importer(llm.LlamaModel, "hf")
class GenomicLlamaImporter(HFLlamaImporter):  # type: ignore[misc]
    """Hugging Face to NeMo 2. An existing output is replaced as a whole, and only if a conversion wrote it."""

    def __call__(self, output_path: Path | None = None, overwrite: bool = False, **kwargs: Any) -> Path:
        source, output = Path(self), Path(output_path or self.local_path())
        if not _has_nucleotide_vocabulary(source / "config.json"):
            return Path(super().__call__(output_path, overwrite=overwrite, **kwargs))
        if overwrite or not output.exists():  # NeMo takes what is in its cache
            convert(source, output, to="nemo", overwrite=overwrite)
        return output

    @property
    def tokenizer(self) -> Any:
        """NeMo gives it to the model after an import."""
        return NucleotideTokenizer() if _has_nucleotide_vocabulary(Path(self) / "config.json") else super().tokenizer


@io.model_exporter(llm.LlamaModel, "hf")
class GenomicLlamaExporter(HFLlamaExporter):  # type: ignore[misc]
    """NeMo 2 to Hugging Face. An existing output is replaced as a whole, and only if a conversion wrote it."""

    def __call__(self, output_path: Path | None = None, overwrite: bool = False, **kwargs: Any) -> Path:
        source, output = Path(self), Path(output_path or self.local_path())
        if not _has_nucleotide_vocabulary(source / "context" / "model.yaml"):
            return Path(super().__call__(output_path, overwrite=overwrite, **kwargs))
        if overwrite or not output.exists():
            convert(source, output, to="hf", overwrite=overwrite)
        return output

    def nemo_load(self, path: Path, *args: Any, **kwargs: Any) -> Any:
        """NeMo loads the whole model first, to look for ModelOpt, and takes this error for "there is none"."""
        if _has_nucleotide_vocabulary(Path(path) / "context" / "model.yaml"):
            raise RuntimeError("the weights are streamed, and not loaded")
        return super().nemo_load(path, *args, **kwargs)


def _has_nucleotide_vocabulary(path: Path) -> bool:
    """Whether the configuration `path` of either side names 256 tokens; the converter checks all the rest."""
    if not path.is_file():
        return False
    content = read_json(path) if path.suffix == ".json" else read_mapping(path).get("config")
    return isinstance(content, dict) and content.get("vocab_size") == VOCAB_SIZE
