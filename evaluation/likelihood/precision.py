"""Single precision with a model whose weights are in half: each is widened when it is used, and kept as it is."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@contextmanager
def single_precision(model: "PreTrainedModel") -> Iterator[None]:
    """Inside, `model` computes in fp32, on a GPU with TF32 products; nothing changes for one that is in fp32.

    The embeddings are widened, and what follows takes their type: norms, rotations and attention by themselves,
    products since their weights are widened too.
    """
    import torch

    if model.dtype == torch.float32:
        yield
        return
    before = torch.get_float32_matmul_precision()
    if model.device.type == "cuda":
        torch.set_float32_matmul_precision("high")
    try:
        with _mode():
            yield
    finally:
        torch.set_float32_matmul_precision(before)


def _mode() -> Any:
    import torch
    from torch.overrides import TorchFunctionMode

    class Widened(TorchFunctionMode):
        def __torch_function__(
            self, function: Callable[..., Any], types: Any, args: Any = (), options: dict[str, Any] | None = None
        ) -> Any:
            if function is torch.nn.functional.linear:
                args = tuple(one if one is None else one.to(args[0].dtype) for one in args)
            result = function(*args, **(options or {}))
            return result.float() if function is torch.nn.functional.embedding else result

    return Widened()
