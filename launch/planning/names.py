"""The recipes by name."""

from configs.compose import config_names
from foundation.errors import InputError, nearest

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

LONG_FACTORIES: dict[str, tuple[str, ...]] = {
    "llama3_8b_genomic_32k": ("context=32k",),
    "llama3_8b_genomic_64k": ("context=64k",),
    "llama3_8b_genomic_128k": ("context=128k",),
    "llama3_1b_genomic_32k": ("context=32k", "parallelism.context=1"),
    "llama3_1b_genomic_64k": ("context=64k", "parallelism.context=2"),
    "llama3_1b_genomic_128k": (
        "context=128k",
        "parallelism.context=4",
        "parallelism.tensor=1",
        "parallelism.sequence_parallel=false",
        "parallelism.recompute_layers=0",
    ),
}
"""Recipes of a longer context: overrides of the configuration of the size. The layout in the group `context` is that of
the 8B; the 1B needs less."""

FINETUNE_FACTORIES = {
    f"{name}_{kind}": ("finetune_tiny" if name == "llama3_tiny_genomic" else "finetune") + suffix
    for name in FACTORIES
    for kind, suffix in (("finetune", ""), ("lora", "_lora"))
}
"""The same for fine-tuning, which needs `init_from`: of all weights, and of adapters. See `configuration`."""

HEAD_FACTORIES = {
    f"{name}_{kind}": kind + ("_tiny" if name == "llama3_tiny_genomic" else "")
    for name in FACTORIES
    for kind in ("classify", "regress")
}
"""The same with a head, which needs `init_from` and `head.train`."""


def configuration(recipe: str) -> tuple[str, tuple[str, ...]]:
    """The configuration of a recipe, which may be given by either name, and the overrides that make it that recipe.

    Errors: `InputError` with the nearest name.
    """
    long = {name: FACTORIES[name.rpartition("_")[0]] for name in LONG_FACTORIES}
    known = {**FACTORIES, **long, **FINETUNE_FACTORIES, **HEAD_FACTORIES, **{name: name for name in config_names()}}
    if recipe not in known:
        raise InputError(f"no recipe {recipe!r}", fix=nearest(recipe, known), kind="unknown-recipe")
    if recipe in LONG_FACTORIES:
        return known[recipe], LONG_FACTORIES[recipe]
    of_any_size = recipe in {**FINETUNE_FACTORIES, **HEAD_FACTORIES} and "tiny" not in recipe
    return known[recipe], (f"model={recipe.split('_')[1]}",) if of_any_size else ()
