"""One rank's training step of any size under fake tensors, which have shapes and no memory, against the plan.

`python -m benchmarks.emulated_gpu.trace [CONFIG GPUS OVERRIDE...]`; without arguments the table of
docs/benchmarks/memory_trace.md. Traced are the bytes of all tensors that are alive: model, gradient buffers, the
distributed optimizer, and what autograd keeps. Not traced: workspaces of kernels, NCCL, the allocator's fragmentation.
"""

from benchmarks.emulated_gpu import engine  # isort: skip  # before NeMo

import contextlib
import dataclasses
import gc
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from benchmarks.emulated_gpu.cases import CASES
from benchmarks.emulated_gpu.devices import pretended_gpus
from benchmarks.emulated_gpu.fake import LiveBytes, Numbers, fp8_on_fake_tensors, silent_collectives
from launch.planning.memory import GIB, Memory


@dataclasses.dataclass(frozen=True, kw_only=True)
class Traced:
    """Bytes on one GPU, traced, and the plan for them."""

    parameters: int
    weights: int
    gradients: int
    optimizer: int
    peak: int
    plan: Memory

    @property
    def state(self) -> int:
        """Bytes that stay from step to step."""
        return self.weights + self.gradients + self.optimizer

    @property
    def kept(self) -> int:
        """Bytes beside those, at the peak."""
        return self.peak - self.state


def trace(name: str, gpus: int, *overrides: str, rank: int = 0) -> Traced:
    """Two steps of one rank; the second one's peak, when the optimizer has its state. Needs a process of its own."""
    from benchmarks.emulated_gpu.step import Step
    from configs.compose import compose_config
    from launch.planning.memory import stage_memory
    from launch.preflight.check import check_config
    from tokenizer.vocabulary import VOCAB_SIZE

    machine = compose_config(name, list(overrides)).hardware
    each = min(gpus, machine.devices)
    config = compose_config(name, [*overrides, f"hardware.devices={each}", f"hardware.num_nodes={gpus // each}"])
    architecture, length = check_config(config)
    capability = (9, 0) if config.hardware.compute_capability < 10 else (10, 0)
    with contextlib.ExitStack() as stack:
        for context in (
            pretended_gpus(each, capability, backend="fake"),
            silent_collectives(),
            _groups(config, gpus, rank),
        ):
            stack.enter_context(context)
        for mode in (FakeTensorMode(allow_non_fake_inputs=True), fp8_on_fake_tensors(), Numbers()):
            stack.enter_context(mode)
        live = stack.enter_context(LiveBytes())
        step = Step(config)
        gc.collect()
        for _ in range(2):
            live.forget_peak()
            step()
            gc.collect()
        weights, gradients, optimizer = step.state_bytes()
        peak = live.peak
    plan = stage_memory(config, architecture, length, rank * config.parallelism.pipeline // gpus, vocab_size=VOCAB_SIZE)
    return Traced(
        parameters=step.parameters,
        weights=weights,
        gradients=gradients,
        optimizer=optimizer,
        peak=peak,
        plan=plan,
    )


@contextlib.contextmanager
def _groups(config: Any, gpus: int, rank: int) -> Iterator[None]:
    """Megatron-Core's process groups of `gpus` ranks, of which this process is one and the others are not there."""
    from megatron.core import parallel_state
    from megatron.core.tensor_parallel import model_parallel_cuda_manual_seed
    from torch.testing._internal.distributed.fake_pg import FakeStore

    layout = config.parallelism
    torch.distributed.init_process_group("fake", rank=rank, world_size=gpus, store=FakeStore())
    parallel_state.initialize_model_parallel(layout.tensor, layout.pipeline, context_parallel_size=layout.context)
    model_parallel_cuda_manual_seed(1)
    yield
    parallel_state.destroy_model_parallel()
    torch.distributed.destroy_process_group()


def row(name: str, gpus: int, *overrides: str) -> str:
    """A line of the table."""
    found = trace(name, gpus, *overrides)
    plan = found.plan
    pairs = (
        (found.weights + found.gradients, plan.weights + plan.gradients),
        (found.optimizer, plan.optimizer),
        (found.kept, plan.activations + plan.logits + plan.workspace),
        (found.peak, plan.total - plan.reserve),
    )
    cells = " | ".join(f"{traced / GIB:.2f} / {planned / GIB:.2f}" for traced, planned in pairs)
    words = f"`{name}`" + "".join(f" `{one}`" for one in overrides)
    return f"| {words} | {gpus} | {found.parameters:,} | {cells} |"


def table(cases: Sequence[Sequence[Any]] = CASES) -> Iterator[str]:
    """The page of docs/benchmarks, each case in a process of its own: Megatron-Core keeps global state."""
    import subprocess

    yield "| recipe | GPUs | parameters on rank 0 | weights, gradients | optimizer | step | peak |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    for case in cases:
        command = [sys.executable, "-m", "benchmarks.emulated_gpu.trace", *map(str, case)]
        yield subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1]


if __name__ == "__main__":
    assert engine
    if sys.argv[1:]:
        print(row(sys.argv[1], int(sys.argv[2]), *sys.argv[3:]))
    else:
        for line in table():
            print(line, flush=True)
