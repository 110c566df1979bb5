"""Whether weights to start from are of the model that is to be trained: from configurations and names of tensors alone.

Tensors of the same shapes are loaded whatever they mean: with another RoPE base, another epsilon, or as many heads of
another size, a run would train a model that never existed. So the architecture that lies beside the weights is asked.
"""

from dataclasses import asdict
from pathlib import Path

from configs.extension import extended_from
from configs.llama import LlamaArchitecture
from configs.schema import TrainConfig
from conversion.formats import open_checkpoint
from foundation.errors import InputError
from training.checkpointing.same_run import MAY_CHANGE, newest_whole


def check_initial_weights(config: TrainConfig, architecture: LlamaArchitecture) -> None:
    """Refuse an `init_from` that is missing or of another model, if the run would start from it.

    Errors: `InputError`.
    """
    if config.init_from and newest_whole(Path(config.run_dir) / "checkpoints") is None:
        check_same_model(Path(config.init_from), architecture, base=extended_from(config))


def check_same_model(source: Path, wanted: LlamaArchitecture, *, base: LlamaArchitecture | None = None) -> None:
    """That the checkpoint or run `source`, of whatever format, holds weights of the model `wanted`, or of `base`, whose
    context `wanted` extends.

    Errors: `InputError` that names each value that differs, with both.
    """
    there = open_checkpoint(source).architecture
    if there.head:
        problem = f"has a head for {', '.join(there.head.labels[:5])} in place of an output layer"
        fix = "Give the checkpoint that it was trained from; a head starts at zero."
        raise InputError(problem, where=source, fix=fix, kind="initial-weights-with-head")
    different = _different(there, wanted)
    if different and base is not None:
        different = _different(there, base)
        if not different and there.max_position_embeddings != base.max_position_embeddings:
            raise InputError(
                f"was trained on {there.max_position_embeddings} positions, and model_tag, whose context is extended, "
                f"has {base.max_position_embeddings}",
                where=source,
                fix=_fix(source),
                kind="another-context",
            )
    if different:
        each = "; ".join(f"{key} is {before}, and {now} in model_tag" for key, before, now in different)
        raise InputError(f"is of another model: {each}", where=source, fix=_fix(source), kind="another-model")


def _different(there: LlamaArchitecture, here: LlamaArchitecture) -> list[tuple[str, object, object]]:
    before, now = asdict(there), asdict(here)
    compared = [key for key in now if key not in (*MAY_CHANGE, "head")]
    return [(key, before[key], now[key]) for key in compared if before[key] != now[key]]


def _fix(source: Path) -> str:
    if (source / "config.json").is_file():
        return f"To train that model, give model_tag={source}."
    return (
        f"To train that model: genomic-llama convert {source} DIR --to hf, then model_tag=DIR, which has its "
        "config.json."
    )
