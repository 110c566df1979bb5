"""A model for the functions of this package."""

from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from conversion.formats import recognise
from foundation.errors import InputError
from foundation.progress import called_from_python
from genomic_llama.api.door import public

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


@public
def load_model(
    model: str | PathLike[str],
    *,
    dtype: str = "float32",
    device: "str | torch.device | None" = None,
    progress: bool = False,
    adapter: str | PathLike[str] | None = None,
) -> "PreTrainedModel":
    """Load a model of DNA for inference, as a `LlamaForCausalLM` of transformers with this package's attention.

    - `model`: a directory that `convert --to hf` wrote, or a run or checkpoint of NeMo, Megatron-Bridge or NVLlama. A
      run is converted into a temporary directory first, which takes as much disk as its weights.
    - `dtype`: number format of the weights: `"float32"`, `"bfloat16"` or `"float16"`. Probabilities are always computed
      in fp32 and sums in fp64.
    - `device`: `"cpu"`, `"cuda"`, `"cuda:1"`, ... or a `torch.device`; by default the first GPU, or the CPU if there
      is none.
    - `adapter`: a directory with a PEFT LoRA adapter to merge into the weights.
    - `progress`: show a progress bar of the conversion.

    The directory is only read: none of its code is run, and nothing is downloaded.

    Raises `InputError` (a `ValueError`) for a directory that is missing, is not a model of DNA, or is damaged.
    """
    from conversion.convert import convert
    from evaluation.likelihood.model import load_model as load

    with called_from_python(progress=progress):
        path, adapter_path = Path(model), Path(adapter) if adapter is not None else None
        device = None if device is None else str(device)
        if not path.is_dir() or recognise(path).name in ("hf", "te"):
            return load(path, dtype, device=device, adapter=adapter_path)
        with TemporaryDirectory(prefix="genomic-llama-") as folder:
            convert(path, Path(folder) / "model", to="hf")
            return load(Path(folder) / "model", dtype, device=device, adapter=adapter_path)


def check_predicts_bases(model: "PreTrainedModel") -> None:
    """Errors: `InputError` for a model without an output layer for bases, such as one with a head."""
    if not hasattr(model, "lm_head"):
        fix = "Give the model that it was trained from; `embed` reads this one too."
        raise InputError(f"{type(model).__name__} does not predict bases", fix=fix, kind="no-output-layer")
