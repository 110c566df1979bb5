"""Forward passes of the model in training, whatever devices it is laid over: sums over the bases of each row."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from megatron.core import parallel_state
from megatron.core.pipeline_parallel import get_forward_backward_func
from megatron.core.tensor_parallel import gather_from_tensor_model_parallel_region
from megatron.core.utils import get_batch_on_this_cp_rank

from evaluation.likelihood.forward import ACGT
from training.forward import causal_forward_step
from training.live.rows import Layout, Round, rounds
from training.live.tasks import LiveTask, Sums


def layout_of(micro_batch: int, longest: int) -> Layout:
    """Of the devices that this process is one of."""
    return Layout(
        replicas=parallel_state.get_data_parallel_world_size(),
        stages=parallel_state.get_pipeline_model_parallel_world_size(),
        parts=parallel_state.get_context_parallel_world_size(),
        micro_batch=micro_batch,
        longest=longest,
    )


def row_sums(
    stages: Sequence[Any], task: LiveTask, layout: Layout, *, may_continue: Callable[[], bool]
) -> tuple[Sums | None, int]:
    """Sums of all rows of `task` on every rank, and how many were read; None where time was up first. Collective.

    `stages`: the model's parts that this rank has. `may_continue`: asked before each round; the same on all ranks.
    """
    sums = torch.zeros((len(task.rows), 2), dtype=torch.float64)
    read = 0
    for one in rounds(task.rows, layout):
        if not may_continue():
            return None, read
        places = one.places[parallel_state.get_data_parallel_rank()]
        outputs = _read(stages, one, acgt_only=task.acgt_only)
        for place, found in zip(places, outputs, strict=bool(outputs)):  # no outputs but on the last stage
            real = torch.from_numpy(place >= 0)
            sums[torch.from_numpy(place)[real]] = found.cpu()[real]
        read += int((one.places >= 0).sum())
    if not _speaks():
        sums.zero_()
    total = sums.cuda()
    torch.distributed.all_reduce(total)
    return total.cpu().numpy(), read


def _speaks() -> bool:
    """Whether this rank reports the results of its replica, which several ranks have."""
    return bool(
        parallel_state.is_pipeline_last_stage(ignore_virtual=True)
        and parallel_state.get_tensor_model_parallel_rank() == 0
        and parallel_state.get_context_parallel_rank() == 0
    )


def _read(stages: Sequence[Any], one: Round, *, acgt_only: bool) -> list[torch.Tensor]:
    """[rows, 2] of each micro-batch of this replica, on the last stage; nothing on the others."""
    mine = parallel_state.get_data_parallel_rank()
    batches = [_batch(one, mine, number) for number in range(one.places.shape[1])]
    with torch.no_grad():
        found: list[torch.Tensor] = get_forward_backward_func()(
            forward_step_func=partial(_step, acgt_only=acgt_only),
            data_iterator=[iter(batches) for _ in stages] if len(stages) > 1 else iter(batches),
            model=list(stages) if len(stages) > 1 else stages[0],
            num_microbatches=len(batches),
            seq_length=one.length,
            micro_batch_size=one.places.shape[2],
            forward_only=True,
            collect_non_loss_data=True,
        )
    return found


def _batch(one: Round, replica: int, number: int) -> dict[str, torch.Tensor]:
    tokens = torch.from_numpy(one.inputs[replica, number].astype(np.int64)).cuda()
    batch = {
        "tokens": tokens,
        "position_ids": torch.arange(one.length, device=tokens.device).expand_as(tokens),
        "targets": torch.from_numpy(one.targets[replica, number].astype(np.int64)).cuda(),
        "counted": torch.from_numpy(one.counted[replica, number]).cuda(),
    }
    return get_batch_on_this_cp_rank(batch) if parallel_state.get_context_parallel_world_size() > 1 else batch


def _step(iterator: Any, model: Any, *, acgt_only: bool) -> tuple[torch.Tensor, Callable[..., torch.Tensor]]:
    batch = next(iterator)
    return causal_forward_step(model, batch), partial(_sums, batch, acgt_only)


def _sums(
    batch: dict[str, torch.Tensor], acgt_only: bool, logits: torch.Tensor, *, non_loss_data: bool = True
) -> torch.Tensor:
    """[rows, 2]: ln P of what counts, and how much of it was the likeliest; over all parts of the sequences."""
    logits = gather_from_tensor_model_parallel_region(logits).float()
    if acgt_only:
        others = torch.ones(logits.shape[-1], dtype=torch.bool, device=logits.device)
        others[list(ACGT)] = False
        logits = logits.masked_fill(others, -torch.inf)
    logs = torch.log_softmax(logits, dim=-1).gather(-1, batch["targets"][..., None])[..., 0]
    right = logits.argmax(-1) == batch["targets"]
    counted = batch["counted"]
    sums = torch.stack([torch.where(counted, logs, 0.0).double().sum(1), (right & counted).double().sum(1)], dim=1)
    if parallel_state.get_context_parallel_world_size() > 1:
        torch.distributed.all_reduce(sums, group=parallel_state.get_context_parallel_group())
    return sums
