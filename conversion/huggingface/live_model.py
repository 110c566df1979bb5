"""A model directory as a model of transformers, which is handed a configuration and tensors, never the directory.

What transformers finds in a directory it follows: an adapter to its base model, an index to other directories, names of
code and kernels to the network. It also reads RoPE differently by its release. So the directory is read by our own
strict readers, and transformers is given what they made of it, in the spelling that every release reads alike.
"""

import dataclasses
import warnings
from typing import TYPE_CHECKING, Any

from configs.llama import LlamaArchitecture, hf_config
from configs.rope import frequencies
from conversion.checkpoint import Checkpoint, Rows
from conversion.files.mapped_file import loaded
from foundation.errors import InputError
from foundation.progress import Advance, no_progress
from foundation.spelling import option

if TYPE_CHECKING:
    from torch import Tensor
    from torch import dtype as TorchDtype
    from transformers import LlamaConfig, LlamaForCausalLM
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding


def llama_config(architecture: LlamaArchitecture) -> "LlamaConfig":
    """The configuration of `architecture` for transformers 4 and 5."""
    from transformers import LlamaConfig

    return LlamaConfig.from_dict(hf_config(architecture))


def rotary_embedding(architecture: LlamaArchitecture, device: str = "cpu") -> "LlamaRotaryEmbedding":
    """The RoPE of transformers. Errors: `InputError` where it does not turn as `architecture` says."""
    import torch
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

    rotary = LlamaRotaryEmbedding(llama_config(architecture), device=device)
    wanted = torch.tensor(
        frequencies(architecture.rope_theta, architecture.head_dim, architecture.rope_scaling), dtype=torch.float64
    )
    alike = torch.allclose(rotary.inv_freq.double().cpu(), wanted, rtol=1e-5, atol=0)
    if not alike or rotary.attention_scaling != 1.0:
        raise InputError(
            f"transformers computes another RoPE than theta {architecture.rope_theta:g} with "
            f"{architecture.rope_scaling or 'no scaling'}",
            fix="Install a release that `make venv` pins.",
            kind="rope-not-computed",
        )
    return rotary


def load_llama(
    checkpoint: Checkpoint, dtype: str, device: str, *, advance: Advance = no_progress
) -> "LlamaForCausalLM":
    """The model of `checkpoint`, of the class that its configuration names, with weights in `dtype` on `device`.

    Weights that are stored so, and stay on the CPU, are views of the files: nothing is copied. `advance` is told of the
    bytes that are loaded.
    Errors: `InputError` naming a tensor with values that are NaN or infinite, in the file or in `dtype`.
    """
    import torch
    import transformers

    architecture = dataclasses.replace(checkpoint.architecture, dtype=dtype)
    with torch.device("meta"):
        config = llama_config(architecture)
        model = getattr(transformers, str(config.architectures[0]))(config)
    model.model.rotary_emb = rotary_embedding(architecture, device)
    stored = checkpoint.architecture.dtype
    kept = (device, dtype) == ("cpu", stored)  # as it is in the files
    tensors: dict[str, Tensor] = {}
    for weight in checkpoint.weights:
        for name, rows in zip(weight.hf, checkpoint.parts(weight), strict=True):
            found = _tensor(rows if kept else [loaded(piece) for piece in rows], stored)
            tensors[name] = found.to(device).to(getattr(torch, dtype))
            _check_finite(tensors[name], name, checkpoint, dtype)
            advance(tensors[name].nbytes)
    if architecture.tie_word_embeddings and not architecture.head:
        tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"]
    model.load_state_dict(tensors, assign=True)
    model.tie_weights()
    return model


def _tensor(rows: Rows, dtype: str) -> "Tensor":
    """Raw numbers of the format `dtype` as a tensor, a view of them where they are in one piece."""
    import torch

    stored: TorchDtype = getattr(torch, dtype)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*not writable.*")  # nothing here writes to weights
        pieces = [torch.from_numpy(_aligned(piece).view(f"<i{piece.itemsize}")).view(stored) for piece in rows]
    return pieces[0] if len(pieces) == 1 else torch.cat(pieces)


def _aligned(piece: Any) -> Any:
    return piece if piece.flags.aligned else piece.copy()


def _check_finite(tensor: "Tensor", name: str, checkpoint: Checkpoint, dtype: str) -> None:
    import torch

    if bool(torch.stack(torch.aminmax(tensor)).isfinite().all()):
        return
    stored = checkpoint.architecture.dtype
    narrower = dtype == "float16" and stored != dtype
    raise InputError(
        f"tensor {name!r} has values that are NaN or infinite" + (f" in {dtype}" if narrower else ""),
        where=checkpoint.directory,
        fix=f"Give {option('dtype', stored)}: float16 ends at 65,504." if narrower else "Take an earlier checkpoint.",
        kind="weights-not-finite",
    )
