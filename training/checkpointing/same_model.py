"""Whether weights to start from are of the model that is to be trained: from configurations and names of tensors alone.

Tensors of the same shapes are loaded whatever they mean: with another RoPE base, another epsilon, or as many heads of
another size, a run would train a model that nobody had. So the architecture that lies beside the weights is asked.
"""

from dataclasses import asdict
from pathlib import Path

from configs.llama import LlamaArchitecture
from configs.schema import TrainConfig
from conversion.formats import open_checkpoint
from foundation.errors import InputError
from training.checkpointing.same_run import MAY_CHANGE, newest_whole


def check_initial_weights(config: TrainConfig, architecture: LlamaArchitecture) -> None:
    """Refuse an `init_from` that is not there or of another model, where the run would start from it.

    Errors: `InputError`.
    """
    if config.init_from and newest_whole(Path(config.run_dir) / "checkpoints") is None:
        check_same_model(Path(config.init_from), architecture)


def check_same_model(source: Path, wanted: LlamaArchitecture) -> None:
    """That the checkpoint or run `source`, of whatever format, holds weights of the model `wanted`.

    Errors: `InputError` that names each value that differs, with both.
    """
    checkpoint = open_checkpoint(source)
    if head := checkpoint.architecture.head:
        problem = f"has a head for {', '.join(head.labels[:5])} in place of an output layer"
        fix = "Give the checkpoint that it was trained from; a head starts at zero."
        raise InputError(problem, where=source, fix=fix, kind="initial-weights-with-head")
    there, here = asdict(checkpoint.architecture), asdict(wanted)
    different = [key for key in here if key not in (*MAY_CHANGE, "head") and there[key] != here[key]]
    if different:
        each = "; ".join(f"{key} is {there[key]}, and {here[key]} in model_tag" for key in different)
        raise InputError(f"is of another model: {each}", where=source, fix=_fix(source), kind="another-model")


def _fix(source: Path) -> str:
    if (source / "config.json").is_file():
        return f"To train the model that it is, give model_tag={source}."
    return (
        f"To train the model that it is: genomic-llama convert {source} DIR --to hf, then model_tag=DIR, which has its "
        "config.json."
    )
