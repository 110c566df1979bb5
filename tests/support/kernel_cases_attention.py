"""Emulated attention and rotary embeddings against plain formulas in fp64."""

import math

import torch
from plain_formulas import BF16, FP32, close, random


def attention() -> None:
    """Forward and backward: both orders of a batch, packed documents, causal and not, shared key-value heads."""
    for form in ("sbhd", "bshd", "thd"):
        for mask in ("causal", "no_mask"):
            lengths = [5, 9, 2] if form == "thd" else [8, 8, 8]
            _attend(form, mask, lengths)


def _attend(form: str, mask: str, lengths: list[int]) -> None:
    import transformer_engine_torch as tex

    heads, groups, width, scale = 4, 2, 16, 0.3
    each = [
        [random(length, n, width, dtype=torch.bfloat16) for n in (heads, groups, groups, heads)] for length in lengths
    ]
    stacked = [_laid(form, [one[place] for one in each]) for place in range(4)]
    ends = torch.tensor([0, *torch.tensor(lengths).cumsum(0).tolist()], dtype=torch.int32)
    names = form.upper(), {"causal": "CAUSAL_MASK", "no_mask": "NO_MASK"}[mask]
    layout = getattr(tex.NVTE_QKV_Layout, f"NVTE_{names[0]}_{names[0]}_{names[0]}")
    mask_type = getattr(
        tex.NVTE_Mask_Type, f"NVTE_{'PADDING_' if form == 'thd' else ''}{names[1]}".replace("PADDING_NO_", "PADDING_")
    )
    common = (0.0, True, layout, tex.NVTE_Bias_Type.NVTE_NO_BIAS, mask_type, tex.NVTE_Softmax_Type.NVTE_VANILLA_SOFTMAX)
    most = max(lengths)
    rest = (torch.bfloat16, None, None, None, None, None, None, None, None, None, 0, False)
    out, sums, state = tex.fused_attn_fwd(most, most, True, scale, *common, [-1, 0], ends, ends, *stacked[:3], *rest)
    dtype = tex.DType.kBFloat16
    gradients = tex.fused_attn_bwd(
        *(most, most, scale, *common, [-1, 0], False, ends, ends, *stacked[:3], out, stacked[3], torch.bfloat16),
        *(dtype, [sums, state], None, None, None, None, None),
    )
    expected = [_plain_attention(*one, scale, mask == "causal") for one in each]
    for place, found in enumerate((out, *gradients[:3])):
        close(found, _laid(form, [one[place] for one in expected]), 2 * BF16)


def _laid(form: str, parts: list[torch.Tensor]) -> torch.Tensor:
    if form == "thd":
        return torch.cat(parts)
    return torch.stack(parts, 1 if form == "sbhd" else 0).contiguous()


def _plain_attention(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, grad: torch.Tensor, scale: float, causal: bool
) -> list[torch.Tensor]:
    """[output, gradients of q, k and v] of one sequence, [s, h, d], head by head."""
    leaves = [one.double().requires_grad_() for one in (q, k, v)]
    outputs = []
    for head in range(q.shape[1]):
        group = head * k.shape[1] // q.shape[1]
        scores = leaves[0][:, head] @ leaves[1][:, group].t() * scale
        if causal:
            scores = scores.masked_fill(torch.ones_like(scores).triu(1).bool(), -math.inf)
        outputs.append(scores.softmax(-1) @ leaves[2][:, group])
    out = torch.stack(outputs, 1)
    return [out.detach(), *torch.autograd.grad(out, leaves, grad.double())]


def packed_sequences_over_ranks() -> None:
    """Halves of two sequences of 4 and 6 tokens, 3 heads: read, merged by their log-sum-exp, and gradients put back."""
    import transformer_engine_torch as tex

    ends = torch.tensor([0, 4, 10], dtype=torch.int32)
    second = torch.tensor([2, 3, 7, 8, 9])
    first = torch.tensor([0, 1, 4, 5, 6])
    x, step = random(10, 3, 8), random(5, 3, 8)
    assert torch.equal(tex.thd_read_half_tensor(x, ends, 0), x[first])
    assert torch.equal(tex.thd_read_half_tensor(x, ends, 1), x[second])
    sums, of_step = random(3, 10), random(3, 5)
    both = sums.double()
    both[:, second] = (both[:, second].exp() + of_step.double().exp()).log()
    merged = sums.clone()
    tex.thd_second_half_lse_correction(merged, of_step, ends, True)
    close(merged, both, FP32)
    assert torch.equal(tex.thd_read_second_half_lse(merged, ends, True, 5), merged[:, second])
    out, expected = x.clone(), x.double()
    expected[second] += step.double() * (of_step.double() - both[:, second]).exp().t()[..., None]
    tex.thd_out_correction(out, step, merged, of_step, ends, True, True)
    close(out, expected, FP32)
    for actions, part in ((("copy", "add"), random(10, 3, 8)), (("none", "add"), step), (("add", "none"), step)):
        found = x.clone()
        tex.thd_grad_correction(found, part, ends, *actions)
        for half, action in zip((first, second), actions, strict=True):
            given = part[half] if len(part) == 10 else part
            wanted = {"copy": given, "add": x[half] + given, "none": x[half]}[action]
            assert torch.equal(found[half], wanted), actions


def rotary_embeddings() -> None:
    """A rotation of pairs, as complex numbers; the gradient is turned back. Packed documents begin at 0 each."""
    import transformer_engine_torch as tex

    angles = torch.rand(16, 4) * 6
    freqs = torch.cat([angles, angles], -1)[:, None, None]
    for form, x, places in (
        (tex.NVTE_QKV_Format.NVTE_SBHD, random(10, 2, 3, 12), torch.arange(10)[:, None, None]),
        (tex.NVTE_QKV_Format.NVTE_BSHD, random(2, 10, 3, 12), torch.arange(10)[None, :, None]),
        (tex.NVTE_QKV_Format.NVTE_THD, random(10, 3, 12), torch.cat([torch.arange(4), torch.arange(6)])[:, None]),
    ):
        ends = torch.tensor([0, 4, 10], dtype=torch.int32) if x.dim() == 3 else None
        turned = tex.fused_rope_forward(x, freqs, None, form, False, ends, 1, 0)
        pairs = torch.complex(x[..., :4].double(), x[..., 4:8].double())
        pairs = pairs * torch.exp(1j * angles.double())[places.expand(x.shape[:-1])]
        close(turned, torch.cat([pairs.real, pairs.imag, x[..., 8:].double()], -1), FP32)
        close(tex.fused_rope_backward(turned, freqs, form, False, ends, 1, 0), x, FP32)
    ends = torch.tensor([0, 4, 12], dtype=torch.int32)  # of all tokens, of which the second of two ranks has these:
    places = torch.tensor([1, 2, 6, 7, 8, 9])
    x, form = random(12, 3, 12), tex.NVTE_QKV_Format.NVTE_THD
    whole = tex.fused_rope_forward(x, freqs, None, form, False, ends, 1, 0)
    assert torch.equal(tex.fused_rope_forward(x[places], freqs, None, form, False, ends, 2, 1), whole[places])
