"""New sequence as a table."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from evaluation.generation.generation import check_names
from evaluation.generation.generation import generate as generate_bases
from evaluation.generation.sampling import Sampling
from foundation.progress import called_from_python
from genomic_llama.api.door import public
from genomic_llama.api.models import check_predicts_bases
from genomic_llama.api.sequences import read_sequences

if TYPE_CHECKING:
    from pandas import DataFrame
    from transformers import PreTrainedModel

    from genomic_llama.api.sequences import Sequences


@public
def generate(
    model: "PreTrainedModel",
    prompts: "Sequences",
    *,
    length: int | None = 500,
    min_length: int = 0,
    samples: int = 1,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    min_p: float = 0.0,
    repetition_penalty: float = 1.0,
    repetition_length: int = 12,
    forbid: Sequence[str] = (),
    forbid_both_strands: bool = False,
    gc: tuple[float, float] | None = None,
    tries: int = 20,
    alphabet: str = "ACGT",
    seed: int = 0,
    progress: bool = False,
) -> "DataFrame":
    """Continue prompts base by base.

    - `prompts`: text, files, records or tables, see [Sequences](#sequences).
    - `length`: maximum number of new bases; None: until EOS. `min_length`: minimum number of new bases before EOS.
      `samples`: sequences per prompt.
    - `temperature`: below 1 favours likelier bases; 0: always the most likely base.
    - `top_k`: sample from the k most likely bases; 0: all. `top_p`: sample from the most likely bases with this total
      probability. `min_p`: drop bases below this share of the highest probability.
    - `repetition_penalty`: divide the probability of a base that would complete a repeated word of
      `repetition_length` bases; 1: no penalty.
    - `forbid`: motifs that must not appear, in IUPAC letters. `forbid_both_strands`: nor their reverse complements.
    - `gc`: allowed range of the share of G and C. A sample outside is drawn again, up to `tries` draws, then left out.
    - `alphabet`: letters that may be generated; EOS ends a sequence.
    - `seed`: the same seed gives the same sequences.
    - `progress`: show a progress bar; in Jupyter it is a widget.

    Returns one row per sample: `prompt` (its name), `sample` (from 0), `sequence` (the new bases), `ended` (by EOS),
    `mean_log_probability`, and `log_probabilities`: float32 [bases], ln P of each base at temperature 1.

    Raises `InputError` for a prompt that is empty or not DNA, for two prompts of one name, for a prompt and
    `length` that together exceed the model's positions, and for sampling options out of range.
    """
    from pandas import DataFrame

    with called_from_python(progress=progress):
        check_predicts_bases(model)
        sampling = Sampling(
            length=length, min_length=min_length, samples=samples, temperature=temperature, top_k=top_k, top_p=top_p,
            min_p=min_p, repetition_penalty=repetition_penalty, repetition_length=repetition_length,
            forbid=tuple(forbid), forbid_both_strands=forbid_both_strands, gc=gc, tries=tries, alphabet=alphabet,
            seed=seed,
        )  # fmt: skip
        given = list(read_sequences(prompts))
        check_names(given)
        found = generate_bases(model, given, sampling)
        rows = [
            (one.prompt.name, one.sample, one.ids.tobytes().decode("latin-1"), one.ended,
             float(one.logs.mean(dtype="float64")) if len(one.logs) else float("nan"), one.logs)
            for one in found
        ]  # fmt: skip
        columns = ["prompt", "sample", "sequence", "ended", "mean_log_probability", "log_probabilities"]
        return DataFrame(rows, columns=columns)
