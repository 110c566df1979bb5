"""New sequence after prompts: as many samples of each as asked for, in batches that fit into memory."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from evaluation.generation.cache import rows_that_fit
from evaluation.generation.decode import Generated, Reader, Row, decode
from evaluation.generation.motifs import Automaton
from evaluation.generation.sampling import Sampling
from evaluation.likelihood.regions import Region, oriented
from foundation.errors import InputError
from foundation.progress import Advance, progress_bar
from foundation.spelling import option
from tokenizer.sequence import to_upper

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def generate(
    model: "PreTrainedModel", prompts: Iterable[Region], sampling: Sampling, *, batch_size: int | None = None
) -> list[Generated]:
    """Samples of every prompt, in order. `batch_size`: sequences at a time, by default what memory allows.

    A sample is drawn from a random stream of its own, seeded with `sampling.seed`, the prompt's name and the sample's
    number: neither batches nor other prompts change it. The tag of a prompt is read first, and is not part
    of motifs or of the GC share.
    Where `sampling` rejects samples, those that were rejected each time are left out.
    Errors: `InputError` for a prompt that is empty, no DNA, or too long for the model's positions, and for one that
    only forbidden motifs can follow; also where no sample at all was accepted.
    """
    prompts = list(prompts)
    longest = int(model.config.max_position_embeddings)
    check_prompts(prompts, sampling, longest)
    rows = list(plan_rows(prompts, sampling, longest))
    with progress_bar("Generating", total=bases_of(rows, sampling), unit="b") as advance:
        return accepted(draw(model, Reader(model), rows, sampling, batch_size, advance), sampling)


def draw(
    model: "PreTrainedModel",
    reader: Reader,
    rows: Sequence[Row],
    sampling: Sampling,
    size: int | None,
    advance: Advance,
) -> list[Generated | None]:
    """What is drawn of `rows`, in order; None for one that was rejected each time."""
    found: list[Generated | None] = [None] * len(rows)
    waiting = list(range(len(rows)))
    for attempt in range(1, (sampling.tries if sampling.rejects else 1) + 1):
        tried = [_retry(rows[index], attempt) for index in waiting]
        for index, one in zip(waiting, _decode_all(model, reader, tried, sampling, size, advance), strict=True):
            found[index] = one if sampling.accepts(one.ids) else None
        waiting = [index for index in waiting if found[index] is None]
        if not waiting:
            break
    return found


def accepted(found: Iterable[Generated | None], sampling: Sampling) -> list[Generated]:
    """Those of `found` that are there. Errors: `InputError` where none is."""
    every = list(found)
    kept = [one for one in every if one is not None]
    if not kept:
        problem = f"none of {len(every):,} samples was as asked for, each drawn {sampling.tries} times"
        raise InputError(problem, fix=f"Widen {option('gc')}, or raise {option('tries')}.", kind="none-accepted")
    return kept


def bases_of(rows: Sequence[Row], sampling: Sampling) -> int | None:
    """How many bases are drawn at most; None where that is not known."""
    return None if sampling.rejects else sum(row.limit for row in rows)


def check_names(prompts: Iterable[Region], source: object = None) -> None:
    """Errors: `InputError` for two prompts of one name, which seeds their samples; `source`: their file."""
    for name, count in Counter(prompt.name for prompt in prompts).items():
        if count > 1:
            problem = f"{count} prompts are named {name!r}, which names and seeds their samples"
            raise InputError(problem, where=source, fix="Give them different names.", kind="duplicate-name")


def check_prompts(prompts: Sequence[Region], sampling: Sampling, longest: int) -> None:
    """Before any work. Errors: `InputError` as `generate` has them; `longest`: the model's positions."""
    if not prompts:
        raise InputError("no prompt", fix="Give one or more.", kind="no-prompt")
    automaton = Automaton(sampling.motifs, sampling.letters) if sampling.motifs.words else None
    letters = sorted(set(sampling.letters))
    for prompt in prompts:
        where, given = f"prompt {prompt.name!r}", len(prompt.tag) + len(prompt.ids)
        if not given:
            fix = "These models have no BOS token. Give a prompt of one base or more."
            raise InputError("the prompt is empty", where=where, fix=fix, kind="prompt-empty")
        new = max(sampling.length or 1, sampling.min_length)
        if given + new > longest:
            problem = f"{given:,} letters and {new:,} new ones are more than the model's {longest:,}"
            fix = f"Give {option('length', longest - given)} or less." if given < longest else "Shorten it."
            raise InputError(problem, where=where, fix=fix, kind="prompt-too-long")
        if automaton and not automaton.allowed[automaton.follow(to_upper(prompt.ids)), letters].any():
            problem = "every continuation of the prompt contains one of the motifs"
            raise InputError(problem, where=where, fix="Shorten the prompt by a few bases.", kind="motif-after-prompt")


def plan_rows(prompts: Iterable[Region], sampling: Sampling, longest: int) -> Iterator[Row]:
    """What is to be drawn, in the order of the output; `longest`: the model's positions. Errors: as `oriented`."""
    for prompt in prompts:
        ids, _ = oriented(prompt, reverse=False)
        name = int.from_bytes(hashlib.sha256(prompt.name.encode("utf-8", "surrogateescape")).digest()[:8], "little")
        limit = longest - len(ids) if sampling.length is None else sampling.length
        for sample in range(sampling.samples):
            yield Row(prompt=prompt, sample=sample, ids=ids, limit=limit, stream=(sampling.seed, name, sample))


def _retry(row: Row, attempt: int) -> Row:
    """The row as it is drawn for the `attempt`-th time, from a stream of its own."""
    return row if attempt == 1 else replace(row, stream=(*row.stream, attempt), tries=attempt)


def _decode_all(
    model: "PreTrainedModel",
    reader: Reader,
    rows: Sequence[Row],
    sampling: Sampling,
    size: int | None,
    advance: Advance,
) -> list[Generated]:
    """All `rows`, in order; those of similar length are decoded together."""
    order = sorted(range(len(rows)), key=lambda index: len(rows[index].ids))
    done: dict[int, Generated] = {}
    while order:
        most = size or rows_that_fit(model, len(rows[order[-1]].ids) + rows[order[0]].limit)
        batch, order = order[:most], order[most:]
        done |= dict(zip(batch, decode(reader, [rows[index] for index in batch], sampling, advance), strict=True))
    return [done[index] for index in range(len(rows))]
