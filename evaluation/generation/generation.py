"""New sequence after a prompt: sampled base by base, with the log-probability that the model gave each."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from evaluation.likelihood.attention import Growing
from evaluation.likelihood.forward import hidden_states, log_probabilities, to_tensor
from evaluation.likelihood.likelihood import Logs
from evaluation.likelihood.regions import Region, oriented
from foundation.errors import InputError
from foundation.progress import Advance, progress_bar
from tokenizer.sequence import Ids
from tokenizer.vocabulary import EOS

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Values = npt.NDArray[np.float64]

TEMPERATURES = (0.001, 1000.0)
"""Between these a temperature differs from the most likely base, and from chance; 0 is the most likely."""


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How bases are drawn. A `temperature` of 0 takes the most likely; `top_k` of 0 and `top_p` of 1 leave all.

    `alphabet`: what may come, beside EOS, which ends a sequence. `length`: new bases at most.
    """

    length: int
    samples: int = 1
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    alphabet: bytes = b"ACGT"
    seed: int = 0

    def __post_init__(self) -> None:
        low, high = TEMPERATURES
        if self.temperature and not low <= self.temperature <= high:
            problem = f"temperature {self.temperature} is neither 0 nor in [{low}, {high}]"
            raise InputError(
                problem, fix="0 takes the most likely base, 1 the model's own chances.", kind="temperature"
            )
        if not 0 < self.top_p <= 1:
            raise InputError(f"top-p {self.top_p} is outside (0, 1]", fix="1 leaves all bases.", kind="top-p")
        if not self.alphabet:
            raise InputError("the alphabet is empty", fix="Give --alphabet ACGT.", kind="alphabet")


@dataclass(frozen=True, kw_only=True)
class Generated:
    """One sample. `logs`: ln P of each base of `ids` among all 256 ids, at temperature 1; `ended` by EOS."""

    prompt: Region
    sample: int
    ids: Ids
    logs: Logs
    ended: bool


def generate(
    model: "PreTrainedModel", prompts: Iterable[Region], sampling: Sampling, *, batch_size: int = 8
) -> list[Generated]:
    """Samples of every prompt, in order; the same for a seed whatever the batches.

    Errors: `InputError` for a prompt that is empty, no DNA, or too long for the model's positions.
    """
    prompts = list(prompts)
    check_prompts(prompts, sampling, int(model.config.max_position_embeddings))
    rows = [row for number, prompt in enumerate(prompts) for row in _rows(prompt, number, sampling)]
    order = sorted(range(len(rows)), key=lambda index: len(rows[index].ids))
    done: dict[int, Generated] = {}
    with progress_bar("Generating", total=len(rows) * sampling.length, unit="b") as advance:
        while order:
            length = len(rows[order[0]].ids)
            batch = [index for index in order[:batch_size] if len(rows[index].ids) == length]
            order = order[len(batch) :]
            results = _batch(model, [rows[index] for index in batch], sampling, advance)
            done |= dict(zip(batch, results, strict=True))
    return [done[index] for index in range(len(rows))]


@dataclass(frozen=True, kw_only=True)
class _Row:
    """One sample to be drawn; `number` is its prompt's."""

    prompt: Region
    number: int
    sample: int
    ids: Ids

    def draws(self, sampling: Sampling) -> Values:
        """The random numbers that it will use, one per base."""
        return np.random.default_rng([sampling.seed, self.number, self.sample]).random(sampling.length)


def check_prompts(prompts: Sequence[Region], sampling: Sampling, longest: int) -> None:
    """Before any work. Errors: `InputError` for one that is empty, or that with its new bases exceeds `longest`."""
    for prompt in prompts:
        where = f"prompt {prompt.name!r}"
        given = len(prompt.tag) + len(prompt.ids)
        if not given:
            fix = "These models have no BOS: they cannot begin from nothing. Give a base or more."
            raise InputError("the prompt is empty", where=where, fix=fix, kind="prompt-empty")
        if given + sampling.length > longest:
            problem = f"{given:,} letters and {sampling.length:,} new ones are more than the model's {longest:,}"
            fix = f"Give --length {longest - given} or less." if given < longest else "Shorten it."
            raise InputError(problem, where=where, fix=fix, kind="prompt-too-long")


def _rows(prompt: Region, number: int, sampling: Sampling) -> Iterator[_Row]:
    ids, _ = oriented(prompt, reverse=False)
    for sample in range(sampling.samples):
        yield _Row(prompt=prompt, number=number, sample=sample, ids=ids)


def _batch(model: "PreTrainedModel", rows: Sequence[_Row], sampling: Sampling, advance: Advance) -> Iterator[Generated]:
    """Rows of one prompt length; those that have ended leave the batch."""
    import torch

    start = len(rows[0].ids)
    candidates = np.array([EOS.id, *sorted(set(sampling.alphabet))])
    bases, logs = ([list[int]() for _ in rows], [list[float]() for _ in rows])
    alive, tokens, cache = (
        list(range(len(rows))),
        to_tensor(model, [row.ids for row in rows]),
        Growing(start + sampling.length),
    )
    draws = np.stack([row.draws(sampling) for row in rows])
    position = 0
    with torch.inference_mode():
        for step in range(sampling.length):
            hidden = hidden_states(model, tokens, start=position, context=cache)[:, -1]
            position += tokens.shape[1]
            known = log_probabilities(model, hidden).double().cpu().numpy()
            chosen = choose(known[:, candidates], sampling, draws[alive, step])
            ids = candidates[chosen]
            for place, row in enumerate(alive):
                if ids[place] != EOS.id:
                    bases[row].append(int(ids[place]))
                    logs[row].append(float(known[place, ids[place]]))
            going = np.flatnonzero(ids != EOS.id)
            advance(len(alive) + (len(alive) - len(going)) * (sampling.length - step - 1))
            if not len(going):
                break
            if len(going) < len(alive):
                cache.keep(torch.from_numpy(going).to(model.device))
                alive = [alive[place] for place in going]
            tokens = torch.from_numpy(ids[going][:, None]).to(model.device)
    for drawn, found, values in zip(rows, bases, logs, strict=True):
        yield Generated(
            prompt=drawn.prompt, sample=drawn.sample, ids=np.array(found, dtype=np.uint8),
            logs=np.array(values, dtype=np.float32), ended=len(found) < sampling.length,
        )  # fmt: skip


def choose(logs: Values, sampling: Sampling, draws: Values) -> npt.NDArray[np.int64]:
    """Index of the candidate of each row, [B]; `logs` are [B, candidates], `draws` uniform in [0, 1), [B].

    Temperature first, then the `top_k` most likely, then the fewest of those that have `top_p` together.
    """
    if not sampling.temperature:
        likeliest: npt.NDArray[np.int64] = np.argmax(logs, axis=1)
        return likeliest
    chances = np.exp((logs - logs.max(axis=1, keepdims=True)) / sampling.temperature)
    order = np.argsort(-chances, axis=1, kind="stable")
    ranked = np.take_along_axis(chances, order, axis=1)
    if sampling.top_k:
        ranked[:, sampling.top_k :] = 0
    ranked /= ranked.sum(axis=1, keepdims=True)
    ranked[ranked.cumsum(axis=1) - ranked >= sampling.top_p] = 0  # what is there before it is enough
    cumulative = ranked.cumsum(axis=1)
    place = (draws[:, None] * cumulative[:, -1:] >= cumulative).sum(axis=1)
    chosen: npt.NDArray[np.int64] = np.take_along_axis(order, place[:, None], axis=1)[:, 0]
    return chosen
