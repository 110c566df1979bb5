"""A folder with what the wrappers read: a genome, variants on it, and a tiny random model."""

import random
from pathlib import Path

import pytest


@pytest.fixture
def project(tmp_path: Path) -> Path:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    letters = random.Random(5)
    contigs = {f"contig{number}": "".join(letters.choices("ACGT", k=400)) for number in range(20)}
    (tmp_path / "genome.fa").write_text("".join(f">{name}\n{bases}\n" for name, bases in contigs.items()))
    header = "##fileformat=VCFv4.3\n##contig=<ID=contig0,length=400>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    bases = contigs["contig0"]
    rows = [
        f"contig0\t{at + 1}\t.\t{bases[at]}\t{'A' if bases[at] != 'A' else 'C'}\t.\t.\t.\n" for at in (100, 200, 300)
    ]
    (tmp_path / "variants.vcf").write_text(header + "".join(rows))
    torch.manual_seed(3)
    config = LlamaConfig(
        vocab_size=256,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
        bos_token_id=None,
        eos_token_id=0,
        pad_token_id=1,
    )
    LlamaForCausalLM(config).save_pretrained(tmp_path / "model")
    return tmp_path
