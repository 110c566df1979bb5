"""A Hugging Face model of DNA for inference, loaded from a directory that is not trusted: data only, no code."""

from pathlib import Path
from typing import TYPE_CHECKING

from configs.heads import Head
from configs.llama import read_architecture
from conversion.adapters.peft_head import read_head
from conversion.checkpoint import Checkpoint
from conversion.files import dtypes
from conversion.formats import find_format, open_adapted, recognise
from conversion.huggingface.model_directory import ModelDirectory, refuse_adapter
from conversion.locate import find_checkpoint
from foundation.errors import InputError, nearest
from foundation.progress import progress_bar

if TYPE_CHECKING:
    from transformers import PreTrainedModel

DTYPES = ("float32", "bfloat16", "float16")

_EXPORT = "Give a directory written by `genomic-llama convert --to hf`."


def load_model(
    directory: Path, dtype: str = "float32", *, device: str | None = None, adapter: Path | None = None
) -> "PreTrainedModel":
    """Load the model in `directory` for inference, with weights in `dtype`.

    `adapter`: a directory of PEFT, which is merged into the weights in fp32, before they become `dtype`.

    The device is the first GPU where there is one, unless named. The directory is read as `convert` reads it, by the
    same strict readers; transformers gets tensors and a configuration, so that nothing is fetched, followed or run.

    Errors: `InputError` for a directory that is missing or not such a model, another vocabulary than ours, weights that
    do not fit the configuration, or are not finite, and a device that is not here.
    """
    if dtype not in DTYPES:
        raise InputError(f"unknown dtype {dtype!r}", fix=nearest(dtype, DTYPES), kind="dtype")
    checkpoint = check_directory(Path(directory), adapter)
    size = checkpoint.architecture.parameters * dtypes.DTYPES[dtype].itemsize
    with progress_bar(f"Loading {directory}", total=size, unit="B") as advance:  # the imports alone take seconds
        import torch

        from conversion.huggingface.live_model import load_llama
        from evaluation.likelihood.attention import use_attention

        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        _check_device(device)
        model = load_llama(checkpoint, dtype, device, advance=advance)
        use_attention(model)
        return model.eval()


def _check_device(named: str) -> None:
    """Errors: `InputError` for a name that torch does not know, and for a GPU that is not here."""
    import torch

    try:
        device = torch.device(named)
    except RuntimeError as error:
        fix = "Give cpu, cuda, or cuda:1."
        raise InputError(f"{named!r} is not a device", fix=fix, kind="device") from error
    here = torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= here:
        fix = f"Torch finds {here} {'GPU' if here == 1 else 'GPUs'}; cpu always works."
        raise InputError(f"there is no device {named!r}", fix=fix, kind="no-device")


def check_directory(directory: Path, adapter: Path | None = None) -> Checkpoint:
    """The model in `directory`, with `adapter` where there is one, checked before anything heavy is imported.

    Errors: `InputError`.
    """
    if not directory.is_dir():
        raise InputError("no such directory", where=directory, fix=_EXPORT, kind="no-such-directory")
    refuse_adapter(directory)
    if not (directory / "config.json").is_file():
        raise _not_an_export(directory)
    model = ModelDirectory(directory, "te" if recognise(directory).name == "te" else "hf")
    return model if adapter is None else open_adapted(Path(adapter), model).in_fp32()


def check_language_model(directory: Path, adapter: Path | None = None) -> None:
    """That the model in `directory`, which is checked, predicts bases, also with its adapter.

    Errors: `InputError` for one with a head.
    """
    if head := head_of(directory, adapter):
        problem = f"has a head for {', '.join(head.labels[:5])} in place of an output layer"
        fix = "Use predict, or give the model that it was trained from."
        raise InputError(problem, where=adapter or directory, fix=fix, kind="has-head")


def head_of(directory: Path, adapter: Path | None = None) -> Head | None:
    """The head of the model in `directory`, or that of its adapter, which takes its place. Errors: `InputError`."""
    own = None if adapter is None else read_head(adapter)
    return own or read_architecture(directory).head


def _not_an_export(directory: Path) -> InputError:
    """What the directory is instead, if it can be recognised."""
    found = recognise(directory)
    if found.name == "nemo":
        try:
            find_checkpoint(directory)
        except InputError:
            return InputError("has no config.json", where=directory, fix=_EXPORT, kind="no-config")
    kind = "run or checkpoint" if found.name == "nemo" else "checkpoint"
    return InputError(
        f"is a {found.title} {kind}; models are used as {find_format('hf').title} directories",
        where=directory,
        fix=f"Convert it: `genomic-llama convert {directory} MODEL --to hf`, and give MODEL.",
        kind="not-converted",
    )
