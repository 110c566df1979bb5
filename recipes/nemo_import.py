"""NeMo and the recipes, imported without what no run of a Llama uses: more than half, which waits until it is used."""

import os

from foundation.deferred_imports import deferred_imports
from recipes.late_compiler import late_compiler

_FAMILIES = "nemo.collections.llm.gpt.model."
_TABLES = ("modelopt.torch.quantization",)
"""NeMo asks which of its tables there are."""

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
    *("modelopt.torch.prune", "modelopt.torch.quantization", "modelopt.torch.sparsity", "modelopt.torch.speculative"),
    # The compiler, which a run on a CPU does not call
    "torch._dynamo",
    # Other models
    *("nemo.collections.llm.bert.model", "nemo.collections.llm.t5.model"),
    *("nemo.collections.llm.gpt.data.megatron.hyena", _FAMILIES + "megatron.hyena"),
    *(
        _FAMILIES + name
        for name in ("baichuan", "chatglm", "deepseek", "gemma", "gemma2", "gemma3", "gpt_oss", "hyena")
    ),
    *(_FAMILIES + name for name in ("llama_embedding", "llama_nemotron", "mistral", "mixtral", "nemotron", "phi3mini")),
    *(_FAMILIES + name for name in ("qwen2", "qwen3", "reranker", "ssm", "starcoder", "starcoder2")),
)


def _name_an_architecture() -> None:
    """Name a GPU architecture for the CUDA code that Megatron-Core compiles at import, if torch has CUDA and no GPU."""
    import torch

    if torch.version.cuda and not torch.cuda.is_available():
        os.environ.setdefault("TORCH_CUDA_ARCH_LIST", "9.0")


_name_an_architecture()
with deferred_imports(DEFERRED, true=_TABLES), late_compiler():
    from recipes.recipe import build_recipe as build_recipe
