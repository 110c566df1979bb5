"""What `predict` is asked for, and the job that it is: predictions, cut into units of records."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from configs.heads import Head
from configs.llama import read_architecture
from evaluation.finished import Work
from evaluation.likelihood.model import check_directory, load_model
from evaluation.likelihood.tracks import check_track
from evaluation.prediction.files import check_prediction_file, is_track, write_predictions
from evaluation.prediction.predicting import Predicting, Prediction, check_predictor, predict
from evaluation.prediction.records import Record, Source, check_source, cut_to, read_records
from evaluation.sharding.job import Compute, Payload, Progress, Results, at_once, cut, unit_tokens
from foundation.atomic import check_writable
from foundation.errors import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True, kw_only=True)
class PredictRequest:
    """What is predicted, how, and the table that it is written to. `strand`: None as the head was trained."""

    model: Path
    source: Path
    out: Path
    genome: Path | None = None
    sequence: str = "sequence"
    window: int | None = None
    calibrated: bool = False
    strand: str | None = None
    truncate: str = "refuse"
    dtype: str = "float32"
    batch_size: int = 8
    adapter: Path | None = None

    command = "predict"
    journal = None

    @property
    def longest(self) -> int:
        """The model's positions."""
        return read_architecture(self.model).max_position_embeddings

    @property
    def head(self) -> Head:
        """Of the model. Errors: `InputError` where it has none, or is not calibrated."""
        return check_predictor(self.model, self.adapter, calibrated=self.calibrated)

    @property
    def data(self) -> Source:
        """The file with what its records are read by."""
        return Source(
            path=self.source, genome=self.genome, sequence=self.sequence, window=self.window or self.longest
        )  # fmt: skip

    @property
    def both_strands(self) -> bool:
        """Whether both are read."""
        return self.head.both_strands if self.strand is None else self.strand == "both"

    def at(self, out: Path) -> "PredictRequest":
        """The same, written to `out`."""
        return replace(self, out=out)

    def check(self) -> None:
        """Errors: `InputError` for what can be known to be wrong before the model is loaded."""
        check_prediction_file(self.out)
        check_writable(self.out)
        check_directory(self.model, self.adapter)
        head = self.head
        if self.window is not None and self.window > self.longest:
            problem = f"--window {self.window} exceeds the model's {self.longest} positions"
            raise InputError(problem, fix=f"Give --window {self.longest} or less.", kind="window")
        check_source(self.data)
        if self.data.kind == "vcf" and head.per_base:
            fix = "Predict the regions around them: a BED file."
            raise InputError(
                "variants have no prediction per base", where=self.source, fix=fix, kind="variants-per-base"
            )
        if is_track(self.out):
            self._check_track(head)
        if self.strand == "reverse":
            raise InputError("--strand reverse is not supported", fix="Use forward or both.", kind="strand-alone")

    def _check_track(self, head: Head) -> None:
        """Errors: `InputError` where a track cannot hold what is predicted."""
        if head.kind != "track" or self.data.kind not in ("bed", "fasta") or self.truncate != "refuse":
            fix = "Give a table (.parquet, .tsv); or numbers per base of whole FASTA records or BED regions."
            raise InputError("is a track, which these predictions are not", where=self.out, fix=fix, kind="not-a-track")
        bed = self.source if self.data.kind == "bed" else None
        check_track(self.out, fasta=self.source if bed is None else self.genome, bed=bed)

    def made(self, *, overwrite: bool = False) -> Work:
        """What decides the result, and its file."""
        return Work(
            command=self.command,
            model=self.model,
            adapter=self.adapter,
            sources={"source": self.source, "genome": self.genome},
            settings={
                "sequence": self.sequence, "window": self.data.window, "calibrated": self.calibrated,
                "both_strands": self.both_strands, "truncate": self.truncate, "dtype": self.dtype,
            },
            files=[self.out],
            overwrite=overwrite,
        )  # fmt: skip

    def open(self) -> "PredictJob":
        """Its job."""
        return PredictJob(self)


class PredictJob:
    """Predictions of records, in units of whole ones."""

    def __init__(self, request: PredictRequest) -> None:
        self._request = request
        self.progress = Progress(description=f"Predicting {request.source.name}", unit=" records")

    def units(self) -> Iterator[list[Record]]:
        """Records."""
        asked = self._request
        records = read_records(asked.data, cut_to(asked.longest, asked.truncate))
        return cut(records, unit_tokens(0), self.work)

    def work(self, record: Record) -> int:
        """Tokens that the model reads."""
        return len(record.ids)

    def amount(self, record: Record) -> float:
        """Records."""
        return 1

    def load(self, device: str | None) -> Compute[Record]:
        """Load the model."""
        asked = self._request
        how = Predicting(
            head=asked.head, both_strands=asked.both_strands, calibrated=asked.calibrated, batch_size=asked.batch_size
        )
        return at_once(
            self, partial(predict_unit, load_model(asked.model, asked.dtype, device=device, adapter=asked.adapter), how)
        )

    def finish(self, results: Results[Record]) -> tuple[int, Sequence[Path]]:
        """Write the table; how many rows it has."""
        asked = self._request
        predictions = (one for unit, payload in results for one in _predictions(unit, payload))
        if (first := next(predictions, None)) is None:
            raise InputError("has nothing to predict", where=asked.source, fix="Check the file.", kind="no-sequences")
        rows = write_predictions(chain([first], predictions), asked.out, asked.head, paired=asked.data.kind == "vcf")
        return rows, [asked.out]


def predict_unit(model: "PreTrainedModel", how: Predicting, unit: list[Record]) -> Payload:
    """`outputs`: of all records, end to end, [rows, labels]; `rows`: where each begins and ends."""
    found = [np.atleast_2d(one.outputs) for one in predict(model, unit, how)]
    return {
        "outputs": np.ascontiguousarray(np.concatenate(found)),
        "rows": np.cumsum([0, *map(len, found)]),
        "per_base": np.array([how.head.per_base]),
    }


def _predictions(unit: list[Record], payload: Payload) -> Iterator[Prediction]:
    for record, (start, end) in zip(unit, pairwise(payload["rows"].tolist()), strict=True):
        outputs = payload["outputs"][start:end]
        yield Prediction(record=record, outputs=outputs if payload["per_base"][0] else outputs[0])
