"""Genomic Llama: Llama-3 models of DNA. `import genomic_llama as gl` imports nothing else until a name is used."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conversion.convert import convert
    from corpus.preparation.prepare import prepare
    from evaluation.embedding.embedding import embed_regions as embed
    from evaluation.generation.generation import generate
    from evaluation.likelihood.model import load_model
    from evaluation.likelihood.scoring import score_regions as score
    from evaluation.variants.run import score_variants as variants
    from launch.planning.plan import make_plan as plan

__all__ = ["convert", "embed", "generate", "load_model", "plan", "prepare", "score", "variants"]

_PLACES = {
    "convert": "conversion.convert:convert",
    "embed": "evaluation.embedding.embedding:embed_regions",
    "generate": "evaluation.generation.generation:generate",
    "load_model": "evaluation.likelihood.model:load_model",
    "plan": "launch.planning.plan:make_plan",
    "prepare": "corpus.preparation.prepare:prepare",
    "score": "evaluation.likelihood.scoring:score_regions",
    "variants": "evaluation.variants.run:score_variants",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, function = _PLACES[name].partition(":")
    return getattr(import_module(module), function)
