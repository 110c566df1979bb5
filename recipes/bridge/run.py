"""A run of Megatron-Bridge from a configuration: what `recipes.train` calls for `engine=bridge`."""

import contextlib
import dataclasses
import signal
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from configs.llama import LlamaArchitecture, hf_config
from configs.schema import TrainConfig
from conversion.adapters.megatron_adapter import base_of
from foundation.errors import InputError
from foundation.terminal import warn
from launch.planning.throughput import peak_tflops
from training.checkpointing.initial_weights import FOLDER, ensure_converted
from training.checkpointing.lock import hold
from training.checkpointing.same_run import trained_with
from training.data.order import NUCLEOTIDE_IDS, order_settings
from training.data.prepared import prepare_sources
from training.data.sources import parse_sources, source_names
from training.metrics.flops import flops_per_token
from training.metrics.rates import Work
from training.status import STOP_SIGNALS
from training.stops import request_restart


def train(config: TrainConfig, architecture: LlamaArchitecture, sequence_length: int) -> None:
    """Train, or resume from the newest complete checkpoint of the run directory.

    Errors: `InputError`; `SystemExit` with the statuses of `training.status`.
    """
    from training.bridge.packages import mended_packages
    from training.bridge.ranks import join_ranks

    with mended_packages(), _device(config):
        import torch

        rank = join_ranks(config.hardware, config.seed)
        if rank == 0:
            warn("engine=bridge is experimental: it does not watch for hangs")
        asked: list[int] = []
        try:
            _train(config, architecture, sequence_length, rank, asked)
        except SystemExit as stop:
            if stop.code:
                raise
            sys.exit(_status(Path(config.run_dir), rank, asked))
        torch.distributed.destroy_process_group()


def _train(config: TrainConfig, architecture: LlamaArchitecture, length: int, rank: int, asked: list[int]) -> None:
    import torch
    from megatron.bridge.training.pretrain import pretrain

    from recipes.bridge.container import container
    from recipes.bridge.optimizer import Schedule, WeightDecay
    from training.bridge.checkpoints import Sealed, check_resumed, newest_sealed
    from training.bridge.data import GenomicDatasets
    from training.bridge.guard import BridgeGuard
    from training.bridge.log import BridgeLog
    from training.bridge.step import ForwardStep

    run_dir, step = Path(config.run_dir), ForwardStep()
    sources = parse_sources(config.dataset.corpus)
    if rank == 0:
        hold(run_dir)
        prepare_sources(sources, mode=config.dataset.mode, seq_length=length)
    torch.distributed.barrier()
    parts = SimpleNamespace(
        dataset=GenomicDatasets(), schedule=Schedule(), guard=BridgeGuard(run_dir, step), weight_decay=WeightDecay()
    )
    settings = container(config, architecture, length, parts)
    lora = config.lora
    kept = trained_with(
        _order(config, length), architecture, lora_dim=lora.dim, lora_alpha=lora.alpha, lora_ranks=lora.ranks
    )
    folder = Path(settings.checkpoint.save)
    if newest := newest_sealed(folder):
        check_resumed(newest[1], kept)
        settings.checkpoint.load, settings.checkpoint.ckpt_step = str(folder), newest[0]
    if config.init_from and (lora.dim or not newest):
        base = _base_of(newest[1]) if newest else None
        settings.checkpoint.pretrained_checkpoint = base or _initial_weights(Path(config.init_from), run_dir, rank)
    log = BridgeLog(
        run_dir,
        step,
        {"model": {**hf_config(architecture), "parameters": architecture.parameters}, **dataclasses.asdict(config)},
        work=Work(
            devices=config.hardware.devices * config.hardware.num_nodes,
            flops_per_token=flops_per_token(architecture, length, lora_dim=lora.ranks),
            peak_tflops=peak_tflops(config),
        ),
        tokens=config.dataset.global_batch_size * length,
        sources=source_names(sources),
    )
    sealed = Sealed(folder, kept, lambda: log.run_id)
    pretrain(settings, step, callbacks=[parts.schedule, log, parts.guard, sealed, _signal_callback(asked)])


def _status(run_dir: Path, rank: int, asked: list[int]) -> int:
    """The exit status of a run that Bridge ended with a checkpoint because a rank was asked to stop. Collective."""
    import torch

    values = torch.tensor([max(asked, default=0), 0], device="cuda")  # on a CPU the stand-in makes it a CPU tensor
    torch.distributed.all_reduce(values, torch.distributed.ReduceOp.MAX)
    if rank == 0:
        values[1] = request_restart(run_dir, f"{signal.Signals(int(values[0])).name} in training")
    torch.distributed.broadcast(values, 0)
    return int(values[1])


def _order(config: TrainConfig, sequence_length: int) -> dict[str, Any]:
    data = config.dataset
    return order_settings(
        parse_sources(data.corpus),
        mode=data.mode,
        stride=data.stride,
        seq_length=sequence_length,
        seed=config.seed,
        tokenizer=NUCLEOTIDE_IDS,
    )


def _base_of(adapters: Path) -> str | None:
    """The model beside which the adapters of a run were trained, where it is still there."""
    with contextlib.suppress(InputError):
        return str(base_of(adapters))
    return None


def _initial_weights(source: Path, run_dir: Path, rank: int) -> str:
    """The checkpoint `source` as one of Megatron-Bridge, made by the first rank."""
    import torch

    made = [str(ensure_converted(source, run_dir.parent / FOLDER, to="bridge")) if rank == 0 else ""]
    torch.distributed.broadcast_object_list(made, 0)
    return made[0]


def _signal_callback(asked: list[int]) -> Any:
    """A callback after which SIGUSR1 stops the run as Bridge's own SIGTERM does, and both are noted in `asked`."""
    from megatron.bridge.training.callbacks import Callback

    class SignalCallback(Callback):  # type: ignore[misc]
        def on_train_start(self, context: Any) -> None:
            theirs = signal.getsignal(signal.SIGTERM)

            def note(signum: int, frame: Any) -> None:
                asked.append(signum)
                theirs(signal.SIGTERM, frame)  # type: ignore[operator, misc]

            for one in STOP_SIGNALS:
                signal.signal(one, note)

    return SignalCallback()


def _device(config: TrainConfig) -> contextlib.AbstractContextManager[None]:
    if config.hardware.accelerator != "cpu":
        return contextlib.nullcontext()
    from training.bridge.stand_in import bridge_stand_in

    return bridge_stand_in()
