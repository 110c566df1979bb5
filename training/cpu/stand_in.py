"""A stand-in for the CUDA calls that Megatron-Core and NeMo make unconditionally, for as long as a context lasts.

Nothing is patched at import, and everything is restored at exit, also after an exception. The seams, with the
places (megatron-core 0.15.3, nemo-toolkit 2.7.3) that need them:

- `device="cuda"`, `.cuda()`, `.to("cuda")`, `pin_memory=True`: optimizer.py, schedules.py, megatron_strategy.py
- `Tensor.type()` compared with `torch.cuda.FloatTensor`: optimizer.py, clip_grads.py
- `torch.cuda.current_device`, `synchronize`, `Stream`: layers.py, param_and_grad_buffer.py, megatron_parallel.py
- the tracker of CUDA random states, and the state that recomputed layers begin with: tensor_parallel/random.py
- `_fix_tensors_device`, which moves a loaded checkpoint to CUDA: nemo/lightning/io/pl.py
- the Adam that there is without Transformer Engine, which the distributed optimizer cannot save: distrib_optimizer.py
- LoRA, which asks for Transformer Engine's linear layers, and knows whose norm to read after by them: peft/lora.py
- the adapter's forward pass, which multiplies tensors of the layer's width: peft/utils.py
- the queue for write results, made by a spawned process that imports `__main__` again: filesystem_async.py
"""

import contextlib
import ctypes
import multiprocessing
import signal
import types
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from multiprocessing.managers import SyncManager
from typing import Any
from unittest.mock import patch

import torch
from torch.overrides import TorchFunctionMode

from foundation.errors import InputError
from training.cpu.products import matmul

Seam = tuple[object, str, object]
"""An object, the name of one of its attributes, and a temporary replacement."""


def cpu_stand_in() -> AbstractContextManager[None]:
    """CUDA calls of NeMo and its Megatron-Core land on the CPU inside this context. See `stand_in`."""
    return stand_in(_patches_of_nemo)


@contextlib.contextmanager
def stand_in(seams: Callable[[contextlib.ExitStack], Iterable[Seam]]) -> Iterator[None]:
    """CUDA calls land on the CPU inside this context, in this thread: those of any Megatron-Core, and `seams`.

    Errors: `InputError` where CUDA is available, since a mixture of both devices would follow.
    """
    if torch.cuda.is_available():
        raise InputError(
            "hardware=cpu was asked for on a machine with CUDA",
            fix="Choose another hardware group, or hide the GPUs with CUDA_VISIBLE_DEVICES=''.",
            kind="cpu-beside-cuda",
        )
    with contextlib.ExitStack() as stack:
        for target, name, value in (*_patches_of_megatron(), *seams(stack)):
            stack.enter_context(patch.object(target, name, value))
        stack.enter_context(_CudaToCpu())
        yield


def _patches_of_megatron() -> Iterator[Seam]:
    from megatron.core import optimizer
    from megatron.core.optimizer import distrib_optimizer
    from megatron.core.tensor_parallel import random

    from training.cpu.adam import CpuAdamW

    yield torch.cuda, "current_device", lambda: "cpu"
    yield torch.cuda, "synchronize", lambda device=None: None
    yield random, "_CUDA_RNG_STATE_TRACKER", _rng_tracker(random.CudaRNGStatesTracker)
    yield random, "_CUDA_RNG_STATE_TRACKER_INITIALIZED", True
    yield random, "_get_cuda_rng_state", lambda *args, **kwargs: torch.get_rng_state()
    yield random, "_set_cuda_rng_state", lambda state, *args, **kwargs: torch.set_rng_state(state)
    yield optimizer, "Adam", CpuAdamW
    yield optimizer, "USING_PYTORCH_OPTIMIZER", False
    yield distrib_optimizer, "Adam", CpuAdamW
    yield distrib_optimizer, "HAVE_APEX_OR_TE", True
    yield distrib_optimizer, "USING_TE_OPTIMIZER", True


