"""What a variant changes beside the likelihood: the distributions and the embeddings of the bases after it."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Shift:
    """Means over the bases from the first that differs to the window's end, each beside itself in the reference.

    - `divergence`: Jensen-Shannon divergence of the distributions of the next base, bits, 0 to 1.
    - `euclidean`, `cosine`: L2 distance, and 1 - cosine, of the last layer's outputs, after the final norm.
    - `entropy`: change of the entropy of the next base, bits; above zero the model is less certain.
    """

    divergence: float
    euclidean: float
    cosine: float
    entropy: float


NO_SHIFT = Shift(divergence=0.0, euclidean=0.0, cosine=0.0, entropy=0.0)
FIELDS = ("divergence", "euclidean", "cosine", "entropy")


def compare(before: "tuple[Tensor, Tensor]", after: "tuple[Tensor, Tensor]") -> Shift:
    """The shift between two runs of bases: each is log-probabilities [bases, 256] and hidden states [bases, hidden]."""
    import torch

    (old, old_hidden), (new, new_hidden) = ([one.double() for one in pair] for pair in (before, after))
    middle = torch.logaddexp(old, new) - math.log(2)
    divergence = (old.exp() * (old - middle) + new.exp() * (new - middle)).sum(dim=-1) / 2
    entropy = (old.exp() * old).sum(dim=-1) - (new.exp() * new).sum(dim=-1)
    distance = (new_hidden - old_hidden).norm(dim=-1)
    cosine = 1 - torch.nn.functional.cosine_similarity(new_hidden, old_hidden, dim=-1)
    values = torch.stack([divergence / math.log(2), distance, cosine, entropy / math.log(2)]).mean(dim=1).tolist()
    return Shift(**dict(zip(FIELDS, values, strict=True)))


def mean(shifts: list[Shift]) -> Shift:
    """Of the strands that were compared."""
    return Shift(**{name: math.fsum(getattr(one, name) for one in shifts) / len(shifts) for name in FIELDS})
