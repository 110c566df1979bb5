"""GPUs that are pretended: torch, Lightning, NeMo, Megatron-Core and Transformer Engine take their GPU ways.

Every tensor is a CPU's and says that it is CUDA's, so a tensor that was left on the wrong device is not noticed here.
"""

import contextlib
import types
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

import torch
from torch.overrides import TorchFunctionMode

from benchmarks.emulated_gpu import collectives
from benchmarks.emulated_gpu.streams import Event, Stream

MEMORY_BYTES = {(8, 0): 85_899_345_920, (9, 0): 85_520_809_984, (10, 0): 192_265_846_784}
"""Memory of an A100, an H100 and a B200."""


@contextlib.contextmanager
def pretended_gpus(
    count: int = 1, capability: tuple[int, int] = (9, 0), backend: str = "gloo", named: bool = False
) -> Iterator[None]:
    """`count` GPUs of a CUDA `capability`, for as long as the context lasts.

    `named`: tensors also name the GPU as their device, all of them, which the saving of checkpoints would refuse.
    """
    with contextlib.ExitStack() as stack:
        for target, name, value in (
            *_cuda(count, capability),
            *_random_states(),
            *_checkpoints(stack),
            *collectives.patches(backend),
        ):
            stack.enter_context(patch.object(target, name, value))
        stack.enter_context(_SaysCuda(named))
        yield


_IS_CUDA = torch.Tensor.is_cuda.__get__  # type: ignore[attr-defined]
_DEVICE = torch.Tensor.device.__get__  # type: ignore[attr-defined]


class _SaysCuda(TorchFunctionMode):
    """What asks for CUDA gets the CPU, and CPU tensors say that they are CUDA's."""

    def __init__(self, named: bool) -> None:
        super().__init__()
        self.named = named

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func == _IS_CUDA:
            return args[0].device.type != "meta"
        if func == _DEVICE and self.named:
            device = func(*args)
            return torch.device("cuda", 0) if device.type == "cpu" else device
        if func is torch.device and len(args) == 1 and isinstance(args[0], int):
            return torch.device("cuda", args[0])
        if _means_cuda(kwargs.get("device")):
            kwargs["device"] = "cpu"
        if kwargs.get("pin_memory"):
            kwargs["pin_memory"] = False
        if func in (torch.Tensor.cuda, torch.Tensor.pin_memory):
            return args[0]
        if func is torch.Tensor.record_stream:
            return None
        if func is torch.Tensor.to and len(args) > 1:
            if _means_cuda(args[1]):
                args = (args[0], "cpu", *args[2:])
            elif args[1] in ("cpu", torch.device("cpu")) and hasattr(args[0], "_fp8_dtype"):
                return args[0].dequantize()  # what copying an FP8 tensor to another device does
        if func is torch.Tensor.type and len(args) == 1 and not kwargs:
            return func(*args).replace("torch.", "torch.cuda.")
        return func(*args, **kwargs)


def _means_cuda(device: Any) -> bool:
    if isinstance(device, torch.device):
        return device.type == "cuda"
    if isinstance(device, int) and not isinstance(device, bool):
        return True
    return isinstance(device, str) and device.split(":")[0] == "cuda"


def _cuda(count: int, capability: tuple[int, int]) -> Iterator[tuple[Any, str, Any]]:
    """(object, attribute, value) of what torch says of its devices."""
    cuda = torch.cuda
    memory = MEMORY_BYTES[capability]
    properties = types.SimpleNamespace(
        name="a GPU (emulated)",
        major=capability[0],
        minor=capability[1],
        total_memory=memory,
        multi_processor_count=132,
        warp_size=32,
        max_threads_per_multi_processor=2048,
        L2_cache_size=52_428_800,
        gcnArchName="",
    )
    answers = {
        "is_available": True,
        "is_initialized": True,
        "device_count": count,
        "current_device": 0,
        "get_device_properties": properties,
        "get_device_capability": capability,
        "get_device_name": properties.name,
        "memory_allocated": 0,
        "max_memory_allocated": 0,
        "memory_reserved": 0,
        "max_memory_reserved": 0,
        "memory_stats": {},
        "mem_get_info": (memory, memory),
        "is_bf16_supported": True,
        "is_current_stream_capturing": False,
    }
    for name, answer in answers.items():
        yield cuda, name, _always(answer)
    for name in (
        "init",
        "_lazy_init",
        "set_device",
        "synchronize",
        "empty_cache",
        "ipc_collect",
        "reset_peak_memory_stats",
    ):
        yield cuda, name, _always(None)
    yield torch.version, "cuda", "13.0"
    yield cuda, "_lazy_call", lambda function, **options: function()
    yield cuda, "Stream", Stream
    yield cuda, "Event", Event
    for name in ("current_stream", "default_stream"):
        yield cuda, name, lambda *arguments: Stream()
    for target, name in ((cuda, "device"), (cuda, "stream"), (cuda.nvtx, "range")):
        yield target, name, lambda *arguments, **options: contextlib.nullcontext()
    for name in ("range_push", "range_pop"):
        yield cuda.nvtx, name, _always(0)
    # torch would leave its modes for the time of a backward pass within a backward pass, that of recomputed layers.
    yield torch.autograd, "has_torch_function", _always(False)
    make = torch.Tensor._make_wrapper_subclass  # type: ignore[attr-defined]
    yield torch.Tensor, "_make_wrapper_subclass", staticmethod(_on_the_cpu(make))


def _random_states() -> Iterator[tuple[Any, str, Any]]:
    """The CPU's generator as the GPU's, also for Megatron-Core's tracker of random states."""
    from megatron.core.tensor_parallel import random

    def get(*arguments: Any, **options: Any) -> torch.Tensor:
        return torch.get_rng_state()

    def put(state: torch.Tensor, *arguments: Any, **options: Any) -> None:
        torch.set_rng_state(state)

    yield torch.cuda, "manual_seed", lambda seed: torch.manual_seed(seed)
    yield torch.cuda, "manual_seed_all", _always(None)
    yield torch.cuda, "get_rng_state", get
    yield torch.cuda, "set_rng_state", put
    yield random, "_get_cuda_rng_state", get
    yield random, "_set_cuda_rng_state", put
    yield random, "_lazy_init", _always(None)
    yield random, "_lazy_call", lambda function, **options: function()
    yield random, "device_ctx_manager", lambda device: contextlib.nullcontext()


def _checkpoints(stack: contextlib.ExitStack) -> Iterator[tuple[Any, str, Any]]:
    """Megatron-Core's saving spawns a process that imports NeMo again; a forked one takes no time."""
    from megatron.core.dist_checkpointing.strategies import filesystem_async

    from training.cpu.stand_in import forked_queue

    yield filesystem_async, "_get_write_results_queue", forked_queue(stack)


def _always(answer: Any) -> Callable[..., Any]:
    return lambda *arguments, **options: answer


def _on_the_cpu(make: Callable[..., Any]) -> Callable[..., Any]:
    def made(cls: type, *arguments: Any, **options: Any) -> Any:
        if _means_cuda(options.get("device")):
            options["device"] = "cpu"
        return make(cls, *arguments, **options)

    return made
