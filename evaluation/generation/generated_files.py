"""Prompts in, generated sequence out: FASTA, and a track of log-probabilities where wanted."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from corpus.markup import split_tag
from evaluation.generation.decode import Generated
from evaluation.generation.generation import check_names
from evaluation.generation.motifs import find_motif
from evaluation.generation.sampling import Sampling
from evaluation.likelihood.regions import Region, read_regions, tag_of, with_tag
from evaluation.likelihood.tracks import open_track
from evaluation.rna import AsDna
from foundation.atomic import atomic_file
from foundation.errors import InputError
from foundation.spelling import option
from tokenizer.sequence import encode

_LINE = 80


def read_prompts(texts: Sequence[str], fasta: Path | None, *, tag: str | None = None) -> list[Region]:
    """Prompts of the command line, then the records of `fasta`, each after `tag`; or that alone. U is read as T.

    A prompt may begin with a tag of its own, as text that a model learns does.
    Errors: `InputError` for none, for what is not DNA, and for two of one name: samples are named after them.
    """
    first = None if tag is None else tag_of(tag)
    given = [_prompt(text, number) for number, text in enumerate(texts, start=1)]
    if first is not None and not given and fasta is None:
        given = [Region(name="prompt1", ids=encode(b""))]
    given = [*with_tag(given, first)]
    given += read_regions(fasta, markup=True, tag=first) if fasta else []
    if not given:
        given_as = f"{option('prompt', 'ACGT')} or {option('prompts', 'FILE')}"
        fix = f"Give {given_as}: the models have no BOS token, so they need a prompt."
        raise InputError("no prompt", fix=fix, kind="no-prompt")
    check_names(given, fasta)
    return given


def _prompt(text: str, number: int) -> Region:
    where, given = f"prompt {number}", encode(text.encode("utf-8", "replace"))
    tag, bases = split_tag(given, where, fix="Give letters such as ACGT, after a tag such as |d__Bacteria| or none.")
    return Region(name=f"prompt{number}", ids=AsDna(option("prompt"))(bases, where), tag=tag)


def check_output(prompts: Sequence[Region], sampling: Sampling, *, with_prompt: bool) -> None:
    """Refuse a prompt that would itself be written with a motif in it. Errors: `InputError`."""
    for prompt in prompts if with_prompt else ():
        if found := find_motif(prompt.ids, sampling.motifs):
            fix = f"Leave out {option('with_prompt')}, or change the prompt."
            raise InputError(f"has {found}, which is forbidden", where=f"prompt {prompt.name!r}", fix=fix,
                             kind="motif-in-prompt")  # fmt: skip


def write_generated(generated: Sequence[Generated], out: Path, *, with_prompt: bool, per_base: Path | None) -> None:
    """Write `out`: one record per sample, its header says how it ended and its mean log-probability."""
    with atomic_file(out) as temporary, open(temporary, "w", encoding="utf-8") as file:
        for one in generated:
            mean = f" mean_log_probability={one.logs.mean(dtype=np.float64):.5f}" if len(one.logs) else ""
            end, tries = "eos" if one.ended else "length", f" tries={one.tries}" if one.tries > 1 else ""
            tag = f" tag={one.prompt.tag.tobytes().decode()}" if len(one.prompt.tag) else ""
            file.write(f">{_name(one)} prompt={len(one.prompt.ids)} new={len(one.ids)} end={end}{tries}{mean}{tag}\n")
            text = ((one.prompt.ids.tobytes().upper() if with_prompt else b"") + one.ids.tobytes()).decode()
            file.writelines(text[start : start + _LINE] + "\n" for start in range(0, len(text), _LINE))
    if per_base is None:
        return
    with open_track(per_base) as track:
        for one in generated:
            start = len(one.prompt.ids) if with_prompt else 0
            track.add(Region(name=_name(one), contig=_name(one), ids=one.ids, start=start), one.logs, None)


def _name(one: Generated) -> str:
    return f"{one.prompt.name}_{one.sample + 1}"
