"""From a narrow batch to the loss of each token: widening on the device, and attention that stays in its document."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from megatron.core import parallel_state
from megatron.core.packed_seq_params import PackedSeqParams
from megatron.core.utils import get_batch_on_this_cp_rank

from foundation.errors import InputError
from training.context_parallel import zigzag_places
from training.data.order import document_multiple


def genomic_data_step(dataloader_iter: Iterator[Any]) -> dict[str, Any]:
    """The next micro-batch of `training.data.collate.collate`, on the device and widened."""
    batch = next(dataloader_iter)
    return widen(batch[0] if isinstance(batch, tuple) else batch)


def widen(batch: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    """int64 `tokens`, `labels`, `position_ids` and float32 `loss_mask`, all [batch, sequence].

    `loss_mask` stays in hundredths: NeMo counts a micro-batch's weights and Megatron-Core a global batch's in int32,
    which cuts fractions off, and the loss is the same for weights of any unit. `cu_seqlens`, `max_seqlen`: of packed
    samples laid end to end, also where context-parallel ranks have parts of them; positions start at 0 in each
    document. Errors: `InputError` for an impossible layout.
    """
    narrow = {key: value.cuda(non_blocking=True) for key, value in batch.items() if key != "max_seqlen"}
    tokens, cu_seqlens = narrow["tokens"].long(), narrow.get("cu_seqlens")
    wide: dict[str, Any] = {
        "tokens": tokens,
        "labels": narrow["labels"].long(),
        "loss_mask": narrow["loss_mask"].float(),
        "position_ids": _positions(tokens, cu_seqlens),
    }
    if cu_seqlens is None:
        if parallel_state.get_context_parallel_world_size() > 1:
            wide = get_batch_on_this_cp_rank(wide)
    else:
        _check_layout(batch["cu_seqlens"], len(tokens))
        wide = _packed_on_this_rank(wide, batch["cu_seqlens"])
        wide |= {"cu_seqlens": cu_seqlens, "max_seqlen": int(batch["max_seqlen"])}
    return wide | {"source": narrow["source"], "index": narrow["index"]}


def causal_forward_step(model: Any, batch: Mapping[str, Any]) -> torch.Tensor:
    """Loss of each token, [batch, sequence]; logits where the batch has no labels.

    Causal attention needs no mask, so none is built or sent; NeMo's own step asks for a dense one where Transformer
    Engine is absent. Packed samples go as one row [1, batch * sequence], in Transformer Engine's THD layout.
    """
    fields = {key: batch.get(key) for key in ("tokens", "position_ids", "labels")}
    packing = {}
    if "cu_seqlens" in batch:
        fields = {key: None if field is None else field.view(1, -1) for key, field in fields.items()}
        packing["packed_seq_params"] = PackedSeqParams(
            qkv_format="thd",
            cu_seqlens_q=batch["cu_seqlens"],
            cu_seqlens_kv=batch["cu_seqlens"],
            max_seqlen_q=batch["max_seqlen"],
            max_seqlen_kv=batch["max_seqlen"],
        )
    loss: torch.Tensor = model(
        input_ids=fields["tokens"],
        position_ids=fields["position_ids"],
        attention_mask=None,
        labels=fields["labels"],
        **packing,
    )
    return loss


def _positions(tokens: torch.Tensor, cu_seqlens: torch.Tensor | None) -> torch.Tensor:
    if cu_seqlens is None:
        return torch.arange(tokens.shape[1], device=tokens.device).expand_as(tokens)
    lengths = cu_seqlens.diff()
    starts = torch.repeat_interleave(cu_seqlens[:-1], lengths, output_size=tokens.numel())
    return (torch.arange(tokens.numel(), device=tokens.device) - starts).view_as(tokens)


def _packed_on_this_rank(wide: dict[str, Any], cu_seqlens: torch.Tensor) -> dict[str, Any]:
    """The tokens of each document that this context-parallel rank has, [batch, sequence / ranks]."""
    ranks = parallel_state.get_context_parallel_world_size()
    if ranks == 1:
        return wide
    places = zigzag_places(cu_seqlens, ranks)[parallel_state.get_context_parallel_rank()].cuda(non_blocking=True)
    return {key: value.reshape(-1)[places].view(len(value), -1) for key, value in wide.items()}


def _check_layout(cu_seqlens: torch.Tensor, micro_batch_size: int) -> None:
    """The same rules as `launch.preflight.check`, for runs that were put together elsewhere."""
    multiple = document_multiple(parallel_state.get_context_parallel_world_size())
    if bool((cu_seqlens % multiple).any()):
        raise InputError(
            f"packed documents that are not multiples of {multiple} tokens, with context parallelism",
            fix="Pack them to that multiple, as the data module does.",
            kind="packed-context",
        )
    if micro_batch_size > 1 and parallel_state.get_pipeline_model_parallel_world_size() > 1:
        raise InputError(
            "packed samples, several to a micro-batch, over pipeline stages",
            fix="Use micro_batch_size=1.",
            kind="packed-pipeline",
        )
