"""Genomic Llama: Llama-3 models of DNA. `import genomic_llama as gl` imports nothing else until a name is used."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conversion.convert import convert
    from corpus.preparation.prepare import prepare
    from foundation.errors import InputError
    from genomic_llama.api.effects import mutate, variants
    from genomic_llama.api.labels import predict
    from genomic_llama.api.models import load_model
    from genomic_llama.api.sampling import generate
    from genomic_llama.api.scores import score
    from genomic_llama.api.vectors import embed
    from launch.planning.plan import make_plan as plan

__all__ = [
    "InputError",
    "convert",
    "embed",
    "generate",
    "load_model",
    "mutate",
    "plan",
    "predict",
    "prepare",
    "score",
    "variants",
]

_PLACES = {
    "InputError": "foundation.errors:InputError",
    "convert": "conversion.convert:convert",
    "embed": "genomic_llama.api.vectors:embed",
    "generate": "genomic_llama.api.sampling:generate",
    "load_model": "genomic_llama.api.models:load_model",
    "mutate": "genomic_llama.api.effects:mutate",
    "plan": "launch.planning.plan:make_plan",
    "predict": "genomic_llama.api.labels:predict",
    "prepare": "corpus.preparation.prepare:prepare",
    "score": "genomic_llama.api.scores:score",
    "variants": "genomic_llama.api.effects:variants",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _PLACES[name].partition(":")
    found = getattr(import_module(module), attribute)
    if not module.startswith("genomic_llama.") and name != "InputError":  # a function that commands call too
        found = import_module("genomic_llama.api.door").public(found)
    globals()[name] = found
    return found
