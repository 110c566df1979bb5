"""NeMo and the recipes, imported without what no run of a Llama uses: more than half, which waits until it is used.

Functions that it decorates with `torch.compile` are compiled at their first call: importing the compiler is slow too.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache, wraps
from types import FunctionType
from typing import Any

from foundation.deferred_imports import deferred_imports

_FAMILIES = "nemo.collections.llm.gpt.model."

DEFERRED = (
    # Clients of clouds, and of machines by SSH
    *("leptonai", "paramiko", "invoke", "fabric"),
    # Figures, tables, and metrics of text, sound and pictures
    *("matplotlib", "pandas", "sklearn", "scipy.interpolate", "scipy.signal", "scipy.spatial", "scipy.stats"),
    *("torchmetrics.functional.audio", "torchmetrics.functional.multimodal", "torchmetrics.functional.text"),
    "torchmetrics.utilities.plot",
    # Loggers, adapters and data sets of others
    *("wandb", "peft", "datasets"),
    # Quantization, pruning and drafts; the rest of modelopt NeMo asks at each checkpoint whether a model is its own
    *("modelopt.torch.export", "modelopt.torch.nas", "modelopt.torch.opt.plugins.transformers"),
    *("modelopt.torch.prune", "modelopt.torch.sparsity", "modelopt.torch.speculative"),
    # Other models
    *("nemo.collections.llm.bert.model", "nemo.collections.llm.t5.model"),
    *(
        _FAMILIES + name
        for name in ("baichuan", "chatglm", "deepseek", "gemma", "gemma2", "gemma3", "gpt_oss", "hyena")
    ),
    *(_FAMILIES + name for name in ("llama_embedding", "llama_nemotron", "mistral", "mixtral", "nemotron", "phi3mini")),
    *(_FAMILIES + name for name in ("qwen2", "qwen3", "reranker", "ssm", "starcoder", "starcoder2")),
)


@contextmanager
def _compiled_later() -> Iterator[None]:
    """Let `torch.compile` of a function do nothing before the function is called."""
    import torch

    compile_now = torch.compile

    def compile_later(model: Any = None, **options: Any) -> Any:
        if not isinstance(model, FunctionType):
            return compile_now(model, **options)
        compiled = lru_cache(lambda: compile_now(model, **options))
        return wraps(model)(lambda *args, **kwargs: compiled()(*args, **kwargs))

    torch.compile = compile_later
    try:
        yield
    finally:
        torch.compile = compile_now


def _name_an_architecture() -> None:
    """Name a GPU architecture for the CUDA code that Megatron-Core compiles at import, if torch has CUDA and no GPU."""
    import torch

    if torch.version.cuda and not torch.cuda.is_available():
        os.environ.setdefault("TORCH_CUDA_ARCH_LIST", "9.0")


_name_an_architecture()
with deferred_imports(DEFERRED), _compiled_later():
    from recipes.recipe import build_recipe as build_recipe
