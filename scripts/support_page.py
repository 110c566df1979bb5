"""What was tested of each size, machine, precision and layout: `python -m scripts.support_page > docs/support.md`.

Five words are used, and tests hold them to what the tests do.
"""

from functools import cache

from benchmarks.emulated_gpu.cases import CASES
from foundation.errors import InputError
from launch.planning.names import FACTORIES
from launch.planning.plan import Plan, make_plan

RUN = {("train_tiny", "cpu", "fp32")}
"""Trained by the tests."""

TWO_PROCESSES = {
    "data 2, distributed optimizer": ["parallelism.distributed_optimizer=true"],
    "tensor 2": ["parallelism.tensor=2"],
    "tensor 2, sequence parallel": ["parallelism.tensor=2", "parallelism.sequence_parallel=true"],
    "pipeline 2": ["parallelism.pipeline=2"],
    "context 2": ["parallelism.context=2"],
}
"""Layouts in which the tests train the tiny model, and compare the losses with those of one process."""

GPUS = ("a100", "h100", "h200", "b200", "gb200", "b300", "gb300")
PRECISIONS = ("bf16", "fp8_delayed", "fp8_current", "fp8_blockwise", "mxfp8")
SIZES = tuple(name for name in FACTORIES.values() if name != "train_tiny")
FINETUNED = ("100m", "300m", "1b", "3b", "8b", "11b", "18b", "28b", "35b")
"""Sizes of `finetune` and `finetune_lora`, built by the tests on H100 in bf16."""
EVERY_PRECISION = "train_8b_opengenome2"
"""The size whose recipe the tests build on every machine and in every precision; of the others, on H100 in bf16."""


EMULATED = {"h100": ("bf16", "fp8_delayed", "fp8_current", "fp8_blockwise"), "b200": ("mxfp8",)}
"""Machines and precisions in which the tests train that size's recipe on emulated kernels."""
TRACED = {(name, gpus) for name, gpus, *overrides in CASES if not overrides}
"""Configurations and GPUs, H100 in bf16, of which a step is traced at full size."""


def words(size: str, gpu: str, precision: str) -> list[str]:
    """What the tests do with a size, machine and precision; empty where it is only predicted."""
    plain = (gpu, precision) == ("h100", "bf16")
    found = ["emulated"] if plain or (size == EVERY_PRECISION and precision in EMULATED.get(gpu, ())) else []
    found += ["traced"] if plain and (size, _default(size).gpus) in TRACED else []
    return found or (["verified on CPU"] if verified(size, gpu, precision) else [])


def verified(size: str, gpu: str, precision: str) -> bool:
    """True for what the tests build on a CPU, into NeMo's and Megatron-Core's own objects."""
    return size == EVERY_PRECISION or (gpu, precision) == ("h100", "bf16")


def supported() -> list[tuple[str, str, str]]:
    """Every size, machine and precision that is not refused."""
    return [
        (size, gpu, precision)
        for size in SIZES
        for gpu in GPUS
        for precision in PRECISIONS
        if _plan(size, gpu, precision) is not None
    ]


def support_page() -> str:
    """The page, in Markdown."""
    lines = [
        "# What was tested",
        "",
        "Written by `python -m scripts.support_page`; a test keeps it up to date.",
        "",
        "- **run here**: trained, in the tests.",
        "- **verified on CPU**: the tests build NeMo's and Megatron-Core's objects from the recipe on a CPU, and check",
        "  every setting in them. The shapes of the 8B and the 35B are compared with what Megatron-Core builds.",
        "- **emulated**: in the tests, the GPU recipe took three steps and saved, on emulated GPUs at tiny shapes.",
        "  Transformer Engine's, Megatron-Core's and NeMo's own Python ran; kernels and collectives are torch",
        "  operations (`benchmarks/emulated_gpu`). Emulated recipes are also verified on CPU.",
        "- **traced**: a training step at full size was traced under fake tensors, and its memory agrees with the plan",
        "  ([memory_trace.md](benchmarks/memory_trace.md)): the 8B in `make test`, all in `make torture`.",
        "- **predicted**: the plan says that it fits, by arithmetic. Nothing was run. Sizes and machines without a row",
        "  are also only predicted: see `genomic-llama plan llama3_35b_genomic --gpu b200`.",
        "",
        "Nothing has run on a GPU yet. Kernels and their rounding, NCCL, speed, and the memory for fragmentation,",
        "kernels and NCCL are not tested. `python -m benchmarks.gpu` compares each emulated kernel with the real one",
        "and measures the rest on one GPU. Empty cells are refused by name: FP8 needs Hopper, FP8 block scaling works",
        "only on Hopper, and MXFP8 needs Blackwell.",
        "",
        "All tests run on Python 3.11. On Python 3.12, only the fast tests do, with torch's CUDA build.",
        "",
        "| recipe | machine | layout | fp32 |",
        "| --- | --- | --- | --- |",
        "| `llama3_tiny_genomic` | CPU, one process | data 1 | run here |",
        *(f"| `llama3_tiny_genomic_finetune` | CPU, two processes | {name} | run here |" for name in TWO_PROCESSES),
        "| `llama3_tiny_genomic_lora` | CPU, one process | data 1 | run here |",
        "| `llama3_tiny_genomic_lora` | CPU, two processes | tensor 2, sequence parallel | run here |",
        "",
        "Two processes start from one checkpoint and give the losses of one process, within 1e-5 in fp32, for five",
        "steps. A checkpoint of one process resumes in two, tensor or pipeline parallel, with the same losses.",
        "",
        f"| recipe | machine | layout | {' | '.join(PRECISIONS)} |",
        f"| --- | --- | --- | {' | '.join('---' for _ in PRECISIONS)} |",
    ]
    names = {config: name for name, config in FACTORIES.items()}
    for size in SIZES:
        for gpu in GPUS:
            plan = _plan(size, gpu, "bf16")
            assert plan is not None
            cells = [_cell(size, gpu, precision) for precision in PRECISIONS]
            if any(words(size, gpu, precision) for precision in PRECISIONS):
                lines.append(f"| `{names[size]}` | {plan.gpus} x {gpu} | {_layout(plan)} | {' | '.join(cells)} |")
    lines += [
        "",
        "`llama3_SIZE_genomic_finetune` and `llama3_SIZE_genomic_lora` have the layout of their size, and are verified",
        f"on CPU on H100 in bf16: {', '.join(FINETUNED)}.",
    ]
    return "\n".join(lines) + "\n"


@cache
def _default(size: str) -> Plan:
    return make_plan(size)


@cache
def _plan(size: str, gpu: str, precision: str) -> Plan | None:
    """On as many GPUs as the recipe has by default, whatever a node holds."""
    gpus = _default(size).gpus
    try:
        return make_plan(size, (f"precision={precision}",), gpu=gpu, gpus=gpus)
    except InputError:
        return None


def _cell(size: str, gpu: str, precision: str) -> str:
    plan = _plan(size, gpu, precision)
    if plan is None:
        return ""
    if not plan.fits:
        return "predicted, with another layout" if plan.candidates else ""
    return ", ".join(words(size, gpu, precision)) or "predicted"


def _layout(plan: Plan) -> str:
    layout = plan.config.parallelism
    sizes = {"tensor": layout.tensor, "pipeline": layout.pipeline, "context": layout.context}
    split = [f"{name} {size}" for name, size in sizes.items() if size > 1]
    data = plan.gpus // (layout.tensor * layout.pipeline * layout.context)
    return ", ".join([*split, f"data {data}"])


if __name__ == "__main__":
    print(support_page(), end="")
