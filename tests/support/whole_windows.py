"""Effects of variants by their definition: both windows whole, one by one, with nothing shared."""

import dataclasses
import math
from typing import Any

import numpy as np

from evaluation.variants.alleles import Allele
from evaluation.variants.windows import Placement
from tokenizer.sequence import Ids, reverse_complement


def whole_window(model: Any, contig: Ids, allele: Allele, placement: Placement) -> tuple[float, int] | None:
    """The definition, read off the placement's docstring: both windows whole, one by one. The delta, and the bases."""
    import torch

    (reference, changed), _ = _windows(contig, allele, placement)
    windows = [reference, changed]
    shortest = min(map(len, windows))
    tokens = torch.tensor([list(window[:shortest]) for window in windows])
    with torch.inference_mode():
        logs = model(tokens).logits.log_softmax(-1)[:, :-1].gather(-1, tokens[:, 1:, None])[..., 0]
    scored = torch.tensor([[base in b"ACGT" for base in window[1:shortest]] for window in windows], dtype=torch.bool)
    bases = int(scored.sum(dim=1).min())
    sums = [float(one[counts][:bases].sum()) for one, counts in zip(logs, scored, strict=True)]
    differs = windows[0][:shortest] != windows[1][:shortest] or allele.alt_text == allele.record.ref
    return (sums[1] - sums[0], bases) if bases and differs else None


def mirrored(allele: Allele, length: int) -> Allele:
    position = length - allele.position - len(allele.ref)
    return dataclasses.replace(
        allele, position=position, ref=reverse_complement(allele.ref), alt=reverse_complement(allele.alt)
    )


def whole_shift(model: Any, contig: Ids, allele: Allele, placement: Placement) -> list[float] | None:
    """Divergence, L2, cosine and entropy change, means over the bases after the variant; None where none is left."""
    import torch

    windows, start = _windows(contig, allele, placement)
    before, after = (np.frombuffer(window, np.uint8) for window in windows)
    same = min(len(before), len(after))
    differing = np.flatnonzero(before[:same] != after[:same])
    if not len(differing):
        return [0.0] * 4 if allele.alt_text == allele.record.ref else None
    outputs = []
    for window in windows:
        with torch.inference_mode():
            output = model(torch.tensor([list(window)]), output_hidden_states=True)
        outputs.append((output.logits[0].softmax(-1).numpy(), output.hidden_states[-1][0].numpy()))
    old = range(allele.position - start + len(allele.ref) - 1, len(before) - 1)
    new = range(allele.position - start + len(allele.alt) - 1, len(after) - 1)
    rows = [
        _shift(*(part[i] for part in outputs[0]), *(part[j] for part in outputs[1]))
        for i, j in zip(old, new, strict=False)
        if min(i, j) >= differing[0]
    ]
    return np.mean(rows, axis=0).tolist() if rows else None


def _shift(p: Any, h: Any, q: Any, g: Any) -> tuple[float, float, float, float]:
    middle = (p + q) / 2
    divergence = (np.sum(p * np.log2(p / middle)) + np.sum(q * np.log2(q / middle))) / 2
    entropy = np.sum(p * np.log2(p)) - np.sum(q * np.log2(q))
    cosine = 1 - float(h @ g) / math.sqrt(float(h @ h) * float(g @ g))
    return divergence, float(np.linalg.norm(h - g)), cosine, entropy


def _windows(contig: Ids, allele: Allele, placement: Placement) -> tuple[tuple[bytes, bytes], int]:
    """Reference and alternative, and where they start in the contig."""
    text, position = contig.tobytes().upper(), allele.position
    start = (position - (placement.length - placement.downstream)) // placement.grid * placement.grid
    end = min(len(text), start + placement.length)
    start = max(0, start)
    changed = text[:position] + allele.alt.tobytes() + text[position + len(allele.ref) :]
    return (text[start:end], changed[start : start + (end - start)]), start
