"""The recipes by name."""

FACTORIES = {
    "llama3_tiny_genomic": "train_tiny",
    "llama3_100m_genomic": "train_100m",
    "llama3_300m_genomic": "train_300m",
    "llama3_1b_genomic": "train_1b",
    "llama3_3b_genomic": "train_3b",
    "llama3_8b_genomic": "train_8b_opengenome2",
    "llama3_11b_genomic": "train_11b",
    "llama3_18b_genomic": "train_18b",
    "llama3_28b_genomic": "train_28b",
    "llama3_35b_genomic": "train_35b",
}
"""Factory name -> configuration in `configs/`. Sizes from 11B on are those of BioNeMo's Eden."""
