"""The request of `generate`, and its job: units of samples."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np

from configs.llama import read_architecture
from evaluation.finished import Work
from evaluation.generation.decode import Generated, Reader, Row
from evaluation.generation.generated_files import check_output, read_prompts, write_generated
from evaluation.generation.generation import accepted, bases_of, check_prompts, draw, plan_rows
from evaluation.generation.sampling import Sampling
from evaluation.generation.vllm import check_vllm, load_vllm
from evaluation.likelihood.model import check_directory, check_language_model, load_model
from evaluation.likelihood.regions import Region
from evaluation.likelihood.tracks import check_track
from evaluation.sharding.job import Compute, Payload, Progress, Results, at_once, cut
from foundation.atomic import check_writable
from foundation.errors import InputError
from foundation.progress import Advance
from foundation.typed import to_json

UNIT_ROWS = (64, 512)
"""Samples of a unit: fewest, which keep a CPU busy, and most, for a GPU."""
_UNITS = 64
"""Of a job, between these sizes."""
VLLM = "vllm"


@dataclass(frozen=True, kw_only=True)
class GenerateRequest:
    """What to generate, how, and the output files."""

    model: Path
    out: Path
    prompt: tuple[str, ...] = ()
    prompts: Path | None = None
    sampling: Sampling
    with_prompt: bool = False
    per_base: Path | None = None
    tag: str | None = None
    adapter: Path | None = None
    dtype: str = "float32"
    batch_size: int | None = None
    engine: str = "own"

    command = "generate"
    journal = None

    @cached_property
    def given(self) -> list[Region]:
        """The prompts. Errors: `InputError`."""
        return read_prompts(self.prompt, self.prompts, tag=self.tag)

    @property
    def longest(self) -> int:
        """The model's positions."""
        return read_architecture(self.model).max_position_embeddings

    def at(self, out: Path) -> "GenerateRequest":
        """The same, written to `out`."""
        return replace(self, out=out)

    def check(self) -> None:
        """Errors: `InputError` for what can be known to be wrong before the model is loaded."""
        sampling = self.sampling
        if sampling.forbid_both_strands and not sampling.forbid:
            raise InputError("--forbid-both-strands needs --forbid", fix="Leave it out.", kind="forbid-nothing")
        if self.per_base is not None:
            check_track(self.per_base)
        given = self.given
        check_output(given, sampling, with_prompt=self.with_prompt)
        check_writable(self.out, self.per_base)
        check_directory(self.model, self.adapter)
        check_language_model(self.model, self.adapter)
        check_prompts(given, sampling, self.longest)
        if self.engine == VLLM:
            check_vllm(sampling, self.batch_size, self.adapter)

    def made(self, *, overwrite: bool = False) -> Work:
        """What decides the result, and its files."""
        return Work(
            command=self.command,
            model=self.model,
            adapter=self.adapter,
            sources={"prompts": self.prompts},
            settings={
                "prompt": list(self.prompt), "tag": self.tag,
                **to_json(self.sampling), "with_prompt": self.with_prompt, "dtype": self.dtype, "engine": self.engine,
            },
            files=[path for path in (self.out, self.per_base) if path is not None],
            overwrite=overwrite,
        )  # fmt: skip

    def open(self) -> "GenerateJob":
        """Its job."""
        return GenerateJob(self)


class GenerateJob:
    """Samples of prompts. What is drawn depends on the seed, a prompt's name and a sample's number alone."""

    def __init__(self, request: GenerateRequest) -> None:
        self._request = request
        self._rows = list(plan_rows(request.given, request.sampling, request.longest))
        self.progress = Progress(
            description="Generating", unit="b", total=bases_of(self._rows, request.sampling)
        )  # fmt: skip

    def units(self) -> Iterator[list[Row]]:
        """Samples."""
        fewest, most = UNIT_ROWS
        return cut(self._rows, min(most, max(fewest, len(self._rows) // _UNITS)), lambda row: 1)

    def work(self, row: Row) -> int:
        """Tokens that the model reads."""
        return len(row.ids) + row.limit

    def amount(self, row: Row) -> float:
        """Bases, at most."""
        return row.limit

    def load(self, device: str | None) -> Compute[Row]:
        """Load the model."""
        asked = self._request
        if asked.engine == VLLM:
            drawn = load_vllm(asked.model, asked.dtype)
            return at_once(self, lambda unit: _payload(drawn(unit, asked.sampling)))
        model = load_model(asked.model, asked.dtype, device=device, adapter=asked.adapter)
        reader = Reader(model)

        def compute(unit: list[Row], advance: Advance) -> Payload:
            return _payload(draw(model, reader, unit, asked.sampling, asked.batch_size, advance))

        return compute

    def finish(self, results: Results[Row]) -> tuple[list[Generated], Sequence[Path]]:
        """Write the sequences and the track. Errors: `InputError` where no sample was accepted."""
        asked = self._request
        found = (one for unit, payload in results for one in _generated(unit, payload))
        generated = accepted(found, asked.sampling)
        write_generated(generated, asked.out, with_prompt=asked.with_prompt, per_base=asked.per_base)
        return generated, asked.made().files


def _payload(found: Sequence[Generated | None]) -> Payload:
    """`ids`, `logs`: of all samples, end to end; `ends`: where each ends. `tries`: 0 for one that was rejected."""
    kept = [one for one in found if one is not None]
    return {
        "ids": np.concatenate([one.ids for one in kept]) if kept else np.empty(0, dtype=np.uint8),
        "logs": np.concatenate([one.logs for one in kept]) if kept else np.empty(0, dtype=np.float32),
        "ends": np.cumsum([len(one.ids) if one else 0 for one in found]),
        "ended": np.array([one is not None and one.ended for one in found]),
        "tries": np.array([one.tries if one else 0 for one in found]),
    }


def _generated(unit: list[Row], payload: Payload) -> Iterator[Generated | None]:
    marks = zip(payload["ended"].tolist(), payload["tries"].tolist(), strict=True)
    places = pairwise([0, *payload["ends"].tolist()])
    for row, (start, end), (ended, tries) in zip(unit, places, marks, strict=True):
        yield None if not tries else Generated(
            prompt=row.prompt, sample=row.sample, ids=payload["ids"][start:end], logs=payload["logs"][start:end],
            ended=ended, tries=tries,
        )  # fmt: skip
