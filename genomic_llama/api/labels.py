"""Predictions of a model with a head as a table."""

from typing import TYPE_CHECKING

from configs.heads import KEY, Head
from evaluation.labelled.examples import SIDES
from evaluation.prediction.files import table_rows
from evaluation.prediction.predicting import Predicting, check_calibrated
from evaluation.prediction.predicting import predict as predict_records
from evaluation.prediction.records import cut_to, region_record
from foundation.errors import InputError, nearest
from foundation.progress import called_from_python, progress_bar
from foundation.typed import from_settings
from genomic_llama.api.door import public
from genomic_llama.api.sequences import read_sequences

if TYPE_CHECKING:
    from pandas import DataFrame
    from transformers import PreTrainedModel

    from genomic_llama.api.sequences import Sequences


@public
def predict(
    model: "PreTrainedModel",
    sequences: "Sequences",
    *,
    calibrated: bool = False,
    strand: str | None = None,
    truncate: str = "refuse",
    batch_size: int = 8,
    progress: bool = False,
) -> "DataFrame":
    """Predict labels of sequences with a classifier or regressor.

    - `model`: from `load_model`: a run with a head, its export, or a base with an `adapter` that has a head.
    - `sequences`: text, files, records or tables, see [Sequences](#sequences).
    - `calibrated`: calibrate probabilities with the fit on the validation sequences.
    - `strand`: `"forward"`, or `"both"` to average the two; by default both if the head was trained on both.
    - `truncate`: for sequences longer than the model's positions, the end to cut off: `"left"` or `"right"`. `"refuse"`
      raises an error.
    - `batch_size`: sequences per forward pass. `progress`: show a progress bar.

    Returns one row per sequence with `name` and `length`. Classes add `prediction` and one column of probabilities per
    class, `p_CLASS`; several labels add `p_LABEL`; numbers add one column each. A head per base gives one row per base,
    with its `offset` in the sequence.

    Raises `InputError` for a model without a head, for a sequence that is empty, too long or not DNA, for none at all,
    and for `calibrated` if the head has no calibration.
    """
    from pandas import DataFrame

    with called_from_python(progress=progress):
        head = _head(model)
        if strand not in (None, "forward", "both"):
            fix = nearest(str(strand), ("forward", "both"))
            raise InputError(f"strand is {strand!r}", fix=fix, kind="unknown-strand")
        if truncate not in SIDES:
            raise InputError(f"truncate is {truncate!r}", fix=nearest(truncate, SIDES), kind="unknown-side")
        if calibrated:
            check_calibrated(head, type(model).__name__)
        both = head.both_strands if strand is None else strand == "both"
        how = Predicting(head=head, both_strands=both, calibrated=calibrated, batch_size=batch_size)
        cut = cut_to(int(model.config.max_position_embeddings), truncate)
        records = (region_record(region, cut) for region in read_sequences(sequences))
        with progress_bar("Predicting", total=None, unit=" sequences") as advance:
            rows = list(table_rows(predict_records(model, records, how), head, advance))
        if not rows:
            raise InputError("has nothing to predict", where="sequences", fix="Give one or more.", kind="no-sequences")
        return DataFrame(rows)


def _head(model: "PreTrainedModel") -> Head:
    """The head of a model from `load_model`. Errors: `InputError` if it has none."""
    if (values := getattr(model.config, KEY, None)) is None:
        fix = "Give a model that was trained with a head: llama3_8b_genomic_classify."
        raise InputError(f"{type(model).__name__} has no head", fix=fix, kind="no-head")
    return from_settings(Head, values, KEY)
