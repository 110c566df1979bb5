"""The recipes by name."""

from conduct.errors import InputError, nearest
from configs.compose import config_names

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

FINETUNE_FACTORIES = {
    "llama3_tiny_genomic_finetune": "finetune_tiny",
    "llama3_8b_genomic_finetune": "finetune_8b",
    "llama3_tiny_genomic_lora": "finetune_tiny_lora",
    "llama3_8b_genomic_lora": "finetune_8b_lora",
}
"""The same for fine-tuning, which needs `init_from`."""


def configuration(recipe: str) -> str:
    """The configuration of a recipe, which may be given by either name.

    Errors: `InputError` with the nearest name.
    """
    known = {**FACTORIES, **FINETUNE_FACTORIES, **{name: name for name in config_names()}}
    if recipe not in known:
        raise InputError(f"no recipe {recipe!r}", fix=nearest(recipe, known))
    return known[recipe]
