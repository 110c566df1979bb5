"""NCCL's collectives, made of gloo's."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch


def patches(backend: str = "gloo") -> Iterator[tuple[Any, str, Any]]:
    """(object, attribute, value): process groups of `backend` where NCCL is asked for, and what gloo does otherwise."""
    from lightning.fabric.utilities import distributed as fabric
    from megatron.core.distributed import param_and_grad_buffer as buffers
    from transformer_engine.pytorch.attention.dot_product_attention import context_parallel

    yield torch.distributed, "init_process_group", _of_backend(torch.distributed.init_process_group, backend)
    yield torch.distributed, "new_group", _of_backend(torch.distributed.new_group, backend)
    yield torch.distributed, "barrier", _without(torch.distributed.barrier, "device_ids")
    yield torch.distributed, "is_nccl_available", lambda: True
    yield fabric, "_get_default_process_group_backend_for_device", lambda device: backend
    yield context_parallel, "flash_attn_p2p_communicate", exchange
    # Gloo joins what is coalesced into one tensor of one dtype, which gives wrong bytes; NCCL does not.
    yield buffers, "_coalescing_manager", one_by_one
    yield buffers, "dist_all_gather_func", _at_once(buffers.dist_all_gather_func)
    yield buffers, "dist_reduce_scatter_func", _at_once(buffers.dist_reduce_scatter_func)


def exchange(
    rank: int, send: torch.Tensor, to: int, receive: torch.Tensor, source: int, cp_group: Any, batch: bool
) -> list[Any]:
    """A turn of context parallelism's ring, as an all-gather."""
    parts = [torch.empty_like(send) for _ in range(torch.distributed.get_world_size(cp_group))]
    torch.distributed.all_gather(parts, send.contiguous(), group=cp_group)
    receive.copy_(parts[torch.distributed.get_group_rank(cp_group, source)])
    return []


class Done:
    """A collective that has ended."""

    def wait(self) -> None: ...


@contextlib.contextmanager
def one_by_one(*arguments: Any, **options: Any) -> Iterator[Done]:
    """A coalescing manager that coalesces nothing."""
    yield Done()


def _of_backend(make: Callable[..., Any], backend: str) -> Callable[..., Any]:
    def made(*arguments: Any, **options: Any) -> Any:
        for name in ("pg_options", "device_id"):
            options.pop(name, None)
        if arguments and isinstance(arguments[0], str):
            arguments = (backend, *arguments[1:])
        elif options.get("backend") != "gloo" or backend == "fake":
            options["backend"] = backend
        return make(*arguments, **options)

    return made


def _without(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    def called(*arguments: Any, **options: Any) -> Any:
        options.pop(name, None)
        return function(*arguments, **options)

    return called


def _at_once(function: Callable[..., Any]) -> Callable[..., Any]:
    def called(*arguments: Any, **options: Any) -> Any:
        return function(*arguments, **{**options, "async_op": False})

    return called
