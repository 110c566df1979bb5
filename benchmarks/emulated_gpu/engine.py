"""Import this before NeMo: Transformer Engine's Python with the emulated extension.

Its wheel brings Python alone, so that nothing of CUDA is loaded. It lies in a folder of its own beside the packages of
the environment (`make venv`): there, Megatron-Core would find it without its libraries and fail to import.
"""

import importlib.util
import os
import sys
import types
import warnings
from pathlib import Path
from typing import Any

FOLDER = Path(sys.prefix) / "transformer_engine_python"
"""Where `make venv` puts the wheel, and what it imports."""


def install() -> None:
    """Make `transformer_engine.pytorch` importable, on the emulated extension."""
    # Read by transformer_engine.common, which loads no CUDA library then; eager in place of torch.compile.
    os.environ |= {"NVTE_PROJECT_BUILDING": "1", "NVTE_TORCH_COMPILE": "0", "TORCHDYNAMO_DISABLE": "1"}
    if "transformer_engine" in sys.modules:
        return
    if str(FOLDER) not in sys.path:
        sys.path.append(str(FOLDER))
    from benchmarks.emulated_gpu.extension import NAME, extension

    sys.modules[NAME] = extension()
    _leave_out_triton()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from transformer_engine import common

        common.load_framework_extension = lambda framework: None
        importlib.import_module("transformer_engine.pytorch")


class _NoTriton(types.ModuleType):
    """Triton kernels of Transformer Engine, none of which a recipe launches. torch's CPU build has no Triton."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def missing(*arguments: Any, **options: Any) -> Any:
            raise NotImplementedError(f"{self.__name__}.{name} is a Triton kernel, which is not emulated")

        return missing


def _leave_out_triton() -> None:
    if importlib.util.find_spec("triton") is not None:
        return
    folder = Path(FOLDER) / "transformer_engine" / "pytorch" / "triton"
    for file in folder.glob("*.py"):
        name = "transformer_engine.pytorch.triton" + ("" if file.stem == "__init__" else f".{file.stem}")
        sys.modules[name] = _NoTriton(name)


install()
