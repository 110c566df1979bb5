"""cuDNN's fused attention in bf16 and fp16: causal or not, whole batches or packed (THD), grouped key-value heads.

Source: csrc/extensions/attention.cpp, common/fused_attn/fused_attn_f16_arbitrary_seqlen.cu. Inside: [b, h, s, d].
"""

from collections.abc import Sequence
from typing import Any

import torch

from benchmarks.emulated_gpu.kernels.names import NVTE_Fused_Attn_Backend, NVTE_Mask_Type, NVTE_QKV_Layout
from benchmarks.emulated_gpu.kernels.registry import KERNELS, check, kernel

HALF = (torch.float16, torch.bfloat16)
_HALF_NUMBERS = {5, 6}  # kFloat16 and kBFloat16
_LAYOUTS = {
    int(NVTE_QKV_Layout.NVTE_SBHD_SBHD_SBHD): "SBHD",
    int(NVTE_QKV_Layout.NVTE_BSHD_BSHD_BSHD): "BSHD",
    int(NVTE_QKV_Layout.NVTE_THD_THD_THD): "THD",
}


def get_fused_attn_backend(
    is_training: bool,
    q_dtype: int,
    kv_dtype: int,
    qkv_layout: int,
    bias_type: int,
    attn_mask_type: int,
    softmax_type: int,
    p_dropout: float,
    num_attn_heads: int,
    num_gqa_groups: int,
    max_seqlen_q: int,
    max_seqlen_kv: int,
    head_dim_qk: int,
    head_dim_v: int,
    window_size_left: int,
    window_size_right: int,
    return_max_logit: bool,
    /,
) -> Any:
    """cuDNN's arbitrary-length kernel where it can; else none."""
    fits = head_dim_qk % 8 == 0 == head_dim_v % 8 and max(head_dim_qk, head_dim_v) <= 256
    if {int(q_dtype), int(kv_dtype)} <= _HALF_NUMBERS and fits:
        return NVTE_Fused_Attn_Backend.NVTE_F16_arbitrary_seqlen
    return NVTE_Fused_Attn_Backend.NVTE_No_Backend


KERNELS["get_fused_attn_backend"] = get_fused_attn_backend


@kernel
def fused_attn_fwd(
    max_seqlen_q: int,
    max_seqlen_kv: int,
    is_training: bool,
    attn_scale: float,
    p_dropout: float,
    set_zero: bool,
    qkv_layout: int,
    bias_type: int,
    attn_mask_type: int,
    softmax_type: int,
    window_size: Sequence[int],
    cu_seqlens_q: torch.Tensor,
    cu_seqlens_kv: torch.Tensor,
    Q: torch.Tensor,  # noqa: N803
    K: torch.Tensor,  # noqa: N803
    V: torch.Tensor,  # noqa: N803
    fake_dtype: torch.dtype,
    cu_seqlens_q_padded: torch.Tensor | None,
    cu_seqlens_kv_padded: torch.Tensor | None,
    page_table_k: torch.Tensor | None,
    page_table_v: torch.Tensor | None,
    s_quantizer: Any,
    o_quantizer: Any,
    Bias: torch.Tensor | None,  # noqa: N803
    SoftmaxOffset: torch.Tensor | None,  # noqa: N803
    rng_gen: Any,
    rng_elts_per_thread: int,
    return_max_logit: bool,
    /,
) -> list[Any]:
    """[output, log-sum-exp of the scores (fp32), state of the random generator]."""
    _check_supported(p_dropout, window_size, bias_type, softmax_type)
    for lengths in (cu_seqlens_q, cu_seqlens_kv):
        check(lengths.dtype == torch.int32, "cu_seqlens must be int32")
    form = _form(qkv_layout, Q, K, V)
    outputs, sums = [], []
    for q, k, v in _sequences(form, (Q, K, V), (cu_seqlens_q, cu_seqlens_kv, cu_seqlens_kv)):
        scores = _scores(q, k, attn_scale, attn_mask_type)
        sums.append(scores.logsumexp(-1, keepdim=True))
        outputs.append(((scores - sums[-1]).exp() @ _each_head(v, q).float()).to(Q.dtype))
    sum_of_all = sums[0] if form != "THD" else torch.cat([one[0].permute(1, 0, 2) for one in sums])
    return [_joined(outputs, form), sum_of_all.contiguous(), torch.zeros(2, dtype=torch.int64, device=Q.device)]


