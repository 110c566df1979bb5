"""A needle in random sequence that comes again: bits per base and accuracy of the second copy, by the distance.

::

    needle (64) | random bases | needle again: 16 bases of it as a cue, 48 that count
    <------ distance --------->

Random bases cost 2 bits each; a model that finds the needle and copies it pays next to nothing for the second copy.
The softmax is renormalised over A, C, G and T.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from evaluation.likelihood.forward import ACGT, hidden_states, log_probabilities
from foundation.errors import InputError
from foundation.progress import progress_bar

if TYPE_CHECKING:
    from transformers import PreTrainedModel

NEEDLE, CUE = 64, 16


@dataclass(frozen=True, kw_only=True)
class Recall:
    """One distance: `bases` counted, their mean cost and its standard error, and the share right."""

    distance: int
    bases: int
    bits: float
    error: float
    accuracy: float


def check_distances(distances: list[int], *, where: object) -> None:
    """Errors: `InputError`, at `where`, for no distance, or one below a needle."""
    if not distances:
        raise InputError(
            "no distance", where=where, fix=f"Give some, each of {NEEDLE} bases or more.", kind="no-distance"
        )
    if min(distances) < NEEDLE:
        problem = f"a distance of {min(distances)} bases is shorter than the needle"
        raise InputError(problem, where=where, fix=f"Each is {NEEDLE} bases or more.", kind="distance-too-short")


def fitting(distances: list[int], positions: int, *, where: object) -> list[int]:
    """The distances for which both copies fit. Errors: `InputError`, at `where`, for none, or one below a needle."""
    check_distances(distances, where=where)
    fit = [distance for distance in sorted(set(distances)) if distance + NEEDLE <= positions]
    if not fit:
        problem = f"no distance fits into the model's {positions:,} positions"
        room = positions - NEEDLE
        fix = f"Give one of {NEEDLE} to {room:,} bases." if room >= NEEDLE else "Leave the task out for this model."
        raise InputError(problem, where=where, fix=fix, kind="no-distance-fits")
    return fit


def measure_recall(
    model: "PreTrainedModel", *, distances: list[int], samples: int, seed: int, batch_size: int, where: object = None
) -> list[Recall]:
    """Each distance with its own sequences, the same for every model.

    Errors: `InputError`, at `where`, for distances that cannot be measured.
    """
    import torch

    fit = fitting(distances, int(model.config.max_position_embeddings), where=where)
    found = []
    with progress_bar("Recall", total=samples * len(fit), unit=" sequences") as advance:
        for distance in fit:
            random = np.random.default_rng([seed, distance])
            filled = random.choice(ACGT, size=(samples, distance))
            tokens = torch.from_numpy(np.concatenate([filled, filled[:, :NEEDLE]], axis=1)).to(model.device)
            bits, right = list[npt.NDArray[np.float64]](), 0
            for first in range(0, samples, batch_size):
                batch = tokens[first : first + batch_size]
                with torch.inference_mode():
                    hidden = hidden_states(model, batch[:, :-1])[:, -(NEEDLE - CUE) :]
                    logs = log_probabilities(model, hidden, acgt_only=True)
                    truth = batch[:, -(NEEDLE - CUE) :]
                    right += int((logs.argmax(-1) == truth).sum())
                    bits.append(-logs.gather(-1, truth[..., None])[..., 0].double().cpu().numpy() / np.log(2))
                advance(len(batch))
            costs = np.concatenate(bits)
            found.append(
                Recall(
                    distance=distance,
                    bases=costs.size,
                    bits=float(costs.mean()),
                    error=float(costs.mean(axis=1).std() / np.sqrt(samples)),
                    accuracy=right / costs.size,
                )
            )
    return found
