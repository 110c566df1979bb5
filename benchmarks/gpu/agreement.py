"""Two layers of full width against fp32: the recipe's model and `transformers`' with the same weights."""

import dataclasses
from typing import Any

import numpy as np
import torch

from benchmarks.gpu.settings import Settings, architecture_of, in_fp8_throughout, with_layers
from benchmarks.gpu.training import build_model, one_process
from conversion.weight_table import expand, fuse

LAYERS = 2
LIMITS = {"fp32": 1e-5, "bf16": 0.03, "fp8": 0.15}
"""Largest root-mean-square error of the logits, of their own spread. bf16 has 8 bits, E4M3 has 4."""


def agreement(settings: Settings, device: str, seconds: float) -> dict[str, Any]:
    """Logits and loss on random tokens. Errors: `ValueError` where they are further apart than `LIMITS`."""
    settings = in_fp8_throughout(with_layers(settings, LAYERS))  # the first and last are all that there are
    peer = _reference(settings, device)
    length = min(2048, settings["model"]["seq_length"])
    tokens = torch.randint(0, 256, (1, length), device=device, generator=_generator(device))
    with torch.no_grad():
        expected = peer(input_ids=tokens, use_cache=False).logits
        weights = {name: tensor.cpu().numpy() for name, tensor in peer.state_dict().items()}
        with one_process(device):
            model = build_model(settings, device)
            _load(model, settings, weights)
            model.eval()
            positions = torch.arange(length, device=device)[None]
            found = model(input_ids=tokens, position_ids=positions, attention_mask=None)
    difference = (found.float() - expected).square().mean().sqrt() / expected.std()
    losses = [
        float(torch.nn.functional.cross_entropy(logits.float()[0, :-1], tokens[0, 1:])) for logits in (found, expected)
    ]
    limit = LIMITS[_formats(settings)]
    result = {
        "rms_error": float(difference),
        "limit": limit,
        "loss": losses[0],
        "loss_fp32": losses[1],
        "tokens": length,
    }
    if not result["rms_error"] <= limit:
        raise ValueError(f"logits differ from fp32 by {result['rms_error']:.3g} of their spread, more than {limit}")
    return result


def _reference(settings: Settings, device: str) -> Any:
    from transformers import LlamaForCausalLM

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.manual_seed(0)
    with torch.device(device):
        return LlamaForCausalLM(hf_llama(settings)).float().eval()


def hf_llama(settings: Settings) -> Any:
    """The `LlamaConfig` of `transformers` for the same architecture, with SDPA."""
    from transformers import LlamaConfig

    from configs.llama import hf_config

    values = hf_config(dataclasses.replace(architecture_of(settings), dtype="float32"))
    return LlamaConfig(**{**values, "attn_implementation": "sdpa", "use_cache": False})


def _load(model: Any, settings: Settings, weights: dict[str, Any]) -> None:
    """Copy Hugging Face `weights` into the model, by the table of the conversion."""
    parameters = {name.removeprefix("module."): tensor for name, tensor in model.named_parameters()}
    for weight in expand(architecture_of(settings)):
        fused = np.concatenate(list(fuse(weight, [[weights.pop(name)] for name in weight.hf])))
        parameters.pop(weight.megatron).copy_(torch.from_numpy(fused.reshape(weight.fused_shape)))
    if parameters or weights:
        raise ValueError(f"left over: {[*parameters, *weights]}")


def _formats(settings: Settings) -> str:
    if settings["transformer"]["fp8"]:
        return "fp8"
    return "bf16" if settings["transformer"]["bf16"] else "fp32"


def _generator(device: str) -> torch.Generator:
    return torch.Generator(device).manual_seed(1)
