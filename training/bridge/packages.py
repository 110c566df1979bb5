"""What Megatron-Bridge 0.6.2 and megatron-core 0.19.2, as they are published, need in order to be imported and to run.

- `peft/lora_layers.py` of Bridge imports Transformer Engine, even if it is not installed: it gets a placeholder.
- `peft/utils.py` takes Megatron-Core's empty names of Transformer Engine's layers for the layers.
- `pretrain` logs a traceback of `SystemExit`, with which a run ends that was asked to.
- `pretrain` runs `make` for compiled helpers of Megatron-Core's own datasets; the wheel has them, and no Makefile.
"""

import contextlib
import importlib.util
import logging
import sys
import types
from collections.abc import Iterator
from unittest.mock import patch


@contextlib.contextmanager
def mended_packages() -> Iterator[None]:
    """Megatron-Bridge can be imported and run inside this context."""
    absent = importlib.util.find_spec("transformer_engine") is None
    with _transformer_engine_by_name() if absent else contextlib.nullcontext():
        import megatron.bridge.peft.lora_layers  # noqa: F401
    logging.getLogger("megatron.bridge.training.pretrain").addFilter(_is_a_failure)
    from megatron.bridge.peft import utils
    from megatron.bridge.training import initialize

    with (
        patch.object(initialize, "compile_helpers", lambda: None),
        patch.object(utils, "HAVE_TE", utils.HAVE_TE and not absent),
    ):
        yield


def _is_a_failure(record: logging.LogRecord) -> bool:
    return not record.exc_info or record.exc_info[0] is not SystemExit


@contextlib.contextmanager
def _transformer_engine_by_name() -> Iterator[None]:
    """Classes that nothing is an instance of, in place of those that Bridge's adapters ask for at import."""
    import megatron.core.extensions.transformer_engine
    import megatron.core.fp4_utils
    import megatron.core.fp8_utils
    import megatron.core.optimizer  # noqa: F401  each looks for Transformer Engine once, and must not find this

    root, layers = (types.ModuleType(name) for name in ("transformer_engine", "transformer_engine.pytorch"))
    root.__dict__.update(__path__=[], __version__="0.0.0", pytorch=layers)
    empty = {name: type(name, (), {}) for name in ("Linear", "LayerNormLinear", "GroupedLinear", "TransformerLayer")}
    layers.__dict__.update(empty, __path__=[], ops=types.SimpleNamespace(Sequential=type("Sequential", (), {})))
    with patch.dict(sys.modules):
        sys.modules |= {root.__name__: root, layers.__name__: layers}
        yield
        imported = dict(sys.modules)
    sys.modules |= {name: module for name, module in imported.items() if module not in (root, layers)}
