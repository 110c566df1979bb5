"""Which request the parts of shards are of."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from evaluation.sharding.job import Request
from evaluation.sharding.merge import gather
from foundation.errors import InputError
from foundation.typed import from_json

REQUESTS = {
    "embed": "evaluation.embedding.request:EmbedRequest",
    "evaluate": "evaluation.suite.request:EvaluateRequest",
    "evaluate zero-shot": "evaluation.zero_shot.request:ZeroShotRequest",
    "generate": "evaluation.generation.request:GenerateRequest",
    "mutate": "evaluation.mutation.request:MutateRequest",
    "predict": "evaluation.prediction.request:PredictRequest",
    "score": "evaluation.likelihood.request:ScoreRequest",
    "variants": "evaluation.variants.request:VariantRequest",
}
"""The request of each command that can be cut into shards."""


def request_of(paths: Sequence[Path]) -> tuple[Request, Path]:
    """What the parts in the files `paths` are of, and the folder from which its paths are given.

    Errors: `InputError` for parts that do not fit together, or of a command that is not known.
    """
    header = gather(paths)[0].header
    command = header["made_from"]["command"]
    if command not in REQUESTS:
        fix = "Merge it with the version of genomic-llama that wrote it."
        raise InputError(f"comes from an unknown command {command!r}", where=paths[0], fix=fix, kind="part-command")
    module, _, name = REQUESTS[command].partition(":")
    kind: Any = getattr(import_module(module), name)
    request: Request = from_json(kind, header["request"], str(paths[0]))
    return request, Path(header["folder"])