def _patches_of_nemo(stack: contextlib.ExitStack) -> Iterator[Seam]:
    from megatron.core.dist_checkpointing.strategies import filesystem_async
    from nemo.collections.llm.peft import lora, utils
    from nemo.lightning.io import pl

    from training.cpu.adapter import scale_between_the_factors

    yield torch.cuda, "Stream", lambda *args, **kwargs: None
    yield utils, "HAVE_TE", False  # it takes Megatron-Core's empty names of its layers for the layers
    yield utils.ParallelLinearAdapter, "forward", scale_between_the_factors
    yield lora, "te", types.SimpleNamespace(Linear=None)
    yield lora, "get_adapter_attributes_from_linear", _after_the_norm(lora.get_adapter_attributes_from_linear)
    yield pl, "_fix_tensors_device", lambda checkpoint: checkpoint
    yield filesystem_async, "_get_write_results_queue", forked_queue(stack)


class _CudaToCpu(TorchFunctionMode):
    """Rewrites the arguments that ask for CUDA, and has products computed by oneDNN.

    Thread-local, like every torch function mode; a CPU's backward pass runs in the same thread.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if not kwargs and func not in _REWRITTEN:
            return func(*args)  # nearly all of the thousands of calls of a step
        if func in _PRODUCTS and not kwargs:
            return matmul(*args)
        kwargs = dict(kwargs or {})
        if _is_cuda(kwargs.get("device")):
            kwargs["device"] = "cpu"
        if kwargs.get("pin_memory"):
            kwargs["pin_memory"] = False
        if func is torch.Tensor.cuda or func is torch.Tensor.pin_memory:
            return args[0]
        if func is torch.Tensor.to and len(args) > 1 and _is_cuda(args[1]):
            args = (args[0], "cpu", *args[2:])
        if func is torch.Tensor.type and len(args) == 1 and not kwargs:
            return func(*args).replace("torch.", "torch.cuda.")
        return func(*args, **kwargs)


_PRODUCTS = frozenset({torch.matmul, torch.Tensor.matmul})

_REWRITTEN = frozenset({torch.Tensor.cuda, torch.Tensor.pin_memory, torch.Tensor.to, torch.Tensor.type}) | _PRODUCTS
"""Functions whose calls are rewritten even without a keyword."""


def _is_cuda(device: object) -> bool:
    if isinstance(device, torch.device):
        return device.type == "cuda"
    return isinstance(device, str) and device.split(":")[0] == "cuda"


def _rng_tracker(tracker: type) -> Any:
    """An instance of Megatron's tracker whose named states are states of the CPU generator."""

    class CpuRngStatesTracker(tracker):  # type: ignore[misc]
        def add(self, name: str, seed: int) -> None:
            if name in self.states_ or seed in self.seeds_:
                raise ValueError(f"random state {name!r} or seed {seed} was added before")
            self._is_initialized = True
            self.seeds_.add(seed)
            self.states_[name] = torch.Generator().manual_seed(seed).get_state()

        @contextlib.contextmanager
        def fork(self, name: str = "model-parallel-rng") -> Iterator[None]:
            before = torch.get_rng_state()
            torch.set_rng_state(self.states_[name])
            try:
                yield
            finally:
                self.states_[name] = torch.get_rng_state()
                torch.set_rng_state(before)

    return CpuRngStatesTracker()


def _after_the_norm(attributes: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """`attributes`, which also asks a layer that contains its norm for the norm's attributes."""

    def with_norm(layer: Any) -> Any:
        if hasattr(layer, "return_layernorm_output"):
            layer.return_layernorm_output = True
        return attributes(layer)

    return with_norm


def forked_queue(stack: contextlib.ExitStack) -> Callable[[], Any]:
    """A function that makes one queue in a forked manager, at its first call, and ends the manager with `stack`."""
    queues: list[Any] = []

    def queue() -> Any:
        if not queues:
            manager = SyncManager(ctx=multiprocessing.get_context("fork"))
            manager.start(exit_with_parent)
            stack.callback(manager.shutdown)
            queues.append(manager.Queue())
        return queues[0]

    return queue


def exit_with_parent() -> None:
    """A manager whose process was killed would wait forever, with all the memory that it was forked with."""
    if prctl := getattr(ctypes.CDLL(None), "prctl", None):
        prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG of linux/prctl.h
