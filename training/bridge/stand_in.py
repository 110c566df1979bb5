"""Megatron-Bridge on a CPU: the CUDA calls that it and megatron-core 0.19.2 make beside those of `training.cpu`."""

import contextlib
import functools
from collections.abc import Iterator
from contextlib import AbstractContextManager

import torch

from training.cpu.stand_in import Seam, forked_queue, stand_in


def bridge_stand_in() -> AbstractContextManager[None]:
    """CUDA calls of Megatron-Bridge land on the CPU inside this context. See `training.cpu.stand_in.stand_in`."""
    return stand_in(_patches)


class _Stream:
    """A stream on which everything is already done."""

    def wait_stream(self, other: object) -> None: ...

    def wait_event(self, event: object) -> None: ...

    def record_event(self, event: object = None) -> None: ...

    def synchronize(self) -> None: ...


def _patches(stack: contextlib.ExitStack) -> Iterator[Seam]:
    from megatron.bridge.training import initialize, setup
    from megatron.core.dist_checkpointing.strategies import filesystem_async

    yield torch.cuda, "Stream", lambda *args, **kwargs: _Stream()
    yield torch.cuda, "current_stream", lambda *args, **kwargs: _Stream()
    yield torch.cuda, "stream", lambda stream: contextlib.nullcontext()
    yield torch.cuda, "get_rng_state", lambda *args, **kwargs: torch.get_rng_state()
    yield torch.cuda, "set_rng_state", lambda state, *args, **kwargs: torch.set_rng_state(state)
    yield filesystem_async, "get_write_results_queue", forked_queue(stack)
    yield setup, "initialize_megatron", functools.partial(initialize.initialize_megatron, allow_no_cuda=True)
