"""NeMo's own `llm.import_ckpt(model, "hf://SOURCE", DESTINATION)`, with NeMo's importer for Llama.

The importer's `config` asks for fused CUDA kernels, and its `tokenizer` writes into a fixed directory; both are
replaced. The rest, loading, mapping and saving, is NeMo's.
"""

import sys
from dataclasses import fields
from pathlib import Path

import torch
from nemo.collections import llm
from nemo.collections.llm.gpt.model.llama import HFLlamaImporter, LlamaConfig
from nemo.lightning import io

from configs.llama import megatron_fields, read_architecture
from recipes.model import CPU_FIELDS
from tokenizer.nucleotide import NucleotideTokenizer
from training.cpu.stand_in import cpu_stand_in


@io.model_importer(llm.LlamaModel, "hf")
class CpuImporter(HFLlamaImporter):
    """NeMo's importer with a configuration that a CPU can run."""

    @property
    def config(self) -> LlamaConfig:
        architecture = read_architecture(Path(str(self)))
        dtype = getattr(torch, architecture.dtype)
        known = {field.name for field in fields(LlamaConfig)}
        given = {**megatron_fields(architecture), **CPU_FIELDS, "params_dtype": dtype, "bf16": True}
        return LlamaConfig(**{name: value for name, value in given.items() if name in known})

    @property
    def tokenizer(self) -> NucleotideTokenizer:
        return NucleotideTokenizer()


def main(source: str, destination: str) -> None:
    """Import `source` into the checkpoint `destination`."""
    with cpu_stand_in():
        model = llm.LlamaModel(CpuImporter(source).config, tokenizer=NucleotideTokenizer())
        llm.import_ckpt(model, f"hf://{source}", output_path=Path(destination))


if __name__ == "__main__":
    main(*sys.argv[1:])
