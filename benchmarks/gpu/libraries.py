"""What the measurements stand on: versions of the libraries, and whether each of them does its first step here."""

import importlib.metadata
import shutil
from collections.abc import Callable
from typing import Any

import torch

from benchmarks.gpu.settings import Settings
from benchmarks.gpu.training import has_apex


def libraries(settings: Settings, device: str, seconds: float) -> dict[str, Any]:
    """Versions, and "ok" or the error of each step. Errors: `RuntimeError` naming the steps that failed."""
    steps: dict[str, Callable[[], None]] = {
        "Transformer Engine, bf16": lambda: _linear(""),
        "Transformer Engine, FP8 current scaling": lambda: _linear("Float8CurrentScaling"),
        "Transformer Engine, FP8 delayed scaling": lambda: _linear("DelayedScaling"),
        "torch.compile": _compiled,
    }
    tried = {name: _try(step) for name, step in steps.items()}
    found = {"versions": _versions(), "steps": tried}
    if bad := [f"{name}: {said}" for name, said in tried.items() if said != "ok"]:
        raise RuntimeError(f"{'; '.join(bad)} ({found['versions']})")
    return found


def _versions() -> dict[str, Any]:
    names = ("triton", "nvidia-cudnn-cu13", "nvidia-cudnn-cu12", "flash-attn", "transformer-engine-torch")
    found: dict[str, Any] = {
        "CUDA of torch": torch.version.cuda,
        "cuDNN of torch": torch.backends.cudnn.version(),
        "NCCL": ".".join(map(str, torch.cuda.nccl.version())),
        "APEX's gradient accumulation": has_apex(),
        "C compiler": shutil.which("cc") or shutil.which("gcc") or shutil.which("clang"),
    }
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found


def _try(step: Callable[[], None]) -> str:
    try:
        step()
        torch.cuda.synchronize()
    except Exception as error:  # whatever it is, it is what a reader has to know
        lines = str(error).strip().splitlines()
        return f"{type(error).__name__}: {lines[0] if lines else ''}"
    return "ok"


def _linear(recipe: str) -> None:
    """One layer, forward and backward."""
    import transformer_engine.pytorch as te
    from transformer_engine.common import recipe as recipes

    layer = te.LayerNormLinear(256, 256, bias=False, normalization="RMSNorm", params_dtype=torch.bfloat16)
    tokens = torch.randn(64, 256, device="cuda", dtype=torch.bfloat16, requires_grad=True)
    with te.autocast(enabled=bool(recipe), recipe=getattr(recipes, recipe)() if recipe else None):
        product = layer(tokens)
    product.float().square().mean().backward()


def _compiled() -> None:
    """What Megatron-Core fuses its activations with; Triton wants a C compiler for it."""
    values = torch.randn(1024, device="cuda")
    torch.testing.assert_close(torch.compile(_swish)(values), _swish(values))


def _swish(values: torch.Tensor) -> torch.Tensor:
    return values * torch.sigmoid(values)
