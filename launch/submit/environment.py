"""Environment variables of a GPU run, each with its reason. NCCL's interfaces are settings of the site."""

from configs.schema import TrainConfig

Variable = tuple[str, str, str]
"""Name, value, why."""


def environment(config: TrainConfig) -> list[Variable]:
    """The variables that `config` needs."""
    variables: list[Variable] = [
        ("PYTHONUNBUFFERED", "1", "log lines appear when they are written"),
        ("HF_HUB_OFFLINE", "1", "nothing is looked up on a network"),
    ]
    if config.hardware.accelerator == "cpu":
        return variables
    layout = config.parallelism
    split = layout.tensor > 1 or layout.context > 1
    one_queue = split and config.hardware.compute_capability < 10
    return [
        *variables,
        ("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True", "less fragmentation of GPU memory"),
        (
            "CUDA_DEVICE_MAX_CONNECTIONS",
            "1" if one_queue else "32",
            "kernels start in program order, so that communication overlaps"
            if one_queue
            else "more queues let gradients and parameters move beside the computation",
        ),
        ("TORCH_NCCL_HIGH_PRIORITY", "1", "communication kernels go first"),
        *(BESIDE_NCCL if config.hardware.devices * config.hardware.num_nodes > 1 else ()),
    ]


BESIDE_NCCL: tuple[Variable, ...] = (
    ("NVTE_FWD_LAYERNORM_SM_MARGIN", "20", "norms leave multiprocessors to NCCL, forward"),
    ("NVTE_BWD_LAYERNORM_SM_MARGIN", "20", "and backward"),
)
