"""Whether the engine that a configuration asks for knows its settings: told by name, before an engine is imported."""

import importlib.util
import sys
from pathlib import Path

from configs.schema import TrainConfig
from configs.settings import get_setting, rows
from conversion.checkpoint import read_mapping
from conversion.locate import iterations, newest_first
from conversion.megatron.bridge_config import NAME as RUN_CONFIG
from foundation.errors import InputError, nearest

ENGINES = ("nemo", "bridge")
READ_HERE = frozenset(
    {
        "run_dir",
        "init_from",
        "finetune",
        "hardware.accelerator",
        "hardware.devices",
        "hardware.num_nodes",
        "precision.compute",
    }
)
"""Settings without a place in Megatron-Bridge's configuration that `recipes.bridge` reads itself."""

_AT_MOST_ONE = ("parallelism.context",)


def check_engine(config: TrainConfig) -> None:
    """Refuse an unknown engine, and settings that Megatron-Bridge's does not carry, where they are not the default.

    Errors: `InputError`.
    """
    if config.engine not in ENGINES:
        fix = nearest(config.engine, ENGINES)
        raise InputError(f"unknown engine {config.engine!r}", where="engine", fix=fix, kind="engine")
    if config.engine == "nemo":
        _check_nemo(config)
        return
    _check_cuda_graphs(config)
    for row in rows(type(config)):
        carried = row.bridge or row.key in READ_HERE or not row.nemo
        value, kept = get_setting(config, row.key), 1 if row.key in _AT_MOST_ONE else row.default
        if value != kept and (not carried or row.key in _AT_MOST_ONE):
            raise InputError(
                f"{row.key}={value} is not carried over to Megatron-Bridge yet",
                where="engine=bridge",
                fix=f"Leave {row.key} at {kept}, or use engine=nemo. docs/engines.md lists what is missing.",
                kind="engine-setting",
            )


def _check_nemo(config: TrainConfig) -> None:
    for row in rows(type(config)):
        if row.bridge and not row.nemo and get_setting(config, row.key) != row.default and row.key not in READ_HERE:
            fix = f"Leave {row.key} at {row.default}, or use engine=bridge (docs/engines.md)."
            raise InputError(
                f"{row.key}={get_setting(config, row.key)} is a setting of Megatron-Bridge alone",
                where="engine=nemo",
                fix=fix,
                kind="engine-setting",
            )


CUDA_GRAPHS = ("none", "local", "transformer_engine", "full_iteration")


def _check_cuda_graphs(config: TrainConfig) -> None:
    """Graphs replay kernels on tensors of the same shapes and places. Errors: `InputError`."""
    graphs = config.parallelism.cuda_graphs
    if graphs not in CUDA_GRAPHS:
        problem, fix = f"unknown kind {graphs!r}", nearest(graphs, CUDA_GRAPHS)
        raise InputError(problem, where="parallelism.cuda_graphs", fix=fix, kind="cuda-graphs")
    against = {
        f"hardware.accelerator={config.hardware.accelerator}": config.hardware.accelerator != "gpu",
        "dataset.mode=packed, whose documents have other lengths in each sample": config.dataset.mode == "packed",
        "parallelism.recompute_layers": config.parallelism.recompute_layers > 0,
    }
    if graphs != "none" and (names := [name for name, does in against.items() if does]):
        fix = "Leave parallelism.cuda_graphs at none."
        raise InputError(f"not with {names[0]}", where="parallelism.cuda_graphs", fix=fix, kind="cuda-graphs")


def check_engine_of_run(config: TrainConfig) -> None:
    """Refuse to begin again beside the checkpoints of another engine. Errors: `InputError`."""
    folder = Path(config.run_dir) / "checkpoints"
    theirs = list(iterations(folder).values()) if config.engine == "nemo" else newest_first(folder)
    if theirs:
        other = "bridge" if config.engine == "nemo" else "nemo"
        raise InputError(
            f"is a checkpoint of engine={other}",
            where=theirs[0],
            fix=f"Give engine={other}, or another run_dir with init_from={config.run_dir} (docs/engines.md).",
            kind="engine-of-run",
        )


def check_rates_of_run(config: TrainConfig) -> None:
    """Refuse other learning rates than those by which Megatron-Core finds the optimizer's state. Errors: `InputError`.

    NeMo finds it otherwise, so a run may change them there.
    """
    found = iterations(Path(config.run_dir) / "checkpoints")
    if config.engine != "bridge" or not found or not (path := found[max(found)] / RUN_CONFIG).is_file():
        return
    stored = read_mapping(path).get("optimizer")
    for name in ("lr", "min_lr"):
        before, now = stored.get(name) if isinstance(stored, dict) else None, getattr(config.optimizer, name)
        if isinstance(before, int | float) and before != now:
            raise InputError(
                f"optimizer.{name} is {now}, and the run has {before}, by which its optimizer state is found",
                where=path.parent,
                fix=f"Give optimizer.{name}={before}, or start a new run_dir with init_from=RUN.",
                kind="optimizer-rates",
            )


def check_engine_is_here(config: TrainConfig) -> None:
    """Refuse to train with an engine that is not in this environment. Errors: `InputError`."""
    if config.engine == "bridge" and not has_bridge():
        fix = "`make bridge` makes one: .venv-bridge/bin/genomic-llama train ..."
        problem, kind = "Megatron-Bridge is not in this environment", "no-megatron-bridge"
    elif config.engine == "nemo" and importlib.util.find_spec("nemo_run") is None:
        fix = "`make venv` makes one: .venv/bin/genomic-llama train ... Or give engine=bridge, if this one has that."
        problem, kind = "NeMo 2 is not in this environment", "no-nemo"
    else:
        return
    raise InputError(problem, where=f"engine={config.engine}", fix=fix, kind=kind)


def has_bridge() -> bool:
    """Whether Megatron-Bridge is in this environment. Imports nothing of it."""
    return importlib.util.find_spec("megatron") is not None and importlib.util.find_spec("megatron.bridge") is not None


def engine_python(config: TrainConfig) -> str:
    """The Python that has the engine, for a job without a container: this one, or the one of `make bridge`."""
    here = config.engine == "nemo" or has_bridge()
    return sys.executable if here else str(Path(__file__).parents[2] / ".venv-bridge" / "bin" / "python")


def check_engine_is_nemo(config: TrainConfig, door: str) -> None:
    """Refuse another engine where `door` has NeMo alone. Errors: `InputError`."""
    if config.engine != "nemo":
        fix = "Start it with .venv-bridge/bin/genomic-llama train; docs/engines.md."
        raise InputError(f"{door} has no engine={config.engine}", where="engine", fix=fix, kind="engine-door")