@kernel
def fused_attn_bwd(
    max_seqlen_q: int,
    max_seqlen_kv: int,
    attn_scale: float,
    p_dropout: float,
    set_zero: bool,
    qkv_layout: int,
    bias_type: int,
    attn_mask_type: int,
    softmax_type: int,
    window_size: Sequence[int],
    deterministic: bool,
    cu_seqlens_q: torch.Tensor,
    cu_seqlens_kv: torch.Tensor,
    Q: torch.Tensor,  # noqa: N803
    K: torch.Tensor,  # noqa: N803
    V: torch.Tensor,  # noqa: N803
    O: torch.Tensor,  # noqa: N803, E741
    dO: torch.Tensor,  # noqa: N803
    fake_dtype: torch.dtype,
    dqkv_type: int,
    Aux_CTX_Tensors: Sequence[torch.Tensor],  # noqa: N803
    cu_seqlens_q_padded: torch.Tensor | None,
    cu_seqlens_kv_padded: torch.Tensor | None,
    s_quantizer: Any,
    dp_quantizer: Any,
    dqkv_quantizer: Any,
    /,
) -> list[Any]:
    """[gradients of Q, K and V, None, None], from the output and the log-sum-exp of the forward pass."""
    _check_supported(p_dropout, window_size, bias_type, softmax_type)
    form = _form(qkv_layout, Q, K, V)
    lengths = (cu_seqlens_q, cu_seqlens_kv, cu_seqlens_kv, cu_seqlens_q, cu_seqlens_q)
    sums = [Aux_CTX_Tensors[0]]
    if form == "THD":
        sums = [part.permute(1, 0, 2)[None] for part in sums[0].split(cu_seqlens_q.diff().tolist())]
    gradients: list[list[torch.Tensor]] = [[], [], []]
    for (q, k, v, o, do), total in zip(_sequences(form, (Q, K, V, O, dO), lengths), sums, strict=True):
        weights = (_scores(q, k, attn_scale, attn_mask_type) - total).exp()
        slope = do.float() @ _each_head(v, q).float().transpose(-1, -2)
        inner = weights * (slope - (do.float() * o.float()).sum(-1, keepdim=True)) * attn_scale
        gradients[0].append((inner @ _each_head(k, q).float()).to(Q.dtype))
        gradients[1].append(_summed(inner.transpose(-1, -2) @ q.float(), k).to(K.dtype))
        gradients[2].append(_summed(weights.transpose(-1, -2) @ do.float(), v).to(V.dtype))
    return [*(_joined(parts, form) for parts in gradients), None, None]


def _check_supported(p_dropout: float, window_size: Sequence[int], bias_type: int, softmax_type: int) -> None:
    if p_dropout != 0 or window_size[0] != -1 or int(bias_type) or int(softmax_type):
        raise NotImplementedError("attention with dropout, windows, biases or other softmaxes is not emulated")


def _form(layout: int, *tensors: torch.Tensor) -> str:
    if int(layout) not in _LAYOUTS:
        raise NotImplementedError(f"{layout!r} is not emulated")
    check({tensor.dtype for tensor in tensors} <= set(HALF), "Fused attention only supports BF16/FP16 data types here.")
    check(len({tensor.dtype for tensor in tensors}) == 1, "Q, K and V are of different dtypes")
    return _LAYOUTS[int(layout)]


def _sequences(form: str, tensors: Sequence[torch.Tensor], cu_seqlens: Sequence[torch.Tensor]) -> Any:
    """The tensors of each sequence; a batch of one length is one."""
    if form == "THD":
        parts = [one.split(ends.diff().tolist()) for one, ends in zip(tensors, cu_seqlens, strict=True)]
        for each in zip(*parts, strict=True):
            yield [part.permute(1, 0, 2)[None] for part in each]
    else:
        yield [one.permute(1, 2, 0, 3) if form == "SBHD" else one.permute(0, 2, 1, 3) for one in tensors]


def _joined(parts: list[torch.Tensor], form: str) -> torch.Tensor:
    if form == "THD":
        return torch.cat([part[0].permute(1, 0, 2) for part in parts])
    return (parts[0].permute(2, 0, 1, 3) if form == "SBHD" else parts[0].permute(0, 2, 1, 3)).contiguous()


def _scores(q: torch.Tensor, k: torch.Tensor, scale: float, mask: int) -> torch.Tensor:
    scores = q.float() @ _each_head(k, q).float().transpose(-1, -2) * scale
    name = NVTE_Mask_Type(int(mask)).name
    if "CAUSAL" in name:
        rows, columns = scores.shape[-2:]
        offset = columns - rows if "BOTTOM_RIGHT" in name else 0
        hidden = torch.ones(rows, columns, dtype=torch.bool, device=q.device).triu(1 + offset)
        scores = scores.masked_fill(hidden, float("-inf"))
    return scores


def _each_head(groups: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    """Key-value heads, repeated for the query heads that share them."""
    return groups.repeat_interleave(q.shape[1] // groups.shape[1], 1)


def _summed(gradient: torch.Tensor, groups: torch.Tensor) -> torch.Tensor:
    """The gradient of key-value heads, summed over the query heads that share them."""
    return gradient.unflatten(1, (groups.shape[1], -1)).sum(2)
